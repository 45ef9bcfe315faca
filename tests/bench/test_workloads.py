"""What is timed is the same step, computed in different ways."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gonkit.bench import BenchConfig, literal_latent
from gonkit.bench.workloads import step_variants

SMALL = BenchConfig(batch=4, points=16, channels=2, latents=3, width=8, layers=2)
CPU = torch.device("cpu")


@pytest.mark.parametrize("own", [False, True])
def test_the_literal_latent_is_gonkit_s(own: bool) -> None:
    gon, batch = replace(SMALL, own=own).build(CPU)
    assert batch.shares_coords != own
    decode, latent = literal_latent(gon, batch)
    torch.testing.assert_close(latent, gon.infer_latent(batch))
    torch.testing.assert_close(decode(latent), gon(batch).values)


@pytest.mark.parametrize("own", [False, True])
def test_variants_of_a_step_have_the_same_gradients(own: bool) -> None:
    gon, batch = replace(SMALL, own=own).build(CPU)
    variants = step_variants(gon, batch)
    gradients = {}
    for name in ("literal", "shared"):
        gon.zero_grad()
        variants[name]()
        gradients[name] = [weight.grad for weight in gon.parameters()]
    for literal, shared in zip(gradients["literal"], gradients["shared"], strict=True):
        torch.testing.assert_close(literal, shared, rtol=1e-4, atol=1e-6)
