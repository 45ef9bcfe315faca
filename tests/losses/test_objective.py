"""Losses by name, and their weighted sum."""

from __future__ import annotations

import pytest
import torch

from gonkit.batch import Batch, Prediction
from gonkit.errors import GonkitError
from gonkit.losses import LOSSES, HuberLoss, MSELoss, Objective, STFTLoss, get_loss


def test_an_objective_is_the_weighted_sum_of_its_terms() -> None:
    torch.manual_seed(0)
    batch = Batch(torch.rand(6, 2), torch.rand(2, 6, 3))
    prediction = Prediction(torch.randn(2, 6, 3), torch.zeros(2, 1))
    total, terms = Objective.from_names("huber", {"mse": 2.0, "l1": 0.5})(prediction, batch)
    torch.testing.assert_close(terms["mse"], MSELoss()(prediction, batch).mean())
    torch.testing.assert_close(total, 2 * terms["mse"] + 0.5 * terms["l1"])


def test_losses_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match="must take the field's values alike"):
        Objective.from_names("bce", {"mse": 1.0})
    with pytest.raises(ValueError, match="no outer loss"):
        Objective.from_names("mse", {})
    assert Objective.from_names("bce", {"bce": 1.0}).outputs_logits


def test_logits_are_allowed_for_a_separate_encoder_s_loss() -> None:
    objective = Objective.from_names("bce", {"mse": 1.0}, shares_field=False)
    assert not objective.outputs_logits


def test_losses_by_name() -> None:
    for name, loss_type in LOSSES.items():
        assert isinstance(get_loss(name), loss_type)
    assert isinstance(get_loss("gonkit.losses:HuberLoss"), HuberLoss)
    with pytest.raises(GonkitError, match="did you mean 'huber'"):
        get_loss("hubert")
    with pytest.raises(GonkitError, match="must be a subclass of gonkit's Loss"):
        get_loss("gonkit.losses:Objective")


def test_a_signal_type_s_own_losses_are_found_by_name() -> None:
    own = {"short_stft": STFTLoss(sizes=(16,))}
    objective = Objective.from_names("mse", {"mse": 1.0, "short_stft": 0.5}, own)
    assert objective.outer["short_stft"] == (0.5, own["short_stft"])
    assert objective.needs_contiguous_points
    assert not Objective.from_names("mse", {"mse": 1.0}).needs_contiguous_points
    with pytest.raises(GonkitError, match="did you mean 'short_stft'"):
        get_loss("shortstft", own)


def test_input_reconstruction_takes_the_inner_loss() -> None:
    objective = Objective.from_names("own_inner", {"source": 1.0}, own_inner={"own_inner": HuberLoss(0.1)})
    assert objective.requires("input")
    assert not objective.requires("values")
    (_, loss) = objective.outer["source"]
    assert vars(loss) == {"inner": HuberLoss(0.1)}


def test_weights_rise_over_the_given_number_of_steps() -> None:
    objective = Objective.from_names("mse", {"mse": 2.0, "kl": 0.5}, anneal={"kl": 10})
    zeros = torch.zeros(1, 3)
    batch = Batch(torch.zeros(4, 1), torch.zeros(1, 4, 1))
    prediction = Prediction(torch.ones(1, 4, 1), zeros, posterior=(zeros + 2, zeros))  # mse 1, kl 6
    totals = [objective(prediction, batch, step)[0].item() for step in (1, 5, 10, 20)]
    assert totals == pytest.approx([2.3, 3.5, 5.0, 5.0])
    assert objective(prediction, batch)[0].item() == pytest.approx(5.0)
    with pytest.raises(ValueError, match=r"anneal names 'kll', which is no outer term; did you mean 'kl'\?"):
        Objective.from_names("mse", {"mse": 1.0, "kl": 1.0}, anneal={"kll": 10})
    with pytest.raises(ValueError, match="the inner loss must read the field's values"):
        Objective.from_names("kl", {"mse": 1.0})
