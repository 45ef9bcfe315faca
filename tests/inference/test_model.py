"""A trained model, as Python uses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import gonkit
from gonkit.batch import Sample
from gonkit.errors import GonkitError
from gonkit.inference import Model
from tests.conftest import assert_same_pictures

Trained = Callable[[str], Path]


def test_the_model_file_is_all_that_sampling_needs(trained: Trained, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere.safetensors"
    alone.write_bytes((trained("plain") / "model.safetensors").read_bytes())
    model = gonkit.load(alone)
    pictures = model.sample(3, resolution=40)
    assert [picture.size for picture in pictures] == [(40, 40)] * 3
    assert pictures[0].tobytes() == model.sample(3, resolution=40)[0].tobytes()


@pytest.mark.parametrize("kind", ["plain", "classifier", "conditional", "translation", "variational"])
def test_a_model_is_the_same_after_it_is_saved_and_loaded(trained: Trained, tmp_path: Path, kind: str) -> None:
    model = gonkit.load(trained(kind))
    model.save(tmp_path / "again.safetensors")
    again = Model.load(tmp_path / "again.safetensors")
    assert again.recipe == model.recipe
    assert again.class_names == model.class_names
    weights, others = model.gon.state_dict(), again.gon.state_dict()
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[key], others[key]) for key in weights)
    assert torch.equal(model.prior.sample(5, seed=1), again.prior.sample(5, seed=1))
    assert (model.gon.posterior is not None) == (kind == "variational")
    assert (model.gon.classifier is not None) == (kind == "classifier")
    assert (model.gon.encoder is not None) == (kind == "translation")


def test_signals_may_be_a_batch_values_samples_or_files(trained: Trained, tmp_path: Path) -> None:
    model = gonkit.load(trained("plain"))
    signal, batch = model.task.output_type, model.dataset("test").batch(torch.arange(3))
    objects = signal.to_objects(batch.values)
    paths = [signal.files.save(obj, tmp_path / str(i)) for i, obj in enumerate(objects)]
    latent = model.encode(batch)
    for signals in (batch.values, [Sample(values) for values in batch.values], paths, [str(path) for path in paths]):
        torch.testing.assert_close(model.encode(signals), latent)


def test_a_small_chunk_gives_the_same_values(trained: Trained) -> None:
    model = gonkit.load(trained("plain"))
    latent = model.prior.sample(3)
    torch.testing.assert_close(model.decode_values(latent, chunk=7), model.decode_values(latent))


def test_a_class_is_found_by_name_or_number(trained: Trained) -> None:
    model = gonkit.load(trained("classifier"))
    assert model.class_names == tuple("0123456789")
    assert model.class_index("7") == model.class_index(7) == 7
    with pytest.raises(GonkitError, match="there is no class 'seven'"):
        model.class_index("seven")
    numbered = replace(model, class_names=("1", "10", "2"))  # names of folders, sorted
    assert [numbered.class_index(name) for name in ("1", 2, "10")] == [0, 2, 1]
    with pytest.raises(GonkitError, match=r"there is no class '0'.*; there are 1, 10, 2"):
        numbered.class_index("0")
    assert replace(model, class_names=("cat", "dog")).class_index("1") == 1


def test_class_means_are_means_of_training_latents(trained: Trained) -> None:
    model = gonkit.load(trained("plain"))
    train = model.dataset("train")
    batch = train.batch(torch.arange(len(train)))
    assert batch.label is not None
    expected = torch.stack([model.encode(batch[batch.label == label]).mean(0) for label in (8, 3)])
    torch.testing.assert_close(model.class_means([8, 3]), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(GonkitError, match="no training signal is of class 12"):
        model.class_means([3, 12])


def test_conversion_uses_the_latent_where_the_field_sees_the_source(trained: Trained) -> None:
    model = gonkit.load(trained("conditional"))
    inputs = model.dataset("test").inputs(torch.arange(2))
    assert inputs is not None
    at_origin, explicit = model.convert(inputs), model.convert(inputs, latent=torch.zeros(1, 6))
    assert_same_pictures(at_origin, explicit)
    other = model.convert(inputs, latent=torch.full((1, 6), 3.0))
    assert at_origin[0].tobytes() != other[0].tobytes()
    assert [obj.size for obj in model.convert(inputs, resolution=20)] == [(20, 20)] * 2


def test_conversion_decodes_the_source_s_latent_where_it_has_an_encoder(trained: Trained) -> None:
    model = gonkit.load(trained("translation"))
    inputs = model.dataset("test").inputs(torch.arange(2))
    assert inputs is not None
    expected = model.decode(model.encode(inputs))
    assert_same_pictures(model.convert(inputs), expected)
    assert expected[0].size == (8, 8)
