"""The field."""

from __future__ import annotations

import math

import pytest
import torch

from gonkit.nn import Siren


@pytest.mark.parametrize(
    ("latent_dim", "width", "layers", "parameters"),
    [(32, 256, 4, 206_593), (32, 32, 4, 4_321), (34, 32, 4, 4_385)],
)
def test_the_paper_s_parameter_counts(latent_dim: int, width: int, layers: int, parameters: int) -> None:
    field = Siren(2, 1, latent_dim, width=width, layers=layers)
    assert sum(p.numel() for p in field.parameters()) == parameters


@pytest.mark.parametrize(("init", "bound"), [("split", 1 / 2), ("paper", 1 / 34)])
def test_initial_weights_fill_their_bounds(init: str, bound: float) -> None:
    torch.manual_seed(0)
    field = Siren(2, 1, 32, width=512, init=init)  # type: ignore[arg-type]
    assert 0.98 * bound < field.coordinate.weight.abs().max() <= bound
    assert 0.98 / 34 < field.latent.weight.abs().max() <= 1 / 34
    hidden = math.sqrt(6 / 512) / 30
    assert 0.98 * hidden < field.hidden[1].weight.abs().max() <= hidden


def test_the_sum_of_products_is_the_product_of_the_joined_vector() -> None:
    torch.manual_seed(0)
    field = Siren(3, 2, 5, 4, width=16, layers=2).double()
    coords, latent, source = (torch.rand(*s, dtype=torch.float64) for s in ((2, 7, 3), (2, 5), (2, 7, 4)))
    joined = torch.cat((coords, latent.unsqueeze(1).expand(-1, 7, -1), source), -1)
    assert field.source is not None
    weight = torch.cat((field.coordinate.weight, field.latent.weight, field.source.weight), 1)
    hidden = torch.sin(30 * (joined @ weight.T + field.latent.bias))
    expected = field.value(torch.sin(30 * field.hidden[0](hidden)))
    torch.testing.assert_close(field(coords, latent, source), expected, atol=1e-12, rtol=0)
    with pytest.raises(ValueError, match=r"source \(B, P, 4\)"):
        field(coords, latent)


def test_shared_and_repeated_coordinates_agree() -> None:
    torch.manual_seed(0)
    field = Siren(2, 1, 4, width=16, layers=2)
    coords, latent = torch.rand(9, 2), torch.rand(3, 4)
    torch.testing.assert_close(field(coords, latent), field(coords.expand(3, -1, -1), latent))


def test_a_latent_in_all_layers_shifts_every_sine() -> None:
    torch.manual_seed(0)
    first = Siren(2, 1, 5, width=16, layers=3)
    every = Siren(2, 1, 5, width=16, layers=3, latent_layers="all")
    every.load_state_dict(first.state_dict(), strict=False)
    coords, latent = torch.rand(7, 2), torch.randn(4, 5)
    assert sum(p.numel() for p in every.parameters()) == sum(p.numel() for p in first.parameters()) + 2 * 5 * 16
    assert torch.allclose(first(coords, torch.zeros(4, 5)), every(coords, torch.zeros(4, 5)))
    hidden = torch.sin(30 * (every.coordinate(coords) + every.latent(latent).unsqueeze(1)))
    for layer, shift in zip(every.hidden, every.shifts, strict=True):
        hidden = torch.sin(30 * (layer(hidden) + latent.unsqueeze(1) @ shift.weight.T))
    assert torch.allclose(every(coords, latent), every.value(hidden), atol=1e-5)
    assert not torch.allclose(first(coords, latent), every(coords, latent))
