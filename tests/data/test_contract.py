"""Signal types that break their contract: one sentence each, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gonkit.cli import main
from gonkit.data import check_contract, read_dataset
from gonkit.errors import GonkitError
from gonkit.pipeline import train
from gonkit.recipe import parse_recipe
from tests.data.fields import Field

CURVES = '''
"""Sine curves."""

from typing import ClassVar

import numpy
import torch
from gonkit import Batch, Grid, InMemoryDataset, Signal, split_indices
from gonkit.data import DatasetInfo, Display, Measures, SignalDataset, SignalFiles


class Curve(Signal):
    value_range: ClassVar = (-1.0, 1.0)
    channels: ClassVar = 1

    def grid(self, resolution=None):
        return Grid.centers(resolution or 40)

    def dataset(self, split):
        index, points = split_indices(60, split), self.grid().coords
        values = torch.sin(3 * torch.randn(60, 1, 1, generator=torch.Generator().manual_seed(0)) * points)
        return InMemoryDataset(Batch(points, values[index]))
'''
RECIPE = """
name = "curve"
signal.type = "{file}:Curve"
field = {{ width = 16, layers = 2, omega = 5.0 }}
latent.dim = 4
train = {{ steps = 3, compile = false }}
"""
CENTERS = "Grid.centers(resolution or 40)"
DATA = "Batch(points, values[index])"
END = "        return InMemoryDataset(Batch(points, values[index]))\n"
MEASURES = """
    @property
    def measures(self):
        class Own(Measures):
            def metrics(self):
                return {body}
        return Own()
"""
FILES = """
    @property
    def files(self):
        class Own(SignalFiles):
            write_suffixes = (".txt",)
            def save(self, obj, stem, suffix=None):
                {body}
        return Own(self.to_object, self.preview)
"""
MISTAKES = {
    "channels": (
        "channels: ClassVar = 1",
        "channels: ClassVar = 3",
        r"values: got 1 channels; expected 3, as Curve.ch",
    ),
    "float64": (
        DATA,
        "Batch(points, values[index].double())",
        r"values: got torch.float64; expected float32.*float\(\)",
    ),
    "int64": (DATA, "Batch(points, (100 * values[index]).long())", r"values: got torch.int64; expected float32"),
    "scalar metric": (
        END,
        END + MEASURES.format(body='{"mae": lambda a, b: (a - b).abs().mean()}'),
        r"Curve.measures.metrics\(\)\['mae'\]: got torch.float32 \(\) for 2 signals; expected a float tensor \(2,\)",
    ),
    "coordinates": (
        CENTERS,
        "Grid(250 * Grid.centers(40).coords + 250, (40,))",
        r"Curve.grid\(\).coords: got 6.25 to 4",
    ),
    "range": ("(-1.0, 1.0)", "(0.0, 0.0)", r"Curve.value_range: got \(0.0, 0.0\); expected \(low, high\)"),
    "masked": (
        DATA,
        "Batch(points, values[index], mask=torch.zeros(len(index), 40, dtype=torch.bool))",
        r"the train signals of Curve: InMemoryDataset.batch\(\) mask: got False at every point",
    ),
    "dimensions": (
        DATA,
        "Batch(points.repeat(1, 2), values[index])",
        r"coords: got 2 coordinates per point; expected 1, as Curve.grid\(\) has",
    ),
    "numpy": (
        DATA,
        "Batch(points, values[index].numpy())",
        r"Curve.dataset: values must be a torch tensor; got numpy.ndarray: use torch.as_tensor \(.*curve.py, line 22\)",
    ),
    "no channels": ("    channels: ClassVar = 1\n", "", r"curve.py:Curve lacks channels, which it must define"),
    "misspelt": ("def grid(", "def gird(", r"curve.py:Curve lacks grid, which it must define; did you mean 'gird'"),
    "wrong shape": (
        DATA,
        "Batch(points, values[index, :, 0])",
        r"Curve.dataset: values must be \(B, P, C\); got \(48, 40\)",
    ),
    "grid shape": (CENTERS, "Grid(Grid.centers(40).coords, (41,))", r"Curve.grid: a grid of shape \(41,\) needs"),
    "no grid": (CENTERS, "Grid.centers(40).coords", r"Curve.grid\(\): got torch.Tensor; expected a gonkit Grid"),
    "no data set": (
        "InMemoryDataset(" + DATA + ")",
        DATA,
        r"Curve.dataset\('train'\): got gonkit.batch.Batch; expected a S",
    ),
    "bug": ("split_indices(60, split)", "{}['train']", r"Curve.dataset: KeyError: 'train' \(.*curve.py, line 20\)"),
    "syntax": ("channels: ClassVar = 1", "channels = = 1", r"importing .*curve.py:Curve: SyntaxError: .*line 14"),
    "setting": ("channels: ClassVar = 1", "channels = 1", r"importing .*curve.py:Curve: .*line 12"),
    "preview": (
        END,
        END + "\n    def preview(self, obj):\n        return obj\n",
        r"Curve.preview\(\): got numpy.ndarray; exp",
    ),
    "sizes": (
        END,
        END + "\n    def preview(self, obj):\n        from PIL import Image\n"
        "        return Image.new('L', (8, 1 + int(obj[0, 0] > 0)))\n",
        r"Curve.preview\(\): got pictures of \(8, .*; expected one size for one resolution",
    ),
    "object": (
        END,
        END + "\n    def to_object(self, values, resolution=None):\n        return values.nupmy()\n",
        r"nupmy.*line 25",
    ),
    "object of a signal": (
        END,
        END + "\n    def to_object(self, values, resolution=None):\n"
        "        return {True: values.numpy()}[bool(values[0] == values[-1])]\n",
        r"Curve.to_object: KeyError: False \(curve.py, line 25\)",
    ),
    "file": (
        END,
        END + FILES.format(body="return stem"),
        r"Curve.files.save\(\) with .txt: got .*; expected the path of",
    ),
    "label": (
        DATA,
        DATA[:-1] + ", label=index.int())",
        r"the train signals of Curve: labels: got torch.int32; expected int64",
    ),
    "class": (
        DATA,
        DATA[:-1] + ", label=index), DatasetInfo(class_names=('a', 'b'))",
        r"the train signals of Curve: labels: got a label 59; expected 0 to 1, since there are 2 class_names",
    ),
    "losses": (
        END,
        END + "\n    @property\n    def default_losses(self):\n        return DefaultLoss()\n",
        r"Curve.default_losses: NameError: name 'DefaultLoss' is not defined \(curve.py, line 26\)",
    ),
    "validator": (
        "channels: ClassVar = 1",
        "channels: ClassVar = 1\n    points: int = 40\n    def model_post_init(self, context):\n        self.pionts",
        r"signal: Curve: AttributeError: .*'pionts' \(curve.py, line 17\)",
    ),
    "negative": (DATA, DATA[:-1] + ", label=index - 1)", r"labels: got a label -1; expected classes numbered from 0"),
}


@pytest.fixture
def curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Writes curve.py with one text replaced, and gives the recipe."""

    def write(old: str = "", new: str = "") -> str:
        assert old in CURVES
        (tmp_path / "curve.py").write_text(CURVES.replace(old, new) if old else CURVES)
        monkeypatch.chdir(tmp_path)
        return RECIPE.format(file=tmp_path / "curve.py")

    return write


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_before_the_first_step(
    mistake: str, curve: Callable[[str, str], str], tmp_path: Path
) -> None:
    old, new, message = MISTAKES[mistake]
    text = curve(old, new)
    with pytest.raises(GonkitError, match=message):
        train(parse_recipe(text), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_dry_run_finds_the_same_mistakes(
    curve: Callable[[str, str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "curve.toml"
    recipe.write_text(curve("channels: ClassVar = 1", "channels: ClassVar = 3"))
    assert main(["run", str(recipe), "--dry-run"]) == 2
    assert capsys.readouterr().err == (
        "error: the train signals of Curve: InMemoryDataset.batch() values: got 1 channels; expected 3, as "
        "Curve.channels says: correct one of them\n"
    )


def test_a_good_type_has_nothing_to_correct(curve: Callable[[], str], tmp_path: Path) -> None:
    assert train(parse_recipe(curve()), out=tmp_path / "run", quiet=True).folder.is_dir()


def test_data_passed_to_train_is_held_to_the_contract(tmp_path: Path) -> None:
    data = Field(channel_count=2).dataset("train")
    with pytest.raises(
        GonkitError, match=r"the train signals of Field: SubsetDataset.batch\(\) values: got 2 channels; expected 1"
    ):
        train({"name": "x", "signal": Field()}, dataset=data, out=tmp_path / "run")


def test_some_points_or_channels_may_be_missing() -> None:
    signal = Field()
    datasets = {split: signal.dataset(split) for split in ("train", "val", "test")}
    for dataset in datasets.values():
        values = dataset.data.values.clone()
        values[:, :7] = torch.nan
        object.__setattr__(dataset, "data", type(dataset.data)(dataset.data.coords, values, ~values.isnan().any(-1)))
    check_contract(signal, datasets)


def test_a_mistake_that_says_enough_stays_as_it_is(curve: Callable[[str, str], str]) -> None:
    recipe = parse_recipe(curve("split_indices(60, split)", "split_indices(2, split)"))
    with pytest.raises(GonkitError, match=r"^2 signal\(s\) found; at least 3 are needed"):
        read_dataset(recipe.signal, "train")
