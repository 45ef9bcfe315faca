"""Latents as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy
import pytest
import torch

import gonkit
from gonkit.errors import GonkitError
from gonkit.evaluation import LatentTable, encode_splits, read_latents, write_latents
from gonkit.priors import fit_prior


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_written_latents_give_the_same_samples_when_read(
    trained: Callable[[str], Path], tmp_path: Path, suffix: str
) -> None:
    model = gonkit.load(trained("plain"))
    path = tmp_path / f"latents{suffix}"
    write_latents(path, encode_splits(model))
    tables = read_latents(path)
    assert list(tables) == ["train", "val", "test"]
    test = model.dataset("test")
    index = torch.arange(len(test))
    assert torch.equal(tables["test"].latent, model.encode(test.batch(index)))
    assert tables["test"].names == test.info.names_of(index)
    label = test.batch(index).label
    assert tables["test"].label is not None
    assert label is not None
    assert torch.equal(tables["test"].label, label)
    prior = fit_prior("gmm", tables["train"].latent, tables["val"].latent, components=2)
    objects = model.decode(prior.sample(4, seed=7))
    assert [obj.tobytes() for obj in objects] == [obj.tobytes() for obj in model.sample(4, seed=7)]


def test_other_programs_can_read_them(tmp_path: Path) -> None:
    table = LatentTable(torch.randn(4, 3), torch.tensor([1, 0, 2, 1]), ["a.png", "b.png", "ü.png", "d/e.png"])
    for suffix in (".npz", ".h5"):
        write_latents(tmp_path / f"x{suffix}", {"val": table})
    with numpy.load(tmp_path / "x.npz", allow_pickle=False) as plain, h5py.File(tmp_path / "x.h5") as tree:
        assert plain["val/latent"].dtype == numpy.float32
        assert numpy.array_equal(plain["val/latent"], table.latent.numpy())
        assert numpy.array_equal(plain["val/latent"], tree["val/latent"][()])
        assert numpy.array_equal(plain["val/label"], tree["val/label"][()])
        assert plain["val/name"].tolist() == tree["val/name"].asstr()[()].tolist() == table.names


def test_signals_without_labels_have_none_in_the_file(tmp_path: Path) -> None:
    for suffix in (".npz", ".h5"):
        write_latents(tmp_path / f"x{suffix}", {"test": LatentTable(torch.zeros(2, 3), None, ["0", "1"])})
        tables = read_latents(tmp_path / f"x{suffix}")
        assert list(tables) == ["test"]
        assert tables["test"].label is None


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(GonkitError, match=r"latents are written to \.npz or \.h5"):
        write_latents(tmp_path / "x.csv", {})
    (tmp_path / "bad.npz").write_text("no latents")
    with pytest.raises(GonkitError, match="cannot be read as latents"):
        read_latents(tmp_path / "bad.npz")
    with pytest.raises(GonkitError, match="cannot be read as latents"):
        read_latents(tmp_path / "none.h5")
