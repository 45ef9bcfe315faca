"""Latents as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy
import pytest
import torch

import gonkit
from gonkit.cli import main
from gonkit.exporting import read_latents
from gonkit.priors import fit_prior
from gonkit.run import main as run
from gonkit.signal import SignalError


@pytest.fixture
def trained(recipe: Callable[..., Path], tmp_path: Path) -> Path:
    assert run([str(recipe()), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    return tmp_path / "run"


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_exported_latents_reload_to_the_same_samples(trained: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"latents{suffix}"
    assert main(["latents", str(trained), "--out", str(path)]) == 0
    tables, model = read_latents(path), gonkit.load(trained)
    assert list(tables) == ["train", "val", "test"]
    test = model.signal.dataset("test")
    assert torch.equal(tables["test"].latent, model.encode(test.batch(torch.arange(len(test)))))
    assert tables["test"].names == test.names(torch.arange(len(test)))
    label = test.batch(torch.arange(len(test))).label
    assert tables["test"].label is not None
    assert label is not None
    assert torch.equal(tables["test"].label, label)
    prior = fit_prior("gmm", tables["train"].latent, tables["val"].latent, components=2)
    again = model.decode(prior.sample(4, seed=7))
    assert [p.tobytes() for p in again] == [p.tobytes() for p in model.sample(4, seed=7)]


def test_other_programs_can_read_them(trained: Path, tmp_path: Path) -> None:
    for suffix in (".npz", ".h5"):
        assert main(["latents", str(trained), "--out", str(tmp_path / f"x{suffix}")]) == 0
    with numpy.load(tmp_path / "x.npz", allow_pickle=False) as plain, h5py.File(tmp_path / "x.h5") as tree:
        assert plain["val/latent"].dtype == numpy.float32
        assert numpy.array_equal(plain["val/latent"], tree["val/latent"][()])
        assert numpy.array_equal(plain["val/label"], tree["val/label"][()])
        assert plain["val/name"].tolist() == tree["val/name"].asstr()[()].tolist()


def test_mistakes_are_named(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["latents", str(trained), "--out", str(tmp_path / "x.csv")]) == 2
    assert ".npz or .h5" in capsys.readouterr().err
    (tmp_path / "bad.npz").write_text("no latents")
    with pytest.raises(SignalError, match="cannot be read as latents"):
        read_latents(tmp_path / "bad.npz")
    with pytest.raises(SignalError, match="cannot be read as latents"):
        read_latents(tmp_path / "none.h5")


def test_the_projector_has_latents_names_labels_and_thumbnails(trained: Path) -> None:
    folder = trained / "projector"
    config = (folder / "projector_config.pbtxt").read_text()
    table = next(folder.rglob("tensors.tsv"))
    metadata, sprite = table.with_name("metadata.tsv"), table.with_name("sprite.png")
    for path in (table, metadata, sprite):
        assert str(path.relative_to(folder)) in config
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    lines = metadata.read_text().splitlines()
    assert lines[0] == "name\tlabel"
    assert len(lines) == len(rows) + 1
    model = gonkit.load(trained)
    test = model.signal.dataset("test")
    latent = torch.tensor([[float(number) for number in row] for row in rows])
    torch.testing.assert_close(latent, model.encode(test.batch(test.spread(len(rows)))), atol=1e-4, rtol=1e-3)
