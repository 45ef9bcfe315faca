"""Labels, variational latents and partial observation: objectives and heads."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from torch import nn

import gonkit
from gonkit.cli import main
from gonkit.draws import Draws
from gonkit.gon import GON, Chance
from gonkit.labels import Classified, check_labels, classified, draw_confusion, draw_plane
from gonkit.losses import KL, MSE, Again, CrossEntropy, Objective
from gonkit.observation import View, observation_curve, seen_at_random
from gonkit.run import main as run
from gonkit.signal import Batch, Prediction, Resident, SignalError
from gonkit.siren import Siren
from signals.image import Image

Write = Callable[..., Path]


def labeled(count: int = 40, classes: int = 4) -> Resident:
    """Waves of as many frequencies as classes, with noise."""
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(count) % classes
    coords = torch.linspace(-1, 1, 30).unsqueeze(1)
    values = torch.sin(coords[:, 0] * (label.unsqueeze(1) + 1) * 2) + 0.1 * torch.randn(count, 30, generator=generator)
    names = tuple(f"wave {n}" for n in range(classes))
    return Resident(Batch(coords, values.unsqueeze(-1), label=label), classes=names)


def test_cross_entropy_and_divergence_are_those_of_the_libraries() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=generator)
    label = torch.tensor([0, 2, 1, 1, 0, 2])
    mean, log_variance = torch.randn(2, 6, 5, generator=generator)
    batch = Batch(torch.zeros(4, 1), torch.zeros(6, 4, 1), label=label)
    prediction = Prediction(torch.zeros(6, 0, 1), mean, logits, (mean, log_variance))
    expected = nn.functional.nll_loss(torch.log_softmax(logits, 1), label, reduction="none")
    torch.testing.assert_close(CrossEntropy()(prediction, batch), expected)
    normal = torch.distributions.Normal
    divergence = torch.distributions.kl_divergence(normal(mean, (0.5 * log_variance).exp()), normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(KL()(prediction, batch), divergence)


def test_a_label_head_is_one_linear_layer_on_the_latent() -> None:
    gon = GON(Siren(1, 1, 6, width=12, layers=2), MSE(), step=2.0, classes=4)
    data = labeled().data
    prediction = gon(data)
    assert gon.head is not None
    torch.testing.assert_close(prediction.logits, gon.infer(data) @ gon.head.weight.T + gon.head.bias)
    torch.testing.assert_close(gon.classify(gon.encode(data)), torch.softmax(prediction.logits, 1))


def test_a_classifier_predicts_no_values() -> None:
    objective = Objective.named("mse", {"cross_entropy": 1.0})
    assert (objective.reads("values"), objective.reads("label"), objective.reads("posterior")) == (False, True, False)
    gon = GON(Siren(1, 1, 6, width=12, layers=2), MSE(), step=2.0, classes=4)
    data = labeled().data
    prediction = gon(data, data.at(torch.empty(0, dtype=torch.int64)))
    assert prediction.values.shape == (40, 0, 1)
    loss, _ = objective(prediction, data)
    loss.backward()
    assert gon.field.coordinate.weight.grad is not None
    assert gon.field.coordinate.weight.grad.abs().sum() > 0  # through the origin


def test_weights_rise_over_as_many_steps_as_asked() -> None:
    objective = Objective.named("mse", {"mse": 2.0, "kl": 0.5}, anneal={"kl": 10})
    zeros = torch.zeros(1, 3)
    batch = Batch(torch.zeros(4, 1), torch.zeros(1, 4, 1))
    prediction = Prediction(torch.ones(1, 4, 1), zeros, posterior=(zeros + 2, zeros))  # mse 1, kl 6
    totals = [objective(prediction, batch, step)[0].item() for step in (1, 5, 10, 20)]
    assert totals == pytest.approx([2.3, 3.5, 5.0, 5.0])
    assert objective(prediction, batch)[0].item() == pytest.approx(5.0)
    with pytest.raises(ValueError, match=r"anneal names 'kll', which is no outer term; did you mean 'kl'\?"):
        Objective.named("mse", {"mse": 1.0, "kl": 1.0}, anneal={"kll": 10})
    with pytest.raises(ValueError, match="the inner loss must read the field's values"):
        Objective.named("kl", {"mse": 1.0})


def test_a_variational_latent_is_drawn_about_the_origin_s_step() -> None:
    torch.manual_seed(0)
    gon = GON(Siren(1, 1, 6, width=12, layers=2), MSE(), step=2.0, variational=True)
    data = labeled().data
    assert gon.posterior is not None
    torch.testing.assert_close(gon(data).latent, gon.infer(data))  # to begin with, the mean is the step
    noise = Draws(0, 40, 40).noise(3, 6)
    nn.init.constant_(gon.posterior.log_variance.bias, 2 * math.log(0.3))
    torch.testing.assert_close(gon(data, chance=Chance(noise)).latent, gon.infer(data) + 0.3 * noise)
    nn.init.constant_(gon.posterior.mean.bias, 5.0)
    torch.testing.assert_close(gon.encode(data), gon.infer(data).detach() + 5.0)


def test_chance_is_a_function_of_seed_and_step() -> None:
    draws, again = Draws(1, 30, 8), Draws(1, 30, 8)
    draws.noise(1, 4)  # what was drawn before does not matter
    assert torch.equal(draws.noise(7, 4), again.noise(7, 4))
    assert not torch.equal(draws.noise(7, 4), draws.noise(8, 4))
    assert draws.noise(7, 4).shape == (8, 4)
    kept = torch.cat([draws.dropped(step, 0.3) for step in range(400)]).float()
    assert kept.shape == (3200, 1)
    assert kept.mean() == pytest.approx(0.3, abs=0.03)


def test_dropped_latents_are_at_the_origin() -> None:
    gon = GON(Siren(1, 1, 6, width=12, layers=2), MSE(), step=2.0)
    data = labeled().data
    dropped = torch.arange(40).unsqueeze(1) % 3 == 0
    prediction = gon(data, chance=Chance(dropped=dropped))
    assert ((prediction.latent == 0).all(1) == dropped[:, 0]).all()
    torch.testing.assert_close(prediction.values[0], gon.field(data.coords, torch.zeros(1, 6))[0])


def test_figures_of_labels_are_what_their_formulas_say() -> None:
    chances = torch.tensor([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.3, 0.3, 0.4], [0.0, 0.2, 0.8]])
    seen = Classified(torch.zeros(4, 2), chances, torch.tensor([0, 1, 2, 2]), ("a", "b", "c"))
    figures = seen.figures()
    assert figures["accuracy"] == 0.75
    assert figures["nll"] == pytest.approx(-sum(math.log(c) for c in (0.9, 0.4, 0.4, 0.8)) / 4, rel=1e-5)
    assert figures["calibration"] == pytest.approx((0.1 + 0.6 + 0.6 + 0.2) / 4, rel=1e-5)  # a bin for each
    assert seen.confusion().tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 2]]


def test_tables_and_planes_are_drawn() -> None:
    counts = torch.tensor([[50, 0], [25, 25]])
    table = numpy.asarray(draw_confusion(counts, ("yes", "a name that is far too long"), cell=40))
    blue = (table == (31, 111, 180)).all(-1).sum()
    assert 1000 < blue < 39 * 39  # one whole cell, less its number
    latent = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).repeat(20, 1)
    label = torch.tensor([0, 1]).repeat(20)
    seen = Classified(latent, torch.eye(2)[label], label, ("right", "left"))
    head = nn.Linear(2, 2)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        head.bias.zero_()
    plane = numpy.asarray(draw_plane(seen, head, 200)).astype(int)
    assert (plane[20, 150] == (211, 227, 240)).all()  # the right half is taken for the first class, in a lighter blue
    assert (plane[20, 50] != plane[20, 150]).any()


def test_labels_that_are_missing_or_unseen_are_named() -> None:
    known = labeled()
    without = Resident(Batch(known.data.coords, known.data.values))
    with pytest.raises(SignalError, match=r"loss.outer: .*the validation signals have none; put files into"):
        check_labels({"training": known, "validation": without})
    some = Resident(known.data[known.data.label < 3], classes=known.classes)
    with pytest.raises(SignalError, match=r"the test signals have labels that no training signal has \('wave 3'\)"):
        check_labels({"training": some, "test": known})
    check_labels({"training": known, "test": some})


def test_hidden_parts_and_shares_are_not_seen() -> None:
    seen = seen_at_random(50, 40, 0.25)
    assert (seen.sum(1) == 10).all()
    assert not (seen == seen[0]).all()
    assert 5 < seen.sum(0).float().mean() < 20
    places = torch.stack(torch.meshgrid(*[torch.arange(10) / 10 + 0.05] * 2, indexing="ij"), -1).view(1, 100, 2)
    mask = View(hidden=[(0.0, 0.5), (0.2, 0.4)]).mask(places)
    assert mask is not None
    assert (~mask).sum() == 5 * 2
    assert View().mask(places) is None
    with pytest.raises(SignalError, match="1 parts to hide were given, and the signal has 2 axes"):
        View(hidden=[(0.0, 0.5)]).mask(places)


def test_the_curve_over_shares_ends_at_the_whole_signal() -> None:
    torch.manual_seed(0)
    signal = Image(data="digits")
    gon = GON(Siren(2, 1, 8, width=16, layers=2, omega=8.0), MSE(), step=50.0, origin="damped")
    data = signal.dataset("test").evenly(60)
    rows = observation_curve(gon, signal, Resident(data), [0.25, 1.0])
    whole = (gon.decode(gon.encode(data), data.coords) - data.values).square().mean()
    assert rows[1] == {"observed": 1.0, "psnr": pytest.approx(-10 * math.log10(whole), abs=1e-4)}
    mask = seen_at_random(60, 64, 0.25)
    latent = gon.encode(data.seen(mask))
    error = (gon.decode(latent, data.coords) - data.values)[~mask].square().mean()
    assert rows[0]["hidden"] == pytest.approx(-10 * math.log10(error), abs=1e-4)
    assert rows[0].keys() == {"observed", "psnr", "hidden", "zeros"}


def test_the_source_s_own_loss_is_the_inner_one() -> None:
    torch.manual_seed(0)
    inner = Siren(2, 1, 6, width=12, layers=2)
    gon = GON(Siren(1, 1, 6, width=12, layers=2), MSE(), step=2.0, inner_field=inner, inner_scale=0.5, scale=3.0)
    given = Batch(torch.rand(9, 2), torch.rand(5, 9, 1))
    wanted = Batch(torch.rand(7, 1), torch.rand(5, 7, 1))
    observed = gon.standardized(given, observed=True)
    torch.testing.assert_close(observed.values, given.values / 0.5)
    torch.testing.assert_close(gon.standardized(wanted).values, wanted.values / 3)
    prediction = gon(observed, gon.standardized(wanted), again=True)
    assert prediction.values.shape == (5, 7, 1)
    expected = MSE()(Prediction(inner(given.coords, prediction.latent), prediction.latent), observed)
    torch.testing.assert_close(Again(MSE())(prediction, wanted), expected)
    torch.testing.assert_close(gon.encode(given), prediction.latent.detach())
    torch.testing.assert_close(gon.misfit(gon.encode(given), given), expected.detach())


CLASSIFY = (
    ("dim = 6", 'dim = 16\norigin = "sparse"'),
    ("steps = 12", "steps = 150\nlearning_rate = 2e-3"),
    ("[train]", "[loss]\nouter = { cross_entropy = 1.0 }\n[train]"),
)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.conftest import RECIPE

    folder, text = tmp_path_factory.mktemp("labels"), RECIPE
    for old, new in CLASSIFY:
        text = text.replace(old, new)
    (folder / "classify.toml").write_text(text)
    assert run([str(folder / "classify.toml"), "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def test_a_classifier_is_trained_judged_and_used(
    classifier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluation = json.loads((classifier / "evaluation.json").read_text())
    assert evaluation["accuracy"] > 0.7
    assert "psnr" not in evaluation
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(classifier))
    events.Reload()
    assert "labels/confusion" in events.Tags()["images"]
    assert "labels/calibration" in events.Tags()["scalars"]
    report = (classifier / "report.html").read_text()
    assert "samples/confusion.png" in report
    assert "validation/accuracy" in report
    model = gonkit.load(classifier)
    assert model.classes == tuple("0123456789")
    test = model.signal.dataset("test")
    seen = classified(model.gon, test)
    assert seen is not None
    assert seen.figures()["accuracy"] == evaluation["accuracy"]
    files = [
        model.signal.save(thing, tmp_path / f"{i}") for i, thing in enumerate(model.signal.things(test.first(3).values))
    ]
    assert main(["classify", str(classifier), *map(str, files), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    for i, file in enumerate(files):
        chances = said[str(file)]
        assert sum(chances.values()) == pytest.approx(1, abs=1e-5)
        assert max(chances, key=chances.__getitem__) == str(int(seen.chances[i].argmax()))
    assert main(["classify", str(classifier), str(files[0])]) == 0
    assert "%" in capsys.readouterr().out


def test_a_model_without_labels_says_so(recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([str(recipe()), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    assert main(["classify", str(tmp_path / "run"), "nothing.png"]) == 2
    assert "this model has no label head" in capsys.readouterr().err
    (tmp_path / "pictures").mkdir()
    for number in range(6):
        Image(data="digits").save(Image(data="digits").render(torch.rand(8, 8, 1)), tmp_path / "pictures" / f"{number}")
    path = recipe(('data = "digits"', f'data = "{tmp_path / "pictures"}"\nsize = 8'), *CLASSIFY, name="no_labels.toml")
    assert run([str(path), "--out", str(tmp_path / "other"), "--quiet"]) == 2
    assert "a loss on labels (cross_entropy) needs them" in capsys.readouterr().err


def test_two_latents_are_drawn_as_a_plane(recipe: Write, tmp_path: Path) -> None:
    path = recipe(("dim = 6", "dim = 2"), *CLASSIFY[1:])
    assert run([str(path), "--out", str(tmp_path / "run"), "--quiet", "--set", "train.steps=5"]) == 0
    assert (tmp_path / "run" / "samples" / "plane.png").is_file()
    assert "samples/plane.png" in (tmp_path / "run" / "report.html").read_text()


def test_joint_and_variational_models_train_and_resume_exactly(recipe: Write, tmp_path: Path) -> None:
    outer = "{ mse = 1.0, cross_entropy = 0.1, kl = 0.01 }"
    changes = ("[train]", f"[loss]\nouter = {outer}\nanneal = {{ kl = 8 }}\n[evaluate]\nobserved = [0.5, 1.0]\n[train]")
    path = recipe(changes)
    assert run([str(path), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert {"psnr", "accuracy", "kl", "elbo", "observed_0.5_hidden", "observed_1_psnr"} <= evaluation.keys()
    assert "Encoded from a share of the points" in (tmp_path / "run" / "report.html").read_text()
    model = gonkit.load(tmp_path / "run")
    assert model.gon.posterior is not None
    assert model.gon.head is not None
    first = model.encode(model.signal.dataset("test").first(2))
    torch.testing.assert_close(
        gonkit.load(tmp_path / "run" / "model.safetensors").encode(model.signal.dataset("test").first(2)), first
    )


def test_parts_of_a_file_can_be_hidden(recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([str(recipe(("steps = 12", "steps = 100"))), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    model = gonkit.load(tmp_path / "run")
    picture = model.signal.things(model.signal.dataset("test").first(1).values)[0]
    file = model.signal.save(picture, tmp_path / "digit")
    made = {}
    for name, more in {
        "whole": [],
        "half": ["--hide", "0.5:1,0:1"],
        "few": ["--observed", "0.3"],
        "scaled": ["--scaled", "--hide", "0.5:1,0:1"],
    }.items():
        assert main(["reconstruct", str(tmp_path / "run"), str(file), "--out", str(tmp_path / name), *more]) == 0
        from PIL import Image as pillow

        made[name] = numpy.asarray(pillow.open(tmp_path / name / "digit.png")).astype(int)
    assert (made["whole"] != made["half"]).any()
    assert (made["whole"] != made["few"]).any()
    assert abs(made["half"] - made["scaled"]).max() <= 1  # one window is the whole file
    spoilt = numpy.asarray(picture).copy()
    spoilt[4:] = 255 - spoilt[4:]  # what is hidden has no say
    pillow.fromarray(spoilt).save(file)
    assert (
        main(["reconstruct", str(tmp_path / "run"), str(file), "--out", str(tmp_path / "x"), "--hide", "0.5:1,0:1"])
        == 0
    )
    assert abs(numpy.asarray(pillow.open(tmp_path / "x" / "digit.png")).astype(int) - made["half"]).max() <= 1
    with pytest.raises(SystemExit):
        main(["reconstruct", str(tmp_path / "run"), str(file), "--hide", "0.5:0.2,0:1"])
    assert "expected LOW:HIGH for each axis" in capsys.readouterr().err
    assert main(["reconstruct", str(tmp_path / "run"), str(file), "--hide", "0.5:1"]) == 2


def test_evaluate_prints_the_curve(
    classifier: Path, recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([str(recipe()), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run"), "--observed", "0.2,1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["observed"]
    assert [row["observed"] for row in rows] == [0.2, 1.0]
    assert main(["evaluate", str(tmp_path / "run"), "--observed", "0.2,1"]) == 0
    assert capsys.readouterr().out.split()[:4] == ["observed", "psnr", "hidden", "zeros"]
