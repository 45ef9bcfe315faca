"""gonkit sample, reconstruct, convert and classify."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image as pillow

import gonkit
from gonkit.cli import main
from gonkit.evaluation import classify_dataset
from gonkit.run import main as run
from tests.conftest import assert_same_pictures

Write = Callable[..., Path]
Trained = Callable[[str], Path]


def digits(folder: Path, model: gonkit.inference.Model, count: int) -> list[str]:
    """The first test signals of a model as files."""
    signal = model.task.output_type
    objects = signal.to_objects(model.dataset("test").batch(torch.arange(count)).values)
    return [str(signal.files.save(obj, folder / f"digit_{i}")) for i, obj in enumerate(objects)]


def test_sample_writes_files_of_any_size(trained: Trained, tmp_path: Path) -> None:
    arguments = ["sample", str(trained("plain")), "--count", "3", "--resolution", "64", "--out", str(tmp_path)]
    assert main(arguments) == 0
    files = sorted(tmp_path.glob("*.png"))
    assert [file.name for file in files] == ["sample_00.png", "sample_01.png", "sample_02.png"]
    assert {pillow.open(file).size for file in files} == {(64, 64)}


def test_a_small_chunk_gives_the_same_samples(trained: Trained, tmp_path: Path) -> None:
    for name, chunk in (("one", "7"), ("two", "100000")):
        arguments = ["sample", str(trained("plain")), "--count", "2", "--chunk", chunk, "--out", str(tmp_path / name)]
        assert main(arguments) == 0
    one, two = ([pillow.open(path) for path in sorted((tmp_path / name).iterdir())] for name in ("one", "two"))
    assert_same_pictures(one, two)


def test_samples_of_a_class_by_name_or_number(
    recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe(("components = 2", 'kind = "normal"\nper_class = true'))
    assert run([str(path), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    sample = ["sample", str(tmp_path / "run")]
    out = ["--out", str(tmp_path / "a")]
    assert main([*sample, "--count", "2", "--label", "3", "--truncation", "1.5", *out]) == 0
    assert len(list((tmp_path / "a").glob("*.png"))) == 2
    assert main([*sample, "--label", "12"]) == 2
    assert "there is no class '12'; did you mean '2'?; there are 0, 1" in capsys.readouterr().err
    assert main([*sample, "--label", "seven"]) == 2
    assert "there is no class 'seven'" in capsys.readouterr().err


def test_reconstruct_reads_pictures_and_prints_metrics(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.png"
    pillow.new("RGB", (30, 20), (200, 90, 10)).save(own)
    capsys.readouterr()
    assert main(["reconstruct", str(trained("plain")), str(own), "--json", "--out", str(tmp_path / "out")]) == 0
    metrics = json.loads(capsys.readouterr().out)[str(own)]
    assert pillow.open(metrics["file"]).size == (30, 20)
    assert metrics["psnr"] > 0


def test_a_bad_file_among_others_may_be_skipped(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    pillow.new("L", (8, 8)).save(good)
    bad.write_text("no picture")
    arguments = ["reconstruct", str(trained("plain")), str(bad), str(good), "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert not (tmp_path / "out").exists()
    capsys.readouterr()
    assert main([*arguments, "--skip-bad"]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.png"]
    assert "1 of 2 files were skipped" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a/x.png", "b/y.png"], ["x.png", "y.png"]),
        (["a/x.png", "b/x.png", "b/y.png"], ["a/x.png", "b/x.png", "b/y.png"]),
        (["s/a/models/n.png", "s/b/models/n.png"], ["a/models/n.png", "b/models/n.png"]),
        (["a/x.png", "x.png", "x.bmp", "x.png.bmp"], ["a/x.png.png", "x.bmp.png", "x.png.bmp.png", "x.png.png"]),
        (["a/x.png", "a/../a/x.png"], ["x.png"]),
    ],
)
def test_every_file_has_a_result_of_its_own(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str], names: list[str], expected: list[str]
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pillow.new("L", (8, 8)).save(tmp_path / name)
    out = tmp_path / "out"
    capsys.readouterr()
    assert (
        main(["reconstruct", str(trained("plain")), *(str(tmp_path / name) for name in names), "--out", str(out)]) == 0
    )
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png")) == expected
    said = capsys.readouterr().out
    assert all(str(out / name) in said for name in expected)


def test_converted_files_of_one_name_stay_apart(trained: Trained, tmp_path: Path) -> None:
    for shade, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        pillow.new("L", (16, 16), 255 * shade).save(tmp_path / name / "x.png")
    files = [str(tmp_path / name / "x.png") for name in ("a", "b")]
    convert = ["convert", str(trained("conditional")), *files, "--out", str(tmp_path / "out")]
    assert main(convert) == 0
    assert main([*convert, "--count", "2"]) == 0
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png"))
    assert written == [f"{name}/x{number}.png" for name in ("a", "b") for number in ("", "_00", "_01")]


def test_parts_of_a_file_can_be_hidden(recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recipe(("steps = 12", "steps = 100"), ("every = 5", "every = 50"))
    assert run([str(path), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    model = gonkit.load(tmp_path / "run")
    (file,) = digits(tmp_path, model, 1)
    picture = numpy.asarray(pillow.open(file))

    def reconstructed(name: str, *more: str) -> numpy.ndarray[tuple[int, int], numpy.dtype[numpy.int64]]:
        out = tmp_path / name
        assert main(["reconstruct", str(tmp_path / "run"), file, "--out", str(out), *more]) == 0
        return numpy.asarray(pillow.open(out / "digit_0.png")).astype(int)

    whole, few = reconstructed("whole"), reconstructed("few", "--observed", "0.3")
    half = reconstructed("half", "--hide", "0.5:1,0:1")
    scaled = reconstructed("scaled", "--scaled", "--hide", "0.5:1,0:1")
    assert (whole != half).any()
    assert (whole != few).any()
    assert abs(half - scaled).max() <= 1  # one window is the whole file
    changed = picture.copy()
    changed[4:] = 255 - changed[4:]  # what is hidden does not matter
    pillow.fromarray(changed).save(file)
    assert abs(reconstructed("changed", "--hide", "0.5:1,0:1") - half).max() <= 1
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["reconstruct", str(tmp_path / "run"), file, "--hide", "0.5:0.2,0:1"])
    assert "expected LOW:HIGH for each axis" in capsys.readouterr().err
    assert main(["reconstruct", str(tmp_path / "run"), file, "--hide", "0.5:1"]) == 2


def test_classify_prints_the_model_s_probabilities(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = trained("classifier")
    model = gonkit.load(folder)
    result = classify_dataset(model.gon, model.dataset("test"))
    assert result is not None
    files = digits(tmp_path, model, 3)
    capsys.readouterr()
    assert main(["classify", str(folder), *files, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    for file, expected in zip(files, result.probabilities, strict=False):
        assert list(printed[file]) == list(model.class_names)
        assert list(printed[file].values()) == pytest.approx(expected.tolist(), abs=1e-4)
        assert sum(printed[file].values()) == pytest.approx(1, abs=1e-5)
    assert main(["classify", str(folder), files[0]]) == 0
    assert "%" in capsys.readouterr().out


def test_convert_writes_as_many_results_as_asked_for(trained: Trained, tmp_path: Path) -> None:
    gray = tmp_path / "gray.png"
    pillow.linear_gradient("L").resize((16, 16)).save(gray)
    convert = ["convert", str(trained("conditional")), str(gray), "--out", str(tmp_path / "out")]
    assert main(convert) == 0
    assert pillow.open(tmp_path / "out" / "gray.png").mode == "RGB"
    assert main([*convert, "--count", "3", "--temperature", "5"]) == 0
    results = [pillow.open(tmp_path / "out" / f"gray_0{i}.png").tobytes() for i in range(3)]
    assert len(set(results)) == 3  # a latent each


def test_convert_takes_the_style_of_another_pair(trained: Trained, tmp_path: Path) -> None:
    run_folder = trained("conditional")
    model = gonkit.load(run_folder)
    rng = numpy.random.default_rng(0)
    target = pillow.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=numpy.uint8))
    target.save(tmp_path / "target.png")
    target.convert("L").save(tmp_path / "source.png")
    pillow.linear_gradient("L").resize((16, 16)).save(tmp_path / "gray.png")
    pair = [tmp_path / "source.png", tmp_path / "target.png"]
    arguments = ["convert", str(run_folder), str(tmp_path / "gray.png"), "--style", *map(str, pair)]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    latent = model.encode_pair(*pair)
    assert latent.abs().max() > 0
    expected = model.convert([tmp_path / "gray.png"], latent=latent)
    assert_same_pictures([pillow.open(tmp_path / "out" / "gray.png")], expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda run, tmp: ["sample", str(tmp / "none")], "no such file"),
        (lambda run, tmp: ["sample", str(tmp)], "no model.safetensors"),
        (lambda run, tmp: ["sample", str(run / "recipe.toml")], "cannot be read as a file that gonkit wrote"),
        (lambda run, tmp: ["sample", str(run / "checkpoint.safetensors")], "holds no recipe"),
        (lambda run, tmp: ["sample", str(run), "--suffix", ".gif"], "Image files end in .png or .jpg"),
        (lambda run, tmp: ["sample", str(run), "--device", "abacus"], "cannot be used here"),
        (lambda run, tmp: ["reconstruct", str(run), str(tmp / "none.png")], "none.png"),
        (lambda run, tmp: ["reconstruct", str(run), str(run / "recipe.toml")], "cannot be read as a picture"),
        (lambda run, tmp: ["interpolate", str(run), "one.png"], "give two files"),
    ],
)
def test_mistakes_are_named_without_traceback(
    trained: Trained,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: Callable[[Path, Path], list[str]],
    message: str,
) -> None:
    assert main(arguments(trained("plain"), tmp_path)) == 2
    output = capsys.readouterr().err
    assert output.startswith("error: ")
    assert message in output
