"""How far made signals are from real ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch

from gonkit.cli import main
from gonkit.judge import Judge, load_judge, save_judge, train_judge
from gonkit.judging import (
    coverage,
    diversity,
    frechet_distance,
    minimum_matching_distance,
    precision_recall,
    set_distances,
)
from gonkit.run import main as run
from gonkit.signal import SignalError
from signals.audio import Audio
from signals.image import Image


def drawn(count: int, size: int, seed: int) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


def test_frechet_distance_is_the_formula_s() -> None:
    from scipy.linalg import sqrtm

    a, b = drawn(200, 5, 0) @ drawn(5, 5, 1), drawn(300, 5, 2) @ drawn(5, 5, 3) + 0.3
    one, two = torch.cov(a.double().T).numpy(), torch.cov(b.double().T).numpy()
    apart = (a.double().mean(0) - b.double().mean(0)).square().sum().item()
    literal = apart + numpy.trace(one + two - 2 * sqrtm(one @ two).real)
    assert abs(frechet_distance(a, b) - literal) < 1e-6 * literal
    assert abs(frechet_distance(a, b) - frechet_distance(b, a)) < 1e-6 * literal
    assert frechet_distance(a, a) < 1e-6


def test_frechet_distance_to_one_repeated_signal_is_finite() -> None:
    a = drawn(100, 4, 0)
    found = frechet_distance(a.mean(0).expand(100, -1), a)
    assert abs(found - torch.cov(a.double().T).trace().item()) < 1e-4


def test_precision_falls_for_strays_and_recall_for_what_is_missing() -> None:
    real, same = drawn(400, 3, 0), drawn(400, 3, 1)
    precise, complete = precision_recall(real, same)
    assert min(precise, complete) > 0.9
    strays = torch.cat((same[:200], same[200:] + 100))
    precise, complete = precision_recall(real, strays)
    assert 0.4 < precise < 0.55
    half = same[same[:, 0] > 0]
    precise, complete = precision_recall(real, half)
    assert precise > 0.85
    assert complete < 0.75


def test_precision_and_recall_are_what_two_loops_give() -> None:
    real, made = drawn(30, 2, 0), 2 * drawn(25, 2, 1)

    def within(points: torch.Tensor, others: torch.Tensor) -> float:
        reach = [sorted(float((o - p).norm()) for p in others)[3] for o in others]
        hits = [any(float((p - o).norm()) <= r for o, r in zip(others, reach, strict=True)) for p in points]
        return sum(hits) / len(hits)

    expected = (within(made, real), within(real, made))
    assert precision_recall(real, made) == pytest.approx(expected, abs=1e-6)


def test_diversity_is_a_mean_over_pairs() -> None:
    assert diversity(torch.tensor([[0.0], [3.0], [6.0]])) == pytest.approx(4.0)


def test_sets_of_points() -> None:
    sets = drawn(4, 30, 0).view(4, 10, 3)
    distances = set_distances(sets, sets)
    assert distances.diagonal().abs().max() < 1e-5
    moved = torch.tensor([[0.0, 0.0, 2.0]])
    assert set_distances(torch.zeros(1, 1, 3), moved.view(1, 1, 3)).item() == pytest.approx(8.0)
    assert minimum_matching_distance(distances) < 1e-5
    assert coverage(distances) == 1.0
    assert coverage(distances[:1].expand(4, -1)) == 0.25


def test_a_judge_learns_labels_and_keeps_its_name(tmp_path: Path) -> None:
    signal = Image(type="signals.image:Image")
    train, test = signal.dataset("train"), signal.dataset("test")
    judge = train_judge(signal, train, seed=0)
    batch = test.batch(torch.arange(len(test)))
    features = judge.features(batch.values.unflatten(1, signal.grid()))
    assert features.shape == (len(test), 64)
    assert (judge.classify(features).argmax(1) == batch.label).float().mean() > 0.93
    save_judge(judge, tmp_path / "judge.safetensors")
    again = load_judge(tmp_path / "judge.safetensors")
    assert again.hash() == judge.hash()
    assert torch.equal(again.features(batch.values.unflatten(1, signal.grid())), features)
    (tmp_path / "other").write_text("nothing")
    with pytest.raises(SignalError, match="not a file"):
        load_judge(tmp_path / "other")


@pytest.mark.parametrize("grid", [(100,), (28, 28), (5, 60), (16, 16, 16)])
def test_a_judge_takes_grids_of_one_to_three_axes(grid: tuple[int, ...]) -> None:
    judge = Judge(grid, 2, 3)
    assert judge.features(torch.randn(4, *grid, 2)).shape == (4, 64)
    with pytest.raises(SignalError, match="one to three axes"):
        Judge((4, 4, 4, 4), 1, 2)


def test_sounds_are_judged_by_their_spectra() -> None:
    signal = Audio(type="signals.audio:Audio")
    count = signal.grid()[0]
    tone = torch.sin(torch.arange(count) * 0.3).view(1, count, 1)
    seen = signal.features(tone)
    assert seen.shape[0] == 1
    assert seen.shape[-1] == 1
    turned = torch.sin(torch.arange(count) * 0.3 + 1).view(1, count, 1)
    assert (signal.features(turned) - seen).abs().median() < 0.5
    assert seen.mean(2)[0, :, 0].argmax() == round(0.3 / (2 * torch.pi) * 256)


def test_evaluate_samples_says_how_far_they_are(
    recipe: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    longer = ("steps = 12", "steps = 200\nlearning_rate = 2e-3")
    assert run([str(recipe(longer)), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    capsys.readouterr()
    found = []
    for more in ([], ["--prior", "normal"], ["--prior", "normal", "--per-class"]):
        assert main(["evaluate", str(tmp_path / "run"), "--samples", "--count", "150", "--json", *more]) == 0
        found.append(json.loads(capsys.readouterr().out))
    first = found[0]
    for name in ("", "_reconstructions", "_ceiling"):
        assert first["gonkit_frechet_floor"] < 0.8 * first[f"gonkit_frechet{name}"]
    assert 0 <= first["near_copies"] <= 1
    assert first["judge_accuracy"] > 0.9
    assert {one["judge"] for one in found} == {first["judge"]}
    assert first["judge"] == load_judge(tmp_path / "run" / "judge.safetensors").hash()
    for one in found:
        assert {
            "precision",
            "recall",
            "precision_floor",
            "recall_floor",
            "diversity",
            "nearest_mean",
            "log_likelihood",
        } <= one.keys()
