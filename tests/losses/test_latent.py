"""Losses on what hangs on the latent, against torch's own."""

from __future__ import annotations

import torch
from torch import nn

from gonkit.batch import Batch, Prediction
from gonkit.losses import CrossEntropyLoss, InputReconstructionLoss, KLLoss, MSELoss


def test_cross_entropy_and_kl_divergence_equal_torch_s() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=generator)
    label = torch.tensor([0, 2, 1, 1, 0, 2])
    mean, log_variance = torch.randn(2, 6, 5, generator=generator)
    batch = Batch(torch.zeros(4, 1), torch.zeros(6, 4, 1), label=label)
    prediction = Prediction(torch.zeros(6, 0, 1), mean, logits, (mean, log_variance))
    expected = nn.functional.nll_loss(torch.log_softmax(logits, 1), label, reduction="none")
    torch.testing.assert_close(CrossEntropyLoss()(prediction, batch), expected)
    normal = torch.distributions.Normal
    divergence = torch.distributions.kl_divergence(normal(mean, (0.5 * log_variance).exp()), normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(KLLoss()(prediction, batch), divergence)


def test_input_reconstruction_is_the_inner_loss_of_the_input() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = Batch(torch.rand(9, 2, generator=generator), torch.rand(5, 9, 1, generator=generator))
    values, latent = torch.rand(5, 9, 1, generator=generator), torch.zeros(5, 3)
    prediction = Prediction(torch.zeros(5, 7, 2), latent, input_values=(values, inputs))
    target = Batch(torch.zeros(7, 1), torch.ones(5, 7, 2))
    expected = (values - inputs.values).square().sum(2).mean(1)
    torch.testing.assert_close(InputReconstructionLoss(MSELoss())(prediction, target), expected)
