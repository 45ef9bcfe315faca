"""The field and the network around it."""

from __future__ import annotations

import math

import pytest
import torch

from gonkit.gon import GON
from gonkit.losses import BCE, MSE
from gonkit.signal import Batch
from gonkit.siren import Siren


@pytest.mark.parametrize(
    ("latents", "width", "layers", "parameters"),
    [(32, 256, 4, 206_593), (32, 32, 4, 4_321), (34, 32, 4, 4_385)],
)
def test_the_paper_s_parameter_counts(latents: int, width: int, layers: int, parameters: int) -> None:
    field = Siren(2, 1, latents, width=width, layers=layers)
    assert sum(p.numel() for p in field.parameters()) == parameters


@pytest.mark.parametrize(("init", "bound"), [("split", 1 / 2), ("paper", 1 / 34)])
def test_initial_bounds(init: str, bound: float) -> None:
    field = Siren(2, 1, 32, width=512, init=init)  # type: ignore[arg-type]
    assert 0.98 * bound < field.coordinate.weight.abs().max() <= bound
    assert 0.98 / 34 < field.latent.weight.abs().max() <= 1 / 34
    hidden = math.sqrt(6 / 512) / 30
    assert 0.98 * hidden < field.hidden[1].weight.abs().max() <= hidden


def test_the_sum_of_products_is_the_product_of_the_joined() -> None:
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
    field = Siren(2, 1, 4, width=16, layers=2)
    coords, latent = torch.rand(9, 2), torch.rand(3, 4)
    torch.testing.assert_close(field(coords, latent), field(coords.expand(3, -1, -1), latent))


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("chunk", [1, 5, 9, 10, 26, 1000])
def test_decoding_in_chunks_changes_nothing(own: bool, chunk: int) -> None:
    gon = GON(Siren(2, 3, 4, 2, width=16, layers=2), MSE(), step=1.0, scale=0.3)
    coords = torch.rand(3, 9, 2) if own else torch.rand(9, 2)
    latent, source = torch.rand(3, 4), torch.rand(3, 9, 2)
    whole = gon.natural(gon.field(coords, latent, source))
    torch.testing.assert_close(gon.decode(latent, coords, source, chunk=chunk), whole)
    torch.testing.assert_close(gon.decode(latent, coords, source, chunk=chunk, raw=True), whole / 0.3)


def test_units_go_in_and_come_out() -> None:
    field = Siren(2, 1, 4, width=16, layers=2)
    batch = Batch(torch.rand(9, 2), torch.rand(3, 9, 1) * 100)
    scaled = GON(field, MSE(), step=1.0, scale=25.0)
    plain = GON(field, MSE(), step=1.0)
    latent = scaled.encode(batch)
    torch.testing.assert_close(latent, plain.encode(Batch(batch.coords, batch.values / 25)))
    torch.testing.assert_close(scaled.decode(latent, batch.coords), 25 * plain.decode(latent, batch.coords))
    logits = GON(field, BCE(), step=1.0)
    assert ((logits.decode(latent, batch.coords) > 0) & (logits.decode(latent, batch.coords) < 1)).all()


def test_training_in_two_places_differs_only_where_it_is_compared() -> None:
    gon = GON(Siren(2, 1, 4, width=16, layers=2), MSE(), step=1.0)
    batch = Batch(torch.rand(9, 2), torch.rand(3, 9, 1))
    some = torch.tensor([5, 0, 3])
    all_points, few = gon(batch), gon(batch, batch.at(some))
    torch.testing.assert_close(few.latent, all_points.latent)
    torch.testing.assert_close(few.values, all_points.values[:, some])


def test_low_precision_leaves_the_origin_alone() -> None:
    gon = GON(Siren(2, 1, 4, width=16, layers=3), MSE(), step=1.0)
    batch = Batch(torch.rand(9, 2), torch.rand(3, 9, 1))
    exact = gon(batch)
    with torch.autocast("cpu", torch.bfloat16):
        rough = gon(batch)
    assert torch.equal(rough.latent, exact.latent)
    assert rough.values.dtype == torch.float32
    assert 0 < (rough.values - exact.values).abs().max() < 0.05
