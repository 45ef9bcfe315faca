"""Several processes: the same step, the same run, and what happens when one is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import trimesh
from safetensors.torch import load_file

from gonkit.losses import MSE, Objective
from gonkit.ranks import Ranks
from gonkit.regularizers import LatentCovariance
from gonkit.run import main as run
from gonkit.signal import SignalError
from gonkit.tracking import read_metrics

Write = Callable[..., Path]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}

GRADIENTS = '''
"""Gradients of one batch, shared out to as many processes as there are."""
import sys

import torch

from gonkit.gon import Chance
from gonkit.model import build
from gonkit.ranks import Ranks
from gonkit.recipe import read_recipe

ranks = Ranks.join()
found = {}
for path in sys.argv[2:]:
    recipe = read_recipe(path)
    torch.manual_seed(0)
    train, objective = recipe.signal.dataset("train"), recipe.objective()
    gon = build(recipe, classes=len(train.classes)).double()
    index = ranks.share(torch.arange(4))
    given, wanted = (part.to(dtype=torch.float64) for part in train.pair(index))
    prediction = gon(given, wanted, again=objective.reads("observed"))
    loss, _ = objective(prediction, wanted)
    loss.backward()
    gradients = [w.grad for w in gon.parameters() if w.grad is not None]
    ranks.average([*gradients, loss.detach()])
    found[recipe.name] = [loss.detach(), *gradients]
if ranks.first:
    torch.save(found, sys.argv[1])
ranks.leave()
'''

KINDS = {
    "pictures": 'type = "signals.image:Image"\ndata = "digits"',
    "sounds": 'type = "signals.audio:Audio"\ndata = "plucks"\nlength = 200',
    "shapes": 'type = "signals.shape:Occupancy"\ndata = "{folder}"\npoints = 256\ncache = "{folder}/cache"',
    "conversion": 'type = "signals.paired:Translate"\npairs = "reduced"\n[signal.target]\n'
    'type = "signals.image:Image"\ndata = "digits"\n[signal.source]\n'
    'type = "signals.image:Image"\ndata = "digits"\nsize = 4',
}


def torchrun(*arguments: str | Path, more: tuple[str, ...] = ()) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *more, *map(str, arguments)]


def test_two_processes_take_the_step_of_one_for_every_kind_of_signal(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / "meshes").mkdir(exist_ok=True)
        trimesh.creation.box((2 + number, 5, 4)).export(tmp_path / "meshes" / f"box_{number}.obj")
    recipes = []
    for name, kind in KINDS.items():
        text = f'name = "{name}"\n[signal]\n{kind.format(folder=tmp_path / "meshes")}\n'
        text += "[field]\nwidth = 16\nlayers = 2\n[latent]\ndim = 4\n[train]\nbatch = 4\n"
        recipes.append(tmp_path / f"{name}.toml")
        recipes[-1].write_text(text)
    script = tmp_path / "gradients.py"
    script.write_text(GRADIENTS)
    subprocess.run([sys.executable, script, tmp_path / "one.pt", *recipes], check=True, env=ENVIRONMENT)
    subprocess.run(torchrun(script, tmp_path / "two.pt", *recipes), check=True, env=ENVIRONMENT)
    one, two = (torch.load(tmp_path / name, weights_only=True) for name in ("one.pt", "two.pt"))
    assert one.keys() == two.keys() == KINDS.keys()
    for name in KINDS:
        for alone, shared in zip(one[name], two[name], strict=True):
            assert alone.abs().max() > 0
            assert (alone - shared).norm() <= 1e-10 * alone.norm()


def test_a_run_of_two_is_that_of_one_and_goes_on_alone(recipe: Write, tmp_path: Path) -> None:
    path = recipe()
    assert run([str(path), "--out", str(tmp_path / "one"), "--quiet"]) == 0
    half = recipe(("steps = 12", "steps = 12\nseed = 0"), name="half.toml")
    two = tmp_path / "two"
    subprocess.run(torchrun("-m", "gonkit.run", half, "--out", two, "--quiet"), check=True, env=ENVIRONMENT)
    curves = [[line["train/loss"] for line in read_metrics(f) if "train/loss" in line] for f in (tmp_path / "one", two)]
    torch.testing.assert_close(torch.tensor(curves[0]), torch.tensor(curves[1]), rtol=1e-5, atol=0)
    one, both = (load_file(folder / "checkpoint.safetensors") for folder in (tmp_path / "one", two))
    for key in one:
        torch.testing.assert_close(one[key], both[key], rtol=1e-4, atol=1e-6)
    (two / "model.safetensors").unlink()
    assert run(["--resume", str(two), "--quiet"]) == 0  # in one process: nothing is left to train, all is made again
    assert (two / "model.safetensors").exists()


@pytest.mark.parametrize("before", [1, 2])
def test_a_run_goes_on_with_another_number_of_processes(recipe: Write, tmp_path: Path, before: int) -> None:
    steady = ("steps = 12", "steps = 12\nfloor = 1.0")  # a rate that does not depend on how many steps there will be
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run([str(recipe(steady)), "--out", str(whole), "--quiet"]) == 0
    half = recipe((steady[0], steady[1].replace("12", "6")), name="half.toml")

    def train(processes: int, *arguments: str | Path) -> None:
        module = ["-m", "gonkit.run", *arguments, "--quiet"]
        command = torchrun(*module) if processes == 2 else [sys.executable, *map(str, module)]
        subprocess.run(command, check=True, env=ENVIRONMENT)

    train(before, half, "--out", parts)
    (parts / "recipe.toml").write_text((parts / "recipe.toml").read_text().replace("steps = 6", "steps = 12"))
    train(3 - before, "--resume", parts)
    one, other = (load_file(folder / "checkpoint.safetensors") for folder in (whole, parts))
    for key in one:
        torch.testing.assert_close(one[key], other[key], rtol=1e-4, atol=1e-6)


def lose_one(path: Path, out: Path, *more: str) -> tuple[int, str]:
    """Kills one of two processes of a run once it has a checkpoint; returns the job's exit code and what it said."""
    command = torchrun("-m", "gonkit.run", path, "--out", out, "--quiet", more=more)
    job = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    checkpoint = out / "checkpoint.safetensors"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline and job.poll() is None:
        time.sleep(0.05)
    workers = subprocess.run(["pgrep", "-P", str(job.pid)], capture_output=True, text=True, check=True).stdout.split()
    os.kill(int(workers[-1]), signal.SIGKILL)
    _, said = job.communicate(timeout=120)
    return job.returncode, said


def test_a_job_that_may_restart_goes_on_by_itself(recipe: Write, tmp_path: Path) -> None:
    out = tmp_path / "run"
    code, said = lose_one(recipe(("steps = 12", "steps = 400")), out, "--max-restarts", "1")
    assert code == 0, said
    steps = [int(line["step"]) for line in read_metrics(out) if "train/loss" in line]
    assert steps == [step for step in range(1, 401) if step % 2 == 0 or step % 5 == 0]  # none lost, none twice
    assert (out / "model.safetensors").exists()


def test_a_lost_process_ends_the_job_resumably(recipe: Write, tmp_path: Path) -> None:
    out = tmp_path / "run"
    code, said = lose_one(recipe(("steps = 12", "steps = 4000")), out)
    assert code != 0
    assert f"go on with: python -m gonkit.run --resume {out}" in said
    text = (out / "recipe.toml").read_text()
    last = int(read_metrics(out)[-1]["step"])
    (out / "recipe.toml").write_text(text.replace("steps = 4000", f"steps = {last + 20}"))
    assert run(["--resume", str(out), "--quiet"]) == 0


def test_what_cannot_be_shared_out_is_refused() -> None:
    objective = Objective(MSE(), {"mse": (1.0, MSE())})
    with pytest.raises(SignalError, match=r"train.batch: 15 signals cannot be shared out equally to 2 processes"):
        Ranks(0, 2).check(15, objective)
    coupled = Objective(MSE(), {"mse": (1.0, MSE()), "latent_covariance": (0.1, LatentCovariance())})
    Ranks().check(15, coupled)
    with pytest.raises(SignalError, match=r"loss.outer.latent_covariance"):
        Ranks(0, 2).check(16, coupled)


def test_shares_are_all_there_is_once() -> None:
    whole = torch.arange(12)
    assert torch.cat([Ranks(rank, 3).share(whole) for rank in range(3)]).tolist() == whole.tolist()
