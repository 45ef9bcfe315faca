"""Files of every kind that gonkit reads, made small, and what reads them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy
import torch
from PIL import Image as pillow

from gonkit.data import DataRecord, LabeledFolder
from gonkit.data.record import FileRecord, SplitRecord
from gonkit.evaluation import (
    FeatureClassifier,
    LatentTable,
    load_feature_classifier,
    read_latents,
    save_feature_classifier,
    write_latents,
)
from gonkit.files import read_json, write_bytes
from gonkit.inference import build_gon
from gonkit.inference.model_file import ModelContent, read_model_file, write_model_file
from gonkit.pipeline.resuming import read_stored_recipe
from gonkit.priors import standard_normal
from gonkit.recipe import parse_recipe, read_recipe, recipe_from_dict
from gonkit.training import find_checkpoint, load_checkpoint, read_metrics, save_checkpoint
from signals.audio.files import read_audio, read_segment, resampled_length
from signals.image import Image
from signals.points.tables import Columns, guess_columns, read_measurements
from signals.shape.mesh import export_mesh, read_mesh
from signals.shape.point_cache import MeshSource, build_point_cache, load_cached_mesh
from tests.reliability.packing import first_member, replaced_member, tensor_header, with_checksums, with_header

RECIPE = """
name = "small"
[signal]
type = "signals.image:Image"
data = "digits"
[field]
width = 4
layers = 2
[latent]
dim = 3
[train]
steps = 12
"""
COLUMNS = Columns(("x", "y"), ("v",), "signal", "label")


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        file: its name.
        make: writes a good one.
        read: reads one; returns anything, or raises GonkitError.
        unpack: the part of a good file's content that is changed, such as what a checksum protects.
        pack: the content of a file from that of a good file and the changed part.
    """

    file: str
    make: Callable[[Path], Any]
    read: Callable[[Path], Any]
    unpack: Callable[[bytes], bytes] = bytes
    pack: Callable[[bytes, bytes], bytes] = lambda good, part: part


def make_picture(path: Path, **options: Any) -> None:
    pixels = numpy.random.default_rng(0).integers(0, 256, (9, 8, 3), numpy.uint8)
    pillow.fromarray(pixels).save(path, **options)


def read_picture(path: Path) -> None:
    for color in ("gray", "rgb", "rgba"):
        files = Image(data=str(path.parent), size=8, color=color).files
        files.load(path)
        files.open(path).read(1)


def make_sound(path: Path) -> None:
    import soundfile

    soundfile.write(path, numpy.sin(numpy.arange(400) / 5), 4000)


def read_sound(path: Path) -> None:
    read_audio(path, 3000)
    read_segment(path, 10, 50, 3000)
    resampled_length(path, 3000)


def make_mesh(path: Path) -> None:
    import trimesh

    box = trimesh.creation.box()
    if path.suffix == ".off":
        path.write_text(box.export(file_type="off"))
    elif path.name == "text.ply":
        path.write_bytes(box.export(file_type="ply", encoding="ascii"))
    elif path.suffix == ".gltf":
        files = box.export(file_type="gltf")
        model = json.loads(files["model.gltf"])
        for buffer in model["buffers"]:
            buffer["uri"] = "data:application/octet-stream;base64," + base64.b64encode(files[buffer["uri"]]).decode()
        path.write_text(json.dumps(model))
    else:
        path.write_bytes(export_mesh(box, path.suffix))


def make_cache(path: Path) -> None:
    import trimesh

    mesh = path.with_name("box.stl")
    mesh.write_bytes(export_mesh(trimesh.creation.box(), ".stl"))
    source = MeshSource("box", "0" * 64, partial(read_mesh, mesh))
    built = build_point_cache([source], path.parent, "box", points=8, repair="none", quiet=True)
    built.path.rename(path)
    mesh.unlink()


def make_array(path: Path) -> None:
    values = numpy.random.default_rng(0).random((6, 5, 7)).astype(numpy.float32)
    labels = numpy.arange(6) % 2
    if path.suffix == ".npy":
        numpy.save(path, values)
    elif path.suffix == ".npz":
        numpy.savez(path, values=values, label=labels)
    else:
        with h5py.File(path, "w") as file:
            file["values"], file["label"] = values, labels


def read_arrays_of(path: Path) -> None:
    array = recipe_from_dict({"name": "small", "signal": {"type": "signals.array:Array", "data": str(path)}}).signal
    for split in ("train", "val", "test"):
        dataset = array.dataset(split)
        dataset.batch(torch.arange(len(dataset)))


def make_points(path: Path) -> None:
    random = numpy.random.default_rng(0)
    coords, values = random.random((12, 2)), random.random((12, 1))
    signal, label = numpy.arange(12) // 4, numpy.arange(12) // 8
    if path.suffix == ".npz":
        numpy.savez(path, coords=coords, values=values, mask=values > 0.1)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["coords"], file["values"], file["signal"], file["label"] = coords, values, signal, label
            file["mask"] = values > 0.1
    else:
        import pyarrow
        from pyarrow import csv, parquet

        columns = {"x": coords[:, 0], "y": coords[:, 1], "v": values[:, 0], "signal": signal, "label": label}
        table = pyarrow.table(columns)
        if path.suffix == ".csv":
            csv.write_csv(table, path)
        else:
            parquet.write_table(table, path)


def read_points(path: Path) -> None:
    columns = COLUMNS if path.suffix in (".csv", ".parquet") else Columns((), (), "signal")
    read_measurements(path, guess_columns(path, columns))


def make_picture_rows(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["values"] = numpy.random.default_rng(0).integers(0, 256, (8, 6, 5, 3), numpy.uint8)
        file["label"] = numpy.arange(8) % 3


def read_picture_rows(path: Path) -> None:
    for split in ("train", "val", "test"):
        dataset = Image(data=str(path), size=8).dataset(split)
        dataset.batch(torch.arange(len(dataset)))


def make_model(path: Path) -> None:
    recipe = parse_recipe(RECIPE)
    write_model_file(path, ModelContent(recipe, build_gon(recipe), standard_normal(3), ("a", "b"), False))


def training_state() -> tuple[torch.nn.Module, list[torch.optim.Optimizer]]:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(3)).sum().backward()
    optimizer.step()
    return model, [optimizer]


def read_checkpoint(path: Path) -> None:
    find_checkpoint(path.parent)
    load_checkpoint(path, *training_state())


def make_latents(path: Path) -> None:
    write_latents(path, {"train": LatentTable(torch.ones(4, 3), torch.arange(4), list("abcd"))})


def make_record(path: Path) -> None:
    parts = {"train": SplitRecord(2, {"a": FileRecord(1, 2, "f"), "b": FileRecord(1, 2, "f")})}
    parts |= {"val": SplitRecord(1, {}, [(0.0, 1.0)], "f"), "test": SplitRecord(1)}
    write_bytes(path, DataRecord(parts).encode())


def read_record(path: Path) -> None:
    record = DataRecord.read(path)
    assert record is not None
    record.changes(DataRecord({"train": SplitRecord(3), "val": SplitRecord(1, {}, [(0.0, 1.0)], "f")}))


def read_label_table(path: Path) -> None:
    names = ["a.png", "b.png", "c.png"]
    found = LabeledFolder.of(path.parent, names, "files", path.name)
    found.classes(list(found.fields))
    found.split(list(found.fields), "train")


def read_run_versions(path: Path) -> None:
    (path.parent / "recipe.toml").write_text(RECIPE)
    read_stored_recipe(path.parent)
    read_json(path, "versions")


def read_override(path: Path) -> None:
    parse_recipe(RECIPE, [path.read_bytes().decode("latin-1")])


TABLES = ("csv", "parquet") if find_spec("pyarrow") else ()  # which an extra reads
KINDS = {
    **{f"picture.{end}": Kind(f"picture.{end}", make_picture, read_picture) for end in ("jpg", "gif", "bmp", "webp")},
    "picture.png": Kind("picture.png", make_picture, read_picture, pack=with_checksums),
    "picture.tif": Kind("picture.tif", partial(make_picture, compression="tiff_lzw"), read_picture),
    **{f"sound.{end}": Kind(f"sound.{end}", make_sound, read_sound) for end in ("wav", "flac", "ogg", "aiff", "au")},
    **{f"mesh.{end}": Kind(f"mesh.{end}", make_mesh, read_mesh) for end in ("obj", "off", "ply", "stl", "glb", "gltf")},
    "text.ply": Kind("text.ply", make_mesh, read_mesh),
    "points of meshes": Kind("cache.h5", make_cache, partial(load_cached_mesh, row=0)),
    **{f"array.{end}": Kind(f"array.{end}", make_array, read_arrays_of) for end in ("npy", "npz", "h5")},
    "member of array.npz": Kind("array.npz", make_array, read_arrays_of, first_member, replaced_member),
    **{f"points.{end}": Kind(f"points.{end}", make_points, read_points) for end in ("npz", "h5", *TABLES)},
    "member of points.npz": Kind("points.npz", make_points, read_points, first_member, replaced_member),
    "pictures.h5": Kind("pictures.h5", make_picture_rows, read_picture_rows),
    "model": Kind("model.safetensors", make_model, read_model_file),
    "header of model": Kind("model.safetensors", make_model, read_model_file, tensor_header, with_header),
    "header of checkpoint": Kind(
        "checkpoint.safetensors",
        lambda path: save_checkpoint(path, 3, *training_state(), seconds=1.0),
        read_checkpoint,
        tensor_header,
        with_header,
    ),
    "header of classifier": Kind(
        "classifier.safetensors",
        lambda path: save_feature_classifier(FeatureClassifier((9,), 1, 2), path),
        load_feature_classifier,
        tensor_header,
        with_header,
    ),
    **{f"latents.{end}": Kind(f"latents.{end}", make_latents, read_latents) for end in ("npz", "h5")},
    "member of latents.npz": Kind("latents.npz", make_latents, read_latents, first_member, replaced_member),
    "metrics": Kind(
        "metrics.jsonl",
        lambda path: path.write_text("".join(f'{{"step": {n}, "train/loss": {1 / n}}}\n' for n in range(1, 9))),
        lambda path: read_metrics(path.parent),
    ),
    "record of data": Kind("data.json", make_record, read_record),
    "labels": Kind(
        "labels.csv",
        lambda path: path.write_text("file,label,split\na.png,x,train\nb.png,y,val\nc.png,x,test\n"),
        read_label_table,
    ),
    "versions": Kind(
        "versions.json", lambda path: path.write_text('{"torch": "2", "own_data": false}'), read_run_versions
    ),
    "recipe": Kind("recipe.toml", lambda path: path.write_text(parse_recipe(RECIPE).toml()), read_recipe),
    "setting": Kind("setting.txt", lambda path: path.write_text("train.steps=12"), read_override),
}
