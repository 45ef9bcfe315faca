"""Ways through the latent space, terms that shape it, and how normal it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gonkit.cli import main as use
from gonkit.keeping import Kept
from gonkit.latents import analogy, between, class_means, through
from gonkit.losses import loss_named
from gonkit.normality import CASES, energy, mardia_kurtosis, normality, power
from gonkit.run import main
from gonkit.signal import Batch, Prediction, SignalError
from gonkit.tracking import read_metrics

Write = Callable[..., Path]


def drawn(count: int, latents: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, latents, generator=torch.Generator().manual_seed(seed))


def test_paths_begin_and_end_where_they_should() -> None:
    a, b = drawn(2, 5)
    for kind in ("slerp", "linear"):
        path = between(a, b, 7, kind)  # type: ignore[arg-type]
        torch.testing.assert_close(path[[0, -1]], torch.stack((a, b)))
    torch.testing.assert_close(between(a, b, 3, "linear")[1], (a + b) / 2)
    stations = drawn(4, 5, seed=1)
    way = through(stations, 3)
    assert way.shape == (10, 5)
    torch.testing.assert_close(way[::3], stations)


def test_class_means_and_sums() -> None:
    latent, label = torch.tensor([[0.0], [4.0], [2.0], [8.0]]), torch.tensor([3, 1, 3, 1])
    assert class_means(latent, label).tolist() == [[6.0], [1.0]]
    assert analogy(latent[0], latent[1], latent[3]).tolist() == [4.0]


def test_energy_statistic_agrees_with_draws_from_the_normal() -> None:
    latent = drawn(60, 4).exp()
    white = (latent - latent.mean(0)).double()
    factor = torch.linalg.cholesky(torch.cov(white.T))
    white = torch.linalg.solve_triangular(factor, white.T, upper=False).T
    many, others = (torch.randn(20_000, 4, generator=torch.Generator().manual_seed(s)).double() for s in (1, 2))
    literal = (
        2 * torch.cdist(white, many).mean() - (many - others).norm(dim=1).mean() - torch.cdist(white, white).mean()
    )
    assert energy(latent) == pytest.approx(60 * literal.item(), rel=0.1)


def test_normality_forgets_scale_and_place_and_sees_shape() -> None:
    latent = drawn(300, 6, seed=3)
    assert normality(latent) == pytest.approx(normality(latent @ drawn(6, 6, seed=4) * 5 + 2), rel=0.02)
    assert normality(latent) < 3
    generator = torch.Generator().manual_seed(0)
    for case in ("heavy", "clustered", "bent", "skewed"):
        assert normality(CASES[case](drawn(400, 32, seed=5), generator)) > 2, case
    assert mardia_kurtosis(drawn(4000, 3)) < 1


def test_power_is_the_level_s_share_at_least() -> None:
    found = power(size=60, latents=3, draws=20)
    assert len(found) == 20
    assert found["energy_skewed"] > 0.1
    assert all(0 <= share <= 1 for share in found.values())


def test_regularizers_are_what_they_say() -> None:
    latent = drawn(40, 5, seed=2).double().requires_grad_()
    prediction = Prediction(torch.zeros(40, 1, 1), latent)
    batch = Batch(torch.zeros(1, 2), torch.zeros(40, 1, 1))
    torch.testing.assert_close(loss_named("latent_l2")(prediction, batch), latent.square().mean(1))
    covariance = loss_named("latent_covariance")(prediction, batch)
    expected = (torch.cov(latent.T) - torch.eye(5)).square().sum() + latent.mean(0).square().sum()
    torch.testing.assert_close(covariance, (expected / 5).expand(40))
    factor = torch.linalg.cholesky(torch.cov(latent.T))
    white = torch.linalg.solve_triangular(factor, (latent - latent.mean(0)).T, upper=False).T
    assert loss_named("latent_covariance")(Prediction(prediction.values, white), batch).max() < 1e-12


def test_the_gradient_penalty_is_the_jacobian_s_square_on_average() -> None:
    torch.manual_seed(0)
    weight = torch.randn(6, 2, 5, dtype=torch.float64)  # (P, C, K)
    latent = drawn(3, 5).double().requires_grad_()
    prediction = Prediction(torch.einsum("pck,bk->bpc", weight, latent), latent)
    batch = Batch(torch.zeros(6, 2), torch.zeros(3, 6, 2))
    penalty = torch.stack([loss_named("latent_gradient")(prediction, batch) for _ in range(4000)]).mean()
    torch.testing.assert_close(penalty, weight.square().sum() / 6, rtol=0.03, atol=0)
    empty = Prediction(torch.einsum("pck,bk->bpc", weight[:0], latent), latent)
    assert loss_named("latent_gradient")(empty, batch).tolist() == [0, 0, 0]


def test_a_regularizer_trains_beside_the_reconstruction(recipe: Write, tmp_path: Path) -> None:
    terms = "mse = 1.0, latent_covariance = 0.1, latent_l2 = 0.01, latent_gradient = 1e-3"
    losses = ("[prior]", f"[loss]\nouter = {{ {terms} }}\n[prior]")
    longer = ("steps = 12", "steps = 150\nlearning_rate = 2e-3\nwarmup = 5")
    assert main([str(recipe(losses, longer)), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    lines = [line for line in read_metrics(tmp_path / "run") if "train/latent_covariance" in line]
    assert lines[-1]["train/latent_covariance"] < 0.8 * lines[0]["train/latent_covariance"]
    assert lines[-1]["train/latent_gradient"] > 0


@pytest.mark.parametrize(
    ("keep", "figure", "sign"), [("best", "validation/psnr", 1), ("most-normal", "latent/normality", -1)]
)
def test_the_weights_of_the_chosen_validation_become_the_model(
    recipe: Write, tmp_path: Path, keep: str, figure: str, sign: int
) -> None:
    path = recipe(("batch = 16", f'batch = 16\nkeep = "{keep}"'), ("steps = 12", "steps = 40"))
    folder = tmp_path / "run"
    assert main([str(path), "--out", str(folder), "--quiet"]) == 0
    seen = {line["step"]: sign * line[figure] for line in read_metrics(folder) if figure in line}
    best = max(seen, key=lambda step: seen[step])
    assert json.loads((folder / "evaluation.json").read_text())["kept_step"] == best
    kept, model = load_file(folder / "kept.safetensors"), load_file(folder / "model.safetensors")
    assert all(torch.equal(value, model[f"gon.{key}"]) for key, value in kept.items())
    assert main(["--resume", str(folder), "--quiet"]) == 0
    again = load_file(folder / "model.safetensors")
    assert all(torch.equal(value, again[f"gon.{key}"]) for key, value in kept.items())


def test_what_is_kept_does_not_depend_on_interruptions(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    first = Kept(tmp_path, "best")
    for step, score in ((10, 1.0), (20, 3.0), (30, 2.0)):
        torch.nn.init.constant_(model.weight, step)
        first.offer(step, model, {"validation/psnr": score})
    again = Kept(tmp_path, "best")
    torch.nn.init.constant_(model.weight, 30)
    again.offer(30, model, {"validation/psnr": 2.0})  # met once more after a kill
    again.restore(model)
    assert again.step() == 20
    assert model.weight.unique().tolist() == [20.0]
    with pytest.raises(SignalError, match="nothing to go by"):
        again.offer(40, model, {})


def test_samples_of_a_class_by_name_or_number(
    recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe(("components = 2", 'kind = "normal"\nper_class = true'))
    assert main([str(path), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    run = str(tmp_path / "run")
    assert (
        use(["sample", run, "--count", "2", "--label", "3", "--truncation", "1.5", "--out", str(tmp_path / "a")]) == 0
    )
    assert len(list((tmp_path / "a").glob("*.png"))) == 2
    assert use(["sample", run, "--label", "12"]) == 2
    assert "knows the classes 0, 1" in capsys.readouterr().err
    assert use(["sample", run, "--label", "seven"]) == 2
    assert "there is no class 'seven'" in capsys.readouterr().err
    assert use(["interpolate", run, "--path", "linear", "--steps", "3", "--out", str(tmp_path / "b")]) == 0


@pytest.mark.parametrize(
    ("setting", "needle"),
    [
        ("prior.per_class=true", "per_class"),
        ("train.keep=finest", "train.keep"),
    ],
)
def test_settings_that_do_not_go_together(
    recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str, needle: str
) -> None:
    path = recipe(("components = 2", 'kind = "unit"'))
    assert main([str(path), "--out", str(tmp_path / "run"), "--set", setting]) == 2
    assert needle in capsys.readouterr().err


def test_ways_through_files_and_classes(recipe: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(recipe()), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    run, out = str(tmp_path / "run"), tmp_path / "out"
    files = [str(tmp_path / "run" / "samples" / f"sample_{number:02d}.png") for number in range(3)]

    def made(*arguments: str) -> int:
        code = use([*arguments, "--out", str(out)])
        count = len(list(out.glob("*.png")))
        for path in out.glob("*.png"):
            path.unlink()
        return count if code == 0 else -1

    assert made("interpolate", run, *files, "--steps", "4") == 7
    assert made("interpolate", run, "--classes", "3", "8", "1", "--steps", "3") == 5
    assert made("interpolate", run, files[0], "--classes", "3", "8") == 8
    assert made("analogy", run, *files) == 1
    assert made("interpolate", run, files[0]) == -1
    assert made("interpolate", run, *files, "--classes", "3", "8") == -1
    capsys.readouterr()
    assert made("interpolate", run, "--classes", "3", "12") == -1
    assert "no training signal is of class 12" in capsys.readouterr().err
