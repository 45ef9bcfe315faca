"""Pairs: where sources come from, what the field sees of them, and what is made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image as pillow
from torch.nn import functional

import gonkit
from gonkit.cli import main
from gonkit.recipe import RecipeError, parse_recipe
from gonkit.run import main as run
from gonkit.signal import SignalError
from signals.audio import Audio
from signals.derived import derive, sampled
from signals.image import Image
from signals.paired import Condition, Paired, Translate

EIGHT = Image(data="digits")
FOUR = Image(data="digits", size=4)


def pictures(folder: Path, names: str, size: int = 8, shade: float = 1.0) -> Path:
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        plane = torch.rand(size, size, 3, generator=torch.Generator().manual_seed(number)) * shade
        pillow.fromarray((plane * 255).byte().numpy()).save(folder / f"{name}.png")
    return folder


def test_sources_are_read_exactly_at_their_own_points_and_in_between() -> None:
    values = FOUR.dataset("test").first(3).values
    torch.testing.assert_close(sampled(values, FOUR, FOUR.coords()), values, atol=1e-5, rtol=0)
    theirs = functional.interpolate(values.view(3, 1, 4, 4), (8, 8), mode="bicubic", align_corners=False)
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[3:5, 3:5] = True  # where all sixteen neighbors exist
    found = sampled(values, FOUR, EIGHT.coords()).view(3, 8, 8)
    torch.testing.assert_close(found[:, inside], theirs[:, 0][:, inside], atol=1e-5, rtol=0)
    sound = Audio(data="notes", length=100)
    clip = sound.dataset("test").first(2).values
    torch.testing.assert_close(sampled(clip, sound, sound.coords()), clip, atol=1e-4, rtol=0)  # 4e-6 of a sample off
    half = sampled(clip, sound, sound.coords() + 1 / 100)  # half a sample later
    torch.testing.assert_close(half[:, :-1], (clip[:, :-1] + clip[:, 1:]) / 2, atol=1e-4, rtol=0)


def test_neighbors_are_those_of_the_grid() -> None:
    values = EIGHT.dataset("test").first(2).values
    seen = sampled(values, EIGHT, EIGHT.coords(), reach=1).view(2, 8, 8, 9)
    plane = values.view(2, 8, 8)
    wide = functional.pad(plane.unsqueeze(1), (1, 1, 1, 1), mode="replicate")[:, 0]
    for number, (up, left) in enumerate((i, j) for i in range(3) for j in range(3)):
        torch.testing.assert_close(seen[..., number], wide[:, up : up + 8, left : left + 8], atol=1e-5, rtol=0)


def test_sources_made_of_targets_are_what_they_say() -> None:
    wanted, index = EIGHT.dataset("test").first(5), torch.arange(5)
    plane = wanted.values.view(5, 8, 8)

    def made(pairs: str, source: Image = EIGHT, **more: float) -> torch.Tensor:
        return derive(Translate(target=EIGHT, source=source, pairs=pairs, **more), wanted, index).values

    torch.testing.assert_close(made("reduced", FOUR).view(5, 4, 4), functional.avg_pool2d(plane, 2))
    noise = made("noisy", noise=0.3) - wanted.values
    assert noise.std() == pytest.approx(0.3, rel=0.15)
    assert torch.equal(made("noisy", noise=0.3) - wanted.values, noise)
    masked = made("masked", hidden=0.5)
    hidden = (masked != wanted.values).view(5, 8, 8)
    assert (masked[hidden.flatten(1)] == 0).all()
    assert (hidden.any(2).sum(1) <= 4).all()
    edges = made("edges").view(5, 8, 8)
    down, right = torch.gradient(plane, dim=(1, 2))
    torch.testing.assert_close(edges, (down.square() + right.square()).sqrt())
    color = Image(data="photos")
    photo = color.dataset("test").first(2)
    gray = Translate(target=color, source=Image(data="photos", color="gray"), pairs="reduced")
    expected = photo.values @ torch.tensor([[0.299], [0.587], [0.114]])
    torch.testing.assert_close(derive(gray, photo, torch.arange(2)).values, expected)
    with pytest.raises(SignalError, match=r"a grid of \(16, 16\) cannot be made of the target's \(8, 8\)"):
        made("reduced", Image(data="digits", size=16))


def test_pairs_by_stem_are_split_together_and_must_match(tmp_path: Path) -> None:
    targets = pictures(tmp_path / "color", "abcdefghij")
    sources = pictures(tmp_path / "dark", "jihgfedcba", shade=0.5)
    signal = Translate(
        target=Image(data=str(targets), size=8), source=Image(data=str(sources), size=8, color="gray"), pairs="stem"
    )
    sets = {split: signal.dataset(split) for split in ("train", "val", "test")}
    assert [len(part) for part in sets.values()] == [8, 1, 1]
    for part in sets.values():
        index = torch.arange(len(part))
        given, _ = part.pair(index)
        for name, values in zip(part.names(index), given.values, strict=True):
            torch.testing.assert_close(values, signal.source.load(sources / name).values)
    (sources / "c.png").unlink()
    (sources / "g.png").rename(sources / "other.png")
    with pytest.raises(SignalError, match=r"targets have no source of their name: .*'c', 'g'.*sources are called"):
        [Translate(target=signal.target, source=signal.source, pairs="stem").dataset(s) for s in ("train",)]


def test_pairs_by_class_join_equal_labels() -> None:
    signal = Translate(target=Audio(data="notes", length=200), source=EIGHT, pairs="class")
    pairs = signal.dataset("test")
    given, wanted = pairs.pair(torch.arange(len(pairs)))
    assert torch.equal(given.label, wanted.label)
    assert len(pairs) == len(EIGHT.dataset("test"))
    found = pairs.baselines(torch.arange(4))
    assert found.keys() == {"mean", "class_mean"}
    with pytest.raises(SignalError, match=r"'0', .* are in one of signal.source .*'nylon string', .* only; name the"):
        Translate(target=Audio(data="plucks", length=200), source=EIGHT, pairs="class").dataset("train")
    with pytest.raises(SignalError, match=r"signal.source has no labels to match by"):
        Translate(target=Audio(data="notes", length=200), source=Image(data="photos"), pairs="class").dataset("train")


def test_a_source_says_nothing_in_another_domain() -> None:
    signal = Condition(target=Audio(data="notes", length=200), source=EIGHT, pairs="class")
    with pytest.raises(
        SignalError, match=r"Image has 2 coordinates and the target 1, so that .* use signals.paired:Tr"
    ):
        signal.dataset("test").pair(torch.arange(2))
    wide = Condition(target=Image(data="photos"), source=Image(data="photos", color="gray"), pairs="reduced", reach=1)
    assert wide.source_channels == 9
    given = wide.source.dataset("test").first(1)
    assert wide.known(given).shape == (1, 256, 9)
    with pytest.raises(SignalError, match=r"signal.source: Image says 1 channels; got 3"):
        wide.known(Image(data="photos").dataset("test").first(1))


RECIPE = """
name = "pairs"
[signal]
type = "signals.paired:{kind}"
pairs = "{pairs}"
[signal.target]
type = "signals.image:Image"
data = "digits"
[signal.source]
type = "signals.image:Image"
data = "digits"
size = {size}
[field]
width = 32
layers = 2
omega = 8.0
[latent]
dim = 16
{more}
[train]
steps = 400
batch = 16
learning_rate = 3e-3
validate_every = 100
[prior]
kind = "normal"
"""


def test_mistakes_in_inner_tables_are_named() -> None:
    text = RECIPE.format(kind="Translate", pairs="reduced", size="4\nfitt = 1", more="")
    with pytest.raises(RecipeError, match=r"signal.source: fitt: there is no such key; did you mean 'fit'\?"):
        parse_recipe(text)
    with pytest.raises(RecipeError, match=r"signal.target: missing its type; say which"):
        parse_recipe(text.replace('[signal.target]\ntype = "signals.image:Image"', "[signal.target]"))
    with pytest.raises(RecipeError, match=r"latent.drop: only signals with a source"):
        parse_recipe(RECIPE.format(kind="Translate", pairs="reduced", size=4, more="drop = 0.5"))
    with pytest.raises(RecipeError, match=r"loss.outer.source: there is no source to predict"):
        parse_recipe(
            RECIPE.format(kind="Condition", pairs="edges", size=8, more="[loss]\nouter = {mse=1.0,source=1.0}")
        )
    again = parse_recipe(parse_recipe(RECIPE.format(kind="Translate", pairs="reduced", size=4, more="")).toml())
    assert isinstance(again.signal, Paired)
    assert again.signal.source.grid() == (4, 4)


def test_translating_beats_interpolation_and_converts_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pairs.toml"
    more = "[loss]\nouter = { mse = 1.0, source = 0.1 }"
    path.write_text(RECIPE.format(kind="Translate", pairs="reduced", size=4, more=more))
    assert run([str(path), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert evaluation["psnr"] > evaluation["bicubic_psnr"] > evaluation["mean_psnr"]
    report = (tmp_path / "run" / "report.html").read_text()
    for word in ("<th>bicubic</th>", "samples/sources.png", "samples/reconstructions.png"):
        assert word in report
    small = pictures(tmp_path / "small", "ab", size=4)
    files = [str(small / "a.png"), str(small / "b.png")]
    assert main(["convert", str(tmp_path / "run"), *files, "--out", str(tmp_path / "made")]) == 0
    assert sorted(p.name for p in (tmp_path / "made").iterdir()) == ["a.png", "b.png"]
    assert pillow.open(tmp_path / "made" / "a.png").size == (8, 8)
    model = gonkit.load(tmp_path / "run")
    assert model.convert(files, resolution=24)[0].size == (24, 24)
    assert main(["reconstruct", str(tmp_path / "run"), files[0]]) == 2
    assert "use gonkit convert" in capsys.readouterr().err


def test_conditioning_takes_latents_from_prior_origin_and_other_pairs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pairs.toml"
    path.write_text(RECIPE.format(kind="Condition", pairs="noisy", size=8, more="drop = 0.5\nsteps = 1"))
    assert run([str(path), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert {"psnr", "informed_psnr", "source_psnr", "mean_psnr"} <= evaluation.keys()
    assert evaluation["psnr"] > evaluation["source_psnr"]
    folder = pictures(tmp_path / "given", "abc")
    a, b, c = (str(folder / f"{name}.png") for name in "abc")
    convert = ["convert", str(tmp_path / "run"), a, "--out"]
    assert main([*convert, str(tmp_path / "origin")]) == 0
    assert main([*convert, str(tmp_path / "drawn"), "--count", "3"]) == 0
    assert main([*convert, str(tmp_path / "style"), "--style", b, c]) == 0
    assert len(list((tmp_path / "drawn").iterdir())) == 3
    made = [
        (tmp_path / where).read_bytes() for where in ("origin/a.png", "style/a.png", "drawn/a_00.png", "drawn/a_01.png")
    ]
    assert len(set(made)) == 4
    model = gonkit.load(tmp_path / "run")
    told = model.convert([a], latent=torch.zeros(1, 16))[0]
    assert told.tobytes() == pillow.open(tmp_path / "origin" / "a.png").tobytes()
    other = tmp_path / "plain.toml"
    other.write_text(
        'name = "plain"\n[signal]\ntype = "signals.image:Image"\n[train]\nsteps = 1\n[prior]\nkind = "normal"'
    )
    assert run([str(other), "--out", str(tmp_path / "plain"), "--quiet"]) == 0
    assert main(["convert", str(tmp_path / "plain"), a]) == 2
    assert "Image signals have no source" in capsys.readouterr().err
