"""What several tests share: a small recipe, real data, and runs that are trained once."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from gonkit.batch import Batch
from gonkit.data import DatasetInfo, InMemoryDataset
from gonkit.run import main

torch.set_num_threads(1)  # the networks of tests are too small to share out
os.environ.setdefault("OMP_NUM_THREADS", "1")  # nor those of the processes that tests start

ROOT = Path(__file__).parent.parent
CALIBRATED = {"latent_mean", "latent_precision", "residual_variance"}  # measured after training too, like a prior
RECIPE = """
name = "small"
[signal]
type = "signals.image:Image"
data = "digits"
[field]
width = 16
layers = 2
[latent]
dim = 6
[train]
steps = 12
batch = 16
points = 32
validate_every = 5
log_every = 2
validate_signals = 32
[prior]
components = 2
"""

IMAGES = 'type = "signals.image:Image"\ndata = "digits"\n'
COLORIZE = """type = "signals.paired:Conditional"
pairs = "reduced"
reach = 1
[signal.target]
type = "signals.image:Image"
data = "photos"
[signal.source]
type = "signals.image:Image"
data = "photos"
color = "gray"
"""
SUPERRES = """type = "signals.paired:Translation"
pairs = "reduced"
[signal.target]
type = "signals.image:Image"
data = "digits"
[signal.source]
type = "signals.image:Image"
data = "digits"
size = 4
"""
CLASSIFY = (
    ("dim = 6", 'dim = 16\norigin = "sparse"'),
    ("steps = 12", "steps = 150\nlearning_rate = 2e-3"),
    ("every = 5", "every = 75"),
    ("[train]", "[loss]\nouter = { cross_entropy = 1.0 }\n[train]"),
)
MODELS = {  # kind of model → changes of the recipe
    "plain": (),
    "classifier": CLASSIFY,
    "conditional": ((IMAGES, COLORIZE), ("dim = 6", "dim = 6\ndropout = 0.5")),
    "translation": ((IMAGES, SUPERRES), ("layers = 2", "layers = 2\nseries = 20\nseries_width = 8")),
    "polished": (("dim = 6", "dim = 6\nrefine = 2"), ("steps = 12", "steps = 12\npolish = 0.5")),
    "variational": (
        ("[train]", "[loss]\nouter = { mse = 1.0, kl = 0.01 }\n[train]"),
        ("components = 2", 'kind = "unit"'),
    ),
}

INTERRUPTED_TYPE = '''
"""Digits, and a process that sends itself a signal while it reads the batch of a step, if order.json asks it to."""

import json
import os
from pathlib import Path

import torch
from gonkit.data import SubsetDataset
from signals.image import Image

ORDER = Path(__file__).with_name("order.json")


class Digits(Image):
    def dataset(self, split):
        whole = super().dataset(split)
        return Interrupting(whole, torch.arange(len(whole)))


class Interrupting(SubsetDataset):
    count = 0

    def pair(self, index, *, evaluate=False):
        self.count += 1 < len(index) <= 16  # a training step; not the look at one signal or at all of them
        if ORDER.exists():
            order = json.loads(ORDER.read_text())
            if self.count == order["step"] and os.environ.get("RANK", "0") == str(order["rank"]):
                ORDER.unlink()  # once
                os.kill(os.getpid(), order["signal"])
        return super().pair(index, evaluate=evaluate)
'''


def real_data(name: str) -> Path:
    """A folder of real data, below the folder that the environment variable GONKIT_DATA names; skips without it."""
    folder = os.environ.get("GONKIT_DATA")
    if not folder:
        pytest.skip("GONKIT_DATA names no folder with real data")
    path = Path(folder) / name
    if not path.exists():
        pytest.skip(f"no {name} in the folder that GONKIT_DATA names")
    return path.resolve()


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's state folder, in which their own recipes are kept in mind, of the processes that tests start too."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("state")
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield folder


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a small recipe to a file, with lines replaced or added; gives its path."""

    def write(*changes: tuple[str, str], name: str = "small.toml") -> Path:
        path = tmp_path / name
        path.write_text(changed_recipe(*changes))
        return path

    return write


@pytest.fixture
def interrupt(tmp_path: Path) -> Callable[[int, int, int], tuple[str, str]]:
    """Orders a process to send itself a signal in a training step; returns the change of the recipe that it needs."""
    path = tmp_path / "interrupted.py"
    path.write_text(INTERRUPTED_TYPE)

    def order(number: int, step: int, rank: int = 0) -> tuple[str, str]:
        (tmp_path / "order.json").write_text(json.dumps({"signal": number, "step": step, "rank": rank}))
        return "signals.image:Image", f"{path}:Digits"

    return order


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The run folder of a kind of model, see `MODELS`, trained when it is first asked for."""
    runs: dict[str, Path] = {}
    cwd = Path.cwd()  # recipes hold absolute paths

    def run(kind: str) -> Path:
        if kind not in runs:
            folder = tmp_path_factory.mktemp(kind)
            (folder / f"{kind}.toml").write_text(changed_recipe(*MODELS[kind]))
            with contextlib.chdir(cwd):
                assert main([str(folder / f"{kind}.toml"), "--out", str(folder / "run"), "--quiet"]) == 0
            runs[kind] = folder / "run"
        return runs[kind]

    return run


def assert_same_pictures(a: Sequence[Any], b: Sequence[Any]) -> None:
    """Checks that pictures are equal to a rounding step of their pixels."""
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        assert abs(numpy.asarray(one).astype(int) - numpy.asarray(other).astype(int)).max() <= 1


def waves(count: int = 40, classes: int = 4) -> InMemoryDataset:
    """Labeled waves: as many frequencies as classes, with noise; 30 points in one dimension."""
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(count) % classes
    coords = torch.linspace(-1, 1, 30).unsqueeze(1)
    values = torch.sin(coords[:, 0] * (label.unsqueeze(1) + 1) * 2) + 0.1 * torch.randn(count, 30, generator=generator)
    info = DatasetInfo(class_names=tuple(f"wave {n}" for n in range(classes)))
    return InMemoryDataset(Batch(coords, values.unsqueeze(-1), label=label), info)


def changed_recipe(*changes: tuple[str, str]) -> str:
    """The text of the small recipe, with lines replaced or added."""
    text = RECIPE
    for old, new in changes:
        assert old in text, f"{old!r} is not in the recipe"
        text = text.replace(old, new)
    return text
