"""Refinement of latents, in double precision."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gonkit.batch import Batch, Prediction
from gonkit.losses import BCEWithLogitsLoss, Loss, MSELoss, STFTLoss
from gonkit.nn import GON, DampedStep, LatentDistribution, Siren, refine_latent

LOSSES = [MSELoss(), BCEWithLogitsLoss()]


def field(latent_layers: str = "all", source_channels: int = 0) -> Siren:
    torch.manual_seed(0)
    made = Siren(2, 1, 4, source_channels, width=24, layers=3, omega=4.0, latent_layers=latent_layers)  # type: ignore[arg-type]
    with torch.no_grad():
        made.value.weight.mul_(20)  # values of size one, which depend on the latent
    return made.double()


def signals(own_points: bool = False, size: int = 5, points: int = 60) -> Batch:
    generator = torch.Generator().manual_seed(1)
    shape = (size, points, 2) if own_points else (points, 2)
    coords = torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1
    return Batch(coords, torch.rand(size, points, 1, generator=generator, dtype=torch.float64))


def distribution(precision: float = 0.0, mean: float = 0.0, residual: float = 0.1) -> LatentDistribution:
    return LatentDistribution(
        torch.full((4,), mean, dtype=torch.float64),
        precision * torch.eye(4, dtype=torch.float64),
        torch.tensor(residual, dtype=torch.float64),
    )


def objective(field: Siren, loss: Loss, batch: Batch, latent: Tensor, known: LatentDistribution) -> Tensor:
    """The module's J, written out."""
    points = batch.values.shape[1] if batch.mask is None else batch.mask.sum(1)
    offset = latent - known.mean
    penalty = known.residual_variance / points * torch.einsum("bi,ij,bj->b", offset, known.precision, offset)
    return loss(Prediction(field(batch.coords, latent, batch.source), latent), batch) + penalty


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("own_points", [False, True])
@pytest.mark.parametrize("precision", [0.0, 3.0])
def test_no_signal_gets_worse_and_many_steps_end_where_the_slope_is_zero(
    loss: Loss, own_points: bool, precision: float
) -> None:
    network, batch, known = field(), signals(own_points), distribution(precision)
    planted = 0.3 * torch.randn(5, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    with torch.no_grad():  # what the field can nearly represent, as signals that it has learned are
        values = network(batch.coords, planted)
        values = torch.sigmoid(values) if loss.expects_logits else values + 0.01 * batch.values
    batch = replace(batch, values=values)
    start = torch.zeros(5, 4, dtype=torch.float64)
    before = objective(network, loss, batch, start, known)
    for steps in (1, 2, 5, 60):
        latent = refine_latent(network, loss, batch, start, known, steps=steps)
        after = objective(network, loss, batch, latent, known)
        assert (after <= before + 1e-12).all()
        before = after
    latent.requires_grad_()
    (slope,) = torch.autograd.grad(objective(network, loss, batch, latent, known).sum(), latent)
    start.requires_grad_()
    (first,) = torch.autograd.grad(objective(network, loss, batch, start, known).sum(), start)
    assert slope.norm(dim=1).max() < 1e-5 * first.norm(dim=1).max()


def test_a_latent_does_not_depend_on_the_other_signals() -> None:
    network, batch, known = field(), signals(), distribution(1.0)
    start = torch.zeros(5, 4, dtype=torch.float64)
    together = refine_latent(network, MSELoss(), batch, start, known, steps=3)
    for i in range(5):
        alone = refine_latent(network, MSELoss(), batch[i : i + 1], start[i : i + 1], known, steps=3)
        assert torch.allclose(alone[0], together[i], rtol=1e-9, atol=1e-12)


def test_unobserved_points_may_hold_anything() -> None:
    network, batch, known = field(), signals(), distribution(1.0)
    mask = torch.rand(5, 60, generator=torch.Generator().manual_seed(2)) < 0.5
    start = torch.zeros(5, 4, dtype=torch.float64)
    latents = []
    for hidden in (0.0, float("nan")):
        values = batch.values.where(mask.unsqueeze(-1), hidden)
        latents.append(
            refine_latent(network, MSELoss(), replace(batch, values=values, mask=mask), start, known, steps=3)
        )
    assert latents[0].isfinite().all()
    assert torch.equal(*latents)


def test_the_fewer_points_the_nearer_to_the_mean() -> None:
    network, batch, known = field(), signals(), distribution(5.0, mean=0.3)
    start = torch.zeros(5, 4, dtype=torch.float64)
    apart = []
    for count in (60, 12, 1):
        mask = (torch.arange(60) < count).expand(5, 60)
        latent = refine_latent(network, MSELoss(), replace(batch, mask=mask), start, known, steps=40)
        apart.append((latent - 0.3).norm(dim=1).mean().item())
    assert apart[0] > apart[1] > apart[2]


def test_a_source_takes_part() -> None:
    network, batch, known = field(source_channels=1), signals(), distribution()
    batch = replace(batch, source=torch.rand(5, 60, 1, dtype=torch.float64))
    start = torch.zeros(5, 4, dtype=torch.float64)
    refined = refine_latent(network, MSELoss(), batch, start, known, steps=4)
    gain = objective(network, MSELoss(), batch, start, known) - objective(network, MSELoss(), batch, refined, known)
    assert (gain > 0).all()


def test_a_loss_without_curvature_is_refused() -> None:
    batch, known = signals(), distribution()
    with pytest.raises(ValueError, match="pointwise"):
        refine_latent(field(), STFTLoss(), batch, torch.zeros(5, 4, dtype=torch.float64), known, steps=1)


def test_a_network_refines_where_it_is_told_to_in_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    gon = GON(field(), MSELoss(), DampedStep(10.0), refine=2).double()
    batch = signals(size=9)
    gon.calibrate(batch)
    assert gon.latent_precision.diagonal().min() > 0
    assert 0 < gon.residual_variance < 1
    plain, once, twice = gon.encode(batch, refine=0), gon.encode(batch, refine=1), gon.encode(batch)
    errors = [gon.inner_loss(latent, batch).mean().item() for latent in (plain, once, twice)]
    assert errors[0] > errors[1] > errors[2]
    monkeypatch.setattr("gonkit.nn.refinement.MAX_REFINED_POINTS", 61)
    assert torch.allclose(gon.encode(batch), twice, rtol=1e-9, atol=1e-12)
