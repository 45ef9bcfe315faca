"""Faults of single kinds of files that chance would seldom make."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy
import pytest
import soundfile

from gonkit.errors import DamagedFileError, GonkitError
from gonkit.evaluation import load_feature_classifier, read_latents
from gonkit.files import read_tensors, write_tensors
from gonkit.inference.model_file import read_model_file
from gonkit.training import CHECKPOINT_FILE, PREVIOUS_FILE, ModelSelection, find_checkpoint, read_metrics
from signals.audio import read_audio, resampled_length
from signals.image import Image
from signals.points.tables import Columns, read_measurements
from signals.shape import read_mesh
from signals.shape.point_cache import MeshSource, build_point_cache, load_cached_mesh
from tests.reliability.kinds import KINDS, make_mesh

Make = Callable[[str], Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a good file of a kind, in a folder of its own."""

    def write(name: str) -> Path:
        path = tmp_path / name / KINDS[name].file
        path.parent.mkdir()
        KINDS[name].make(path)
        KINDS[name].read(path)
        return path

    return write


def changed(path: Path, **metadata: Any) -> Path:
    """A file of tensors with other metadata; None leaves one out."""
    tensors, stored = read_tensors(path)
    write_tensors(path, tensors, {key: value for key, value in (stored | metadata).items() if value is not None})
    return path


def test_formats_that_start_programs_are_not_even_recognized(tmp_path: Path) -> None:
    path = tmp_path / "harmless.png"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n")
    with pytest.raises(GonkitError, match=r"harmless\.png: cannot be read as a picture: cannot identify image file"):
        Image(size=8).files.load(path)


def test_a_picture_under_the_suffix_of_another_format_is_read(make: Make) -> None:
    path = make("picture.png")
    assert len(Image(size=8).files.load(path.rename(path.with_suffix(".jpg"))).values) == 64


def test_formats_of_sound_that_are_not_expected_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.voc", numpy.sin(numpy.arange(400)), 4000, format="VOC")
    path = (tmp_path / "a.voc").rename(tmp_path / "a.wav")
    with pytest.raises(GonkitError, match=r"a\.wav: cannot be read as sound: it holds VOC"):
        read_audio(path, 4000)


def test_rates_that_need_a_huge_filter_are_refused(tmp_path: Path) -> None:
    for rate in (7919, 44_100):
        soundfile.write(tmp_path / f"{rate}.wav", numpy.sin(numpy.arange(400) / 5), rate)
    expected = (
        r"7919\.wav: resampling from 7,919 to 16,000 Hz: declares 126,704,000 numbers of a filter; the limit is 16,7"
    )
    with pytest.raises(GonkitError, match=expected):
        read_audio(tmp_path / "7919.wav", 16_000)
    assert len(read_audio(tmp_path / "7919.wav", 7919)) == 400
    assert len(read_audio(tmp_path / "44100.wav", 16_000)) == resampled_length(tmp_path / "44100.wav", 16_000)


@pytest.mark.parametrize(
    "elements",
    [
        "element vertex 4000000000\nproperty float x\n",
        "element nothing 4000000000\n",
        "element vertex -3\nproperty float x\n",
        "element face 2\nproperty list int int vertex_indices\n",
    ],
)
@pytest.mark.parametrize("form", ["ascii", "binary_little_endian"])
def test_rows_without_end_are_refused_at_once(tmp_path: Path, elements: str, form: str) -> None:
    body = b"-1 -1 -1 -1 -1 -1" if form == "ascii" else b"\xff" * 40
    (tmp_path / "x.ply").write_bytes(f"ply\nformat {form} 1.0\n{elements}end_header\n".encode() + body)
    with pytest.raises(GonkitError, match=r"x\.ply: cannot be read as a mesh"):
        read_mesh(tmp_path / "x.ply")


def test_a_mesh_does_not_make_gonkit_read_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    make_mesh(path := tmp_path / "in" / "mesh.gltf")
    model = json.loads(path.read_text())
    assert len(read_mesh(path).faces) == 12
    for number, buffer in enumerate(model["buffers"]):
        (tmp_path / f"{number}.bin").write_bytes(bytes(buffer["byteLength"]))
        buffer["uri"] = f"../{number}.bin"
    path.write_text(json.dumps(model))
    with pytest.raises(DamagedFileError, match=r"mesh\.gltf: cannot be read as a mesh"):
        read_mesh(path)


def test_prepared_meshes_that_are_damaged_are_prepared_again(tmp_path: Path) -> None:
    make_mesh(tmp_path / "box.stl")
    source = MeshSource("box", "0" * 64, lambda: read_mesh(tmp_path / "box.stl"))

    def build() -> Any:
        return build_point_cache([source], tmp_path / "cache", "box", points=8, repair="none", quiet=True)

    path = build().path
    for fault in ("points", "reports", "digests"):
        with h5py.File(path, "r+") as file:
            del file[fault]
            if fault == "points":
                file[fault] = numpy.zeros((1, 7, 4), numpy.float32)
        assert build().num_computed == 1
        assert len(load_cached_mesh(path, 0).faces) == 12
    path.write_bytes(path.read_bytes()[:5000])
    assert build().num_computed == 1
    assert build().num_computed == 0


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [
        ("latent", numpy.zeros((4, 3), int), r"floating-point numbers \(N, K\); got int64 \(4, 3\)"),
        ("name", numpy.array(["a", "b"]), "there must be 4 names"),
        ("label", numpy.zeros(3, int), r"labels are \(4,\) whole numbers; got int64 \(3,\)"),
    ],
)
def test_latents_that_do_not_fit_together_are_named(make: Make, part: str, values: Any, message: str) -> None:
    path = make("latents.npz")
    with numpy.load(path) as file:
        arrays = dict(file)
    numpy.savez(path, **(arrays | {f"train/{part}": values}))
    with pytest.raises(DamagedFileError, match=rf"latents\.npz: cannot be read as latents: .*{message}"):
        read_latents(path)


def test_a_bad_byte_in_metrics_is_named_with_its_line(make: Make) -> None:
    path = make("metrics")
    lines = path.read_bytes().splitlines(keepends=True)
    for bad, reason in (
        (b"\xff\n", "utf-8"),
        (b"7\n", "line 3 has no step"),
        (b'{"step": 1, "a": "b"}\n', "'a' in line 3"),
    ):
        path.write_bytes(b"".join([*lines[:2], bad, *lines[3:]]))
        with pytest.raises(DamagedFileError, match=rf"metrics\.jsonl: .* metrics: .*{reason}.*; remove line 3"):
            read_metrics(path.parent)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"recipe": 7}, "its recipe is no text"),
        ({"class_names": 7}, "its class names no list"),
        ({"recipe": "name = 1979-05-27"}, "mistake"),
        ({"format": [3]}, r"of format \[3\]"),
    ],
)
def test_metadata_of_another_type_are_refused(make: Make, metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(GonkitError, match=message):
        read_model_file(changed(make("model"), **metadata))


def test_a_wide_network_without_its_weights_is_refused_before_it_is_built(make: Make) -> None:
    path = make("model")
    good = read_tensors(path)[1]["recipe"]
    wide = good.replace("\nwidth = 4", "\nwidth = 30000")
    many = good.replace("head_width = 0", "head_width = 60000") + "\n[loss.outer]\ncross_entropy = 1.0\n"
    for recipe, classes in ((wide, 2), (many, 100_000)):
        assert recipe != good
        with pytest.raises(DamagedFileError, match="it has fewer weights than its recipe tells"):
            read_model_file(changed(path, recipe=recipe, class_names=["a"] * classes))


@pytest.mark.parametrize("shape", [[10**9], [10**9, 10**9], ["a"], 3, [float("inf")]])
def test_a_classifier_of_absurd_size_takes_no_memory(make: Make, shape: Any) -> None:
    with pytest.raises(DamagedFileError, match="cannot be read as a classifier of samples"):
        load_feature_classifier(changed(make("header of classifier"), grid_shape=shape))


def test_a_checkpoint_without_its_step_is_passed_over(make: Make) -> None:
    path = make("header of checkpoint")
    (path.parent / PREVIOUS_FILE).write_bytes(path.read_bytes())
    changed(path.parent / CHECKPOINT_FILE, step=None)
    found = find_checkpoint(path.parent)
    assert found is not None
    assert found.path.name == PREVIOUS_FILE
    assert "checkpoint.safetensors: cannot be read as a checkpoint: KeyError: 'step'" in found.damaged[0]
    write_tensors(path.parent / "selected.safetensors", {}, {"score": "high"})
    with pytest.raises(DamagedFileError, match=r"selected\.safetensors: cannot be read as selected weights"):
        ModelSelection(path.parent, "best")


def test_points_whose_signals_do_not_fit_are_named(make: Make) -> None:
    path = make("points.h5")
    with h5py.File(path, "r+") as file:
        del file["label"]
        file["label"] = numpy.arange(3)
    with pytest.raises(GonkitError, match=r"points\.h5: label: wanted \(12,\) numbers or words; got int64 \(3,\)"):
        read_measurements(path, Columns(("x", "y"), ("v",), "signal"))
