"""Heads on the latent: a classifier, and the posterior of a variational model."""

from __future__ import annotations

import math

import torch
from torch import nn

from gonkit.losses import MSELoss, Objective
from gonkit.nn import GON, GradientStep, PosteriorHead, Siren, StepNoise, classifier_head
from tests.conftest import waves

LATENT = 6


def siren() -> Siren:
    return Siren(1, 1, LATENT, width=12, layers=2)


def test_the_paper_s_classifier_is_one_linear_layer_on_the_latent() -> None:
    head = classifier_head(LATENT, 4)
    gon = GON(siren(), MSELoss(), GradientStep(2.0), classifier=head)
    data = waves().data
    prediction = gon(data)
    assert isinstance(head, nn.Linear)
    torch.testing.assert_close(prediction.logits, gon.infer_latent(data) @ head.weight.T + head.bias)
    torch.testing.assert_close(gon.classify(gon.encode(data)), torch.softmax(prediction.logits, 1))


def test_a_wider_classifier_has_one_hidden_layer() -> None:
    head = classifier_head(LATENT, 4, width=9)
    linear = [layer for layer in head.modules() if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(LATENT, 9), (9, 4)]
    assert head(torch.zeros(3, LATENT)).shape == (3, 4)


def test_a_classifier_predicts_no_values() -> None:
    objective = Objective.from_names("mse", {"cross_entropy": 1.0})
    assert [objective.requires(part) for part in ("values", "label", "posterior")] == [False, True, False]
    gon = GON(siren(), MSELoss(), GradientStep(2.0), classifier=classifier_head(LATENT, 4))
    data = waves().data
    prediction = gon(data, data.at_points(torch.empty(0, dtype=torch.int64)))
    assert prediction.values.shape == (40, 0, 1)
    loss, _ = objective(prediction, data)
    loss.backward()
    gradient = gon.field.coordinate.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0  # through the origin


def test_a_variational_latent_is_sampled_about_the_inner_step() -> None:
    torch.manual_seed(0)
    gon = GON(siren(), MSELoss(), GradientStep(2.0), posterior=PosteriorHead(LATENT))
    data = waves().data
    assert gon.posterior is not None
    torch.testing.assert_close(gon(data).latent, gon.infer_latent(data))  # at first the mean is the step
    noise = torch.randn(40, LATENT, generator=torch.Generator().manual_seed(3))
    nn.init.constant_(gon.posterior.log_variance.bias, 2 * math.log(0.3))
    torch.testing.assert_close(gon(data, noise=StepNoise(noise)).latent, gon.infer_latent(data) + 0.3 * noise)
    nn.init.constant_(gon.posterior.mean.bias, 5.0)
    torch.testing.assert_close(gon.encode(data), gon.infer_latent(data).detach() + 5.0)
