"""Several processes: the same step, the same run, and what happens when one is lost."""

from __future__ import annotations

import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import trimesh
from safetensors.torch import load_file

from gonkit.errors import GonkitError
from gonkit.pipeline import run_recipe
from gonkit.recipe import read_recipe
from gonkit.run import main
from gonkit.training import ProcessGroup, read_metrics
from tests.conftest import MODELS

Write = Callable[..., Path]
Interrupt = Callable[..., tuple[str, str]]
Trained = Callable[[str], Path]

GRADIENTS = '''
"""Gradients of one batch, sharded among as many processes as there are."""
import sys

import torch

from gonkit.inference import build_gon
from gonkit.recipe import read_recipe
from gonkit.training import ProcessGroup

group = ProcessGroup.init()
results = {}
for path in sys.argv[2:]:
    recipe = read_recipe(path)
    torch.manual_seed(0)
    train, objective = recipe.signal.dataset("train"), recipe.objective
    gon = build_gon(recipe, classes=len(train.info.class_names)).double()
    index = group.shard(torch.arange(4))
    inputs, target = (part.to(dtype=torch.float64) for part in train.pair(index))
    prediction = gon(inputs, target, predict_input=objective.requires("input"))
    loss, _ = objective(prediction, target)
    loss.backward()
    gradients = [weight.grad for weight in gon.parameters() if weight.grad is not None]
    group.all_reduce_mean([*gradients, loss.detach()])
    results[recipe.name] = [loss.detach(), *gradients]
if group.is_main:
    torch.save(results, sys.argv[1])
group.shutdown()
'''

SIGNALS = {
    "pictures": 'type = "signals.image:Image"\ndata = "digits"',
    "sounds": 'type = "signals.audio:Audio"\ndata = "plucks"\nlength = 200',
    "shapes": 'type = "signals.shape:Occupancy"\ndata = "{folder}"\npoints = 256\ncache = "{folder}/cache"',
    "conversion": 'type = "signals.paired:Translation"\npairs = "reduced"\n[signal.target]\n'
    'type = "signals.image:Image"\ndata = "digits"\n[signal.source]\n'
    'type = "signals.image:Image"\ndata = "digits"\nsize = 4',
}


def torchrun(*arguments: str | Path, more: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Runs a script or a module in two processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *more, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def assert_same_run(a: Path, b: Path) -> None:
    """Checks that two runs have the same curves and the same weights, to rounding."""
    curves = [[(line["step"], line["train/loss"]) for line in read_metrics(f) if "train/loss" in line] for f in (a, b)]
    assert [step for step, _ in curves[0]] == [step for step, _ in curves[1]]  # none lost, none twice
    torch.testing.assert_close(torch.tensor(curves[0]), torch.tensor(curves[1]), rtol=1e-5, atol=0)
    one, other = (load_file(folder / "checkpoint.safetensors") for folder in (a, b))
    assert one.keys() == other.keys()
    for key in one:
        torch.testing.assert_close(one[key], other[key], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_two_processes_take_the_step_of_one_for_every_kind_of_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meshes").mkdir()
    for number in range(6):
        trimesh.creation.box((2 + number, 5, 4)).export(tmp_path / "meshes" / f"box_{number}.obj")
    recipes = []
    for name, settings in SIGNALS.items():
        text = f'name = "{name}"\n[signal]\n{settings.format(folder=tmp_path / "meshes")}\n'
        text += "[field]\nwidth = 16\nlayers = 2\n[latent]\ndim = 4\n[train]\nbatch = 4\n"
        recipes.append(tmp_path / f"{name}.toml")
        recipes[-1].write_text(text)
    script = tmp_path / "gradients.py"
    script.write_text(GRADIENTS)
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "one.pt"), *map(str, recipes)])
    runpy.run_path(str(script))
    assert torchrun(script, tmp_path / "two.pt", *recipes).returncode == 0
    one, two = (torch.load(tmp_path / name, weights_only=True) for name in ("one.pt", "two.pt"))
    assert one.keys() == two.keys() == SIGNALS.keys()
    for name in SIGNALS:
        for alone, sharded in zip(one[name], two[name], strict=True):
            assert alone.abs().max() > 0
            assert (alone - sharded).norm() <= 1e-10 * alone.norm()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "polished"])
def test_a_run_of_one_resumes_in_two(recipe: Write, trained: Trained, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "run"
    assert main([str(recipe(*MODELS[kind])), "--out", str(out), "--quiet", "--stop-after", "6"]) == 3
    job = torchrun("-m", "gonkit.run", "--resume", out, "--quiet")
    assert job.returncode == 0, job.stderr
    assert job.stdout.count("report:") == 1  # only one process prints
    assert_same_run(trained(kind), out)


@pytest.mark.slow
def test_two_nodes_train_the_run_of_one(recipe: Write, trained: Trained, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", endpoint, "-m", "gonkit.run", str(recipe())]
    command += ["--out", str(tmp_path / "run"), "--quiet"]
    nodes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [node.communicate(timeout=300) for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], "\n".join(errors for _, errors in ends)
    assert sum(output.count("report:") for output, _ in ends) == 1
    assert_same_run(trained("plain"), tmp_path / "run")


@pytest.mark.slow
def test_a_run_of_two_that_loses_a_process_restarts_and_is_that_of_one(
    recipe: Write, interrupt: Interrupt, trained: Trained, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    path = recipe(interrupt(signal.SIGKILL, step=8, rank=1))
    job = torchrun("-m", "gonkit.run", path, "--out", out, "--quiet", more=("--max-restarts", "1"))
    assert job.returncode == 0, job.stderr
    assert not (tmp_path / "order.json").exists()  # a process was lost
    assert_same_run(trained("plain"), out)
    (out / "model.safetensors").unlink()
    assert main(["--resume", str(out), "--quiet"]) == 0  # nothing is left to train; the artifacts are written again
    assert (out / "model.safetensors").exists()


@pytest.mark.slow
def test_a_lost_process_ends_the_job_resumably(
    recipe: Write, interrupt: Interrupt, trained: Trained, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    path = recipe(interrupt(signal.SIGKILL, step=8, rank=1))
    job = torchrun("-m", "gonkit.run", path, "--out", out, "--quiet")
    assert job.returncode != 0
    assert f"resume with: python -m gonkit.run --resume {out}" in job.stderr
    assert not (out / "model.safetensors").exists()
    assert main(["--resume", str(out), "--quiet"]) == 0  # in one process
    assert_same_run(trained("plain"), out)


def test_what_cannot_be_sharded_is_refused(recipe: Write, tmp_path: Path) -> None:
    with pytest.raises(GonkitError, match=r"train.batch: 15 signals cannot be shared out equally to 2 processes"):
        ProcessGroup(0, 2).validate_divisible(15)
    ProcessGroup().validate_divisible(15)
    ProcessGroup(0, 2).validate_divisible(16)
    coupled = recipe(("[prior]", "[loss]\nouter = { mse = 1.0, latent_covariance = 0.1 }\n[prior]"))
    with pytest.raises(GonkitError, match=r"loss.outer.latent_covariance"):
        run_recipe(read_recipe(coupled), tmp_path / "run", group=ProcessGroup(0, 2))
    assert not (tmp_path / "run").exists()


def test_shards_are_the_whole_batch_once() -> None:
    whole = torch.arange(12)
    assert torch.cat([ProcessGroup(rank, 3).shard(whole) for rank in range(3)]).tolist() == whole.tolist()


def test_a_group_of_one_needs_no_others() -> None:
    group, tensor = ProcessGroup(), torch.ones(3)
    group.all_reduce_mean([tensor])
    assert tensor.tolist() == [1, 1, 1]
    assert (group.any_rank(True), group.any_rank(False)) == (True, False)
    assert group.broadcast_from_main(lambda: 5) == 5
    assert group.is_main
