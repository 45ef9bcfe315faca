"""Every command with every kind of model: it works or refuses, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from PIL import Image

from gonkit.cli import main

COMMANDS = {  # name → arguments, with RUN, A, B (files of the input type), TARGET and OUT; and files that it writes
    "sample": "sample RUN --count 2 --out OUT → sample_00.png sample_01.png",
    "reconstruct": "reconstruct RUN A B --out OUT → a.png b.png",
    "convert": "convert RUN A B --out OUT → a.png b.png",
    "convert --count": "convert RUN A --count 2 --out OUT → a_00.png a_01.png",
    "convert --style": "convert RUN A --style B TARGET --out OUT → a.png",
    "classify": "classify RUN A B → ",
    "interpolate": "interpolate RUN --steps 3 --out OUT → step_00.png step_01.png step_02.png",
    "interpolate A B": "interpolate RUN A B --steps 3 --out OUT → step_00.png step_01.png step_02.png",
    "interpolate --classes": "interpolate RUN --classes 3 8 --steps 2 --out OUT → step_00.png step_01.png",
    "analogy": "analogy RUN A B A --out OUT → analogy_00.png",
    "export samples": "export RUN --what samples --count 2 --out OUT → sample_00.png sample_01.png",
    "export reconstructions": "export RUN --what reconstructions --count 1 --out OUT → reconstruction_00.png",
    "export interpolation": "export RUN --what interpolation --count 2 --out OUT → interpolation_00.png",
    "evaluate": "evaluate RUN → ",
    "evaluate --observed": "evaluate RUN --observed 0.5 → ",
    "evaluate --samples": "evaluate RUN --samples --count 20 → ",
    "latents": "latents RUN --out OUT/latents.npz → latents.npz",
    "bench objects": "bench objects RUN --rounds 1 → ",
    "figure 3": "figure 3 --run RUN --out OUT → figure3.png figure3.json",
    "figure 4": "figure 4 --run RUN --out OUT → figure4.png figure4.json",
    "figure 6": "figure 6 --run RUN --out OUT → figure6.png figure6.json",
}
CODES = """
                        plain  classifier  conditional  translation  variational
sample                      0           2            2            0            0
reconstruct                 0           2            2            2            0
convert                     2           2            0            0            2
convert --count             2           2            0            2            2
convert --style             2           2            0            2            2
classify                    2           0            2            2            2
interpolate                 0           2            2            0            0
interpolate A B             0           2            2            0            0
interpolate --classes       0           2            2            0            0
analogy                     0           2            2            0            0
export samples              0           2            2            0            0
export reconstructions      0           2            0            0            0
export interpolation        0           2            2            0            0
evaluate                    0           0            0            0            0
evaluate --observed         0           2            2            2            0
evaluate --samples          0           2            2            2            0
latents                     0           0            0            0            0
bench objects               0           2            2            0            0
figure 3                    0           2            2            0            0
figure 4                    0           2            2            0            0
figure 6                    2           2            2            2            2
"""


def table() -> list[tuple[str, str, int]]:
    """(command, kind, expected exit code) of each pair."""
    head, *rows = CODES.strip("\n").splitlines()
    pairs = []
    for row in rows:
        command, *codes = re.split(r"\s{2,}", row)
        pairs += [(command, kind, int(code)) for kind, code in zip(head.split(), codes, strict=True)]
    return pairs


def test_the_table_is_complete() -> None:
    assert {command for command, _, _ in table()} == COMMANDS.keys()
    assert len(table()) == 5 * len(COMMANDS)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Pictures of the training size, by the name that `COMMANDS` gives them."""
    folder, random = tmp_path_factory.mktemp("files"), numpy.random.default_rng(0)
    for name in ("a", "b", "target"):
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=numpy.uint8)).save(folder / f"{name}.png")
    return {name.upper(): str(folder / f"{name}.png") for name in ("a", "b", "target")}


@pytest.mark.parametrize(("command", "kind", "code"), table())
def test_every_command_works_or_refuses(
    trained: Callable[[str], Path],
    files: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    kind: str,
    code: int,
) -> None:
    text, _, promised = COMMANDS[command].partition(" → ")
    names = files | {"RUN": str(trained(kind)), "OUT": str(tmp_path / "out")}
    arguments = [re.sub(r"^[A-Z]+", lambda match: names[match[0]], argument) for argument in text.split()]
    before = sorted(trained(kind).rglob("*"))
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    try:
        found = main(arguments)
    except SystemExit as stop:
        found = stop.code  # type: ignore[assignment]
    output = capsys.readouterr()
    assert found == code, output.err
    if code == 0:
        missing = [name for name in promised.split() if not (tmp_path / "out" / name).is_file()]
        assert not missing
        assert output.out
    else:
        assert output.err.startswith("error: ")
        assert re.search(r"; (use gonkit|train with|leave) |needs a classifier with", output.err), output.err
        assert not output.out
        assert not list(tmp_path.rglob("*"))
        assert sorted(trained(kind).rglob("*")) == before
