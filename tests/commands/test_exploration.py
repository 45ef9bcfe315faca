"""gonkit interpolate, analogy and export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import gonkit
from gonkit.cli import main
from tests.conftest import assert_same_pictures

Trained = Callable[[str], Path]


@pytest.fixture
def write(trained: Trained, tmp_path: Path) -> Callable[..., int]:
    """Runs a command on the plain model; returns how many files it wrote, and removes them; -1 for a refusal."""

    def run(command: str, *arguments: str) -> int:
        out = tmp_path / "out"
        code = main([command, str(trained("plain")), *arguments, "--out", str(out)])
        paths = list(out.glob("*.png"))
        for path in paths:
            path.unlink()
        assert code in (0, 2)
        return len(paths) if code == 0 else -1

    return run


def test_interpolation_begins_and_ends_at_the_reconstructions(trained: Trained, tmp_path: Path) -> None:
    run = trained("plain")
    samples = tmp_path / "samples"
    assert main(["sample", str(run), "--count", "2", "--out", str(samples)]) == 0
    files = [str(samples / f"sample_0{i}.png") for i in (0, 1)]
    assert main(["reconstruct", str(run), *files, "--out", str(tmp_path / "ends")]) == 0
    assert main(["interpolate", str(run), *files, "--steps", "5", "--out", str(tmp_path / "path")]) == 0
    steps = sorted((tmp_path / "path").glob("*.png"))
    assert len(steps) == 5
    ends = [Image.open(tmp_path / "ends" / f"sample_0{i}.png") for i in (0, 1)]
    assert_same_pictures([Image.open(steps[0]), Image.open(steps[-1])], ends)


def test_interpolation_without_files_is_between_samples(write: Callable[..., int]) -> None:
    assert write("interpolate", "--steps", "4") == 4
    assert write("interpolate", "--steps", "3", "--path", "linear") == 3
    assert write("interpolate", "--steps", "3", "--path", "density") == 3


def test_paths_through_files_and_classes(
    trained: Trained, write: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", str(trained("plain")), "--count", "3", "--out", str(tmp_path / "samples")]) == 0
    files = [str(path) for path in sorted((tmp_path / "samples").iterdir())]
    assert write("interpolate", *files, "--steps", "4") == 7
    assert write("interpolate", "--classes", "3", "8", "1", "--steps", "3") == 5
    assert write("interpolate", files[0], "--classes", "3", "8") == 8
    assert write("analogy", *files) == 1
    assert write("interpolate", files[0]) == -1
    assert write("interpolate", *files, "--classes", "3", "8") == -1
    assert write("interpolate", "--classes", "3") == -1
    capsys.readouterr()
    assert write("interpolate", "--classes", "3", "12") == -1
    assert "there is no class '12'" in capsys.readouterr().err


def test_an_analogy_of_equal_files_is_the_third_s_reconstruction(trained: Trained, tmp_path: Path) -> None:
    run = trained("plain")
    assert main(["sample", str(run), "--count", "2", "--out", str(tmp_path / "samples")]) == 0
    a, b = (str(path) for path in sorted((tmp_path / "samples").iterdir()))
    assert main(["analogy", str(run), a, a, b, "--out", str(tmp_path)]) == 0
    model = gonkit.load(run)
    assert_same_pictures([Image.open(tmp_path / "analogy_00.png")], model.decode(model.encode([b])))


@pytest.mark.parametrize(
    ("what", "stem"),
    [("samples", "sample"), ("reconstructions", "reconstruction"), ("interpolation", "interpolation")],
)
def test_export_writes_objects_of_the_run_s_data(trained: Trained, tmp_path: Path, what: str, stem: str) -> None:
    arguments = ["--what", what, "--count", "4", "--resolution", "20", "--out", str(tmp_path)]
    assert main(["export", str(trained("plain")), *arguments]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{stem}_0{i}.png" for i in range(4)]
    assert {Image.open(path).size for path in tmp_path.iterdir()} == {(20, 20)}
