"""The shared origin, the general path and the damped step against their definitions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gonkit.gon import GON
from gonkit.losses import BCE, L1, MSE, Huber, Loss, Objective, Pointwise
from gonkit.origin import infer_latent, linearize, shrink
from gonkit.signal import Batch, Prediction
from gonkit.siren import Siren

B, P, D, K = 4, 24, 2, 5
LOSSES = [MSE(), Huber(0.3), BCE()]


def make(channels: int = 1, sources: int = 0, init: str = "split") -> Siren:
    torch.manual_seed(channels)
    return Siren(D, channels, K, sources, width=12, layers=3, omega=5.0, omega_hidden=3.0, init=init).double()


def signals(channels: int = 1, *, masked: bool = False, own: bool = False, sources: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(7)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    return Batch(
        coords=rand(B, P, D) * 2 - 1 if own else rand(P, D) * 2 - 1,
        values=rand(B, P, channels),
        mask=rand(B, P) > 0.4 if masked else None,
        source=rand(B, P, sources) if sources else None,
    )


def literal_field(field: Siren, batch: Batch, latent: Tensor) -> Tensor:
    """F(c ⊕ z ⊕ s) over B·P joined rows."""
    parts = [batch.coords.expand(len(batch), -1, -1), latent.unsqueeze(1).expand(-1, P, -1)]
    weights = [field.coordinate.weight, field.latent.weight]
    if batch.source is not None and field.source is not None:
        parts.append(batch.source)
        weights.append(field.source.weight)
    joined = torch.cat(parts, -1).flatten(0, 1)  # (B·P, D + K + S)
    hidden = torch.sin(field.omega * (joined @ torch.cat(weights, 1).T + field.latent.bias))
    for layer in field.hidden:
        hidden = torch.sin(field.omega_hidden * (hidden @ layer.weight.T + layer.bias))
    return (hidden @ field.value.weight.T + field.value.bias).unflatten(0, (len(batch), P))


def literal_loss(loss: Loss, prediction: Tensor, batch: Batch) -> Tensor:
    """(B,) written out: the mean over the observed points of the sum over channels."""
    x = batch.values
    match loss:
        case MSE():
            density = (prediction - x) ** 2
        case Huber(delta):
            gap = (prediction - x).abs()
            density = torch.where(gap < delta, 0.5 * gap**2, delta * (gap - 0.5 * delta))
        case BCE():
            density = -x * torch.log(torch.sigmoid(prediction)) - (1 - x) * torch.log(1 - torch.sigmoid(prediction))
    per_point = density.sum(-1)
    if batch.mask is None:
        return per_point.mean(1)
    return torch.stack([per_point[b][batch.mask[b]].mean() for b in range(len(batch))])


def literal_latent(field: Siren, loss: Loss, batch: Batch, step: float, steps: int = 1) -> Tensor:
    """Eq. 1's inner step, as it is written."""
    latent = torch.zeros(len(batch), K, dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        inner = literal_loss(loss, literal_field(field, batch, latent), batch).sum()
        latent = latent - step * torch.autograd.grad(inner, latent, create_graph=True)[0]
    return latent


def gradients(value: Tensor, field: Siren) -> list[Tensor]:
    return [
        torch.zeros_like(p) if g is None else g
        for p, g in zip(
            field.parameters(), torch.autograd.grad(value, list(field.parameters()), allow_unused=True), strict=True
        )
    ]


def assert_same_step(field: Siren, loss: Loss, batch: Batch, steps: int = 1) -> None:
    expected = literal_latent(field, loss, batch, 0.7, steps)
    found = infer_latent(field, loss, batch, step=0.7, steps=steps)
    assert (found - expected).abs().max() < 1e-10
    outer = [
        literal_loss(loss, literal_field(field, batch, expected), batch).mean(),
        loss(Prediction(field(batch.coords, found, batch.source), found), batch).mean(),
    ]
    for a, b in zip(*(gradients(value, field) for value in outer), strict=True):
        assert (a - b).norm() <= 1e-8 * a.norm()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_shared_path_is_the_literal_equation(loss: Loss, channels: int, masked: bool) -> None:
    assert_same_step(make(channels), loss, signals(channels, masked=masked))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize(
    ("own", "sources", "masked"), [(True, 0, False), (True, 0, True), (False, 2, False), (True, 2, True)]
)
def test_general_path_is_the_literal_equation(loss: Loss, own: bool, sources: int, masked: bool) -> None:
    assert_same_step(make(2, sources), loss, signals(2, own=own, sources=sources, masked=masked))


@pytest.mark.parametrize("own", [False, True])
def test_later_steps_are_the_literal_equation(own: bool) -> None:
    assert_same_step(make(2), MSE(), signals(2, own=own), steps=3)


def dense_step(field: Siren, loss: Pointwise, batch: Batch, latent: Tensor, step: float) -> Tensor:
    """z − (H + I/η)⁻¹ (∇L + z/η), each signal by itself, H and ∇L by brute force."""
    rows = []
    for b in range(len(batch)):
        one = batch[b : b + 1]

        def values(z: Tensor, one: Batch = one) -> Tensor:
            return literal_field(field, one, z.unsqueeze(0)).flatten()  # (P·C,)

        def cost(flat: Tensor, one: Batch = one) -> Tensor:
            return literal_loss(loss, flat.reshape_as(one.values), one).sum()

        z = latent[b].detach()
        jacobian = torch.autograd.functional.jacobian(values, z)
        curvature = torch.autograd.functional.hessian(cost, values(z).detach())
        slope = jacobian.T @ torch.autograd.functional.jacobian(cost, values(z).detach())
        damped = jacobian.T @ curvature @ jacobian + torch.eye(K, dtype=torch.float64) / step
        rows.append(z - torch.linalg.solve(damped, slope + z / step))
    return torch.stack(rows)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize(
    ("masked", "own", "sources"), [(False, False, 0), (True, False, 0), (False, True, 0), (True, True, 2)]
)
@pytest.mark.parametrize("steps", [1, 2])
def test_damped_step_is_a_dense_solve(loss: Pointwise, masked: bool, own: bool, sources: int, steps: int) -> None:
    field, batch = make(2, sources), signals(2, masked=masked, own=own, sources=sources)
    expected = torch.zeros(B, K, dtype=torch.float64)
    for _ in range(steps):
        expected = dense_step(field, loss, batch, expected, 3.0)
    found = infer_latent(field, loss, batch, step=3.0, steps=steps, origin="damped")
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("loss", [*LOSSES, L1()], ids=lambda loss: type(loss).__name__)
def test_damped_step_tends_to_the_gradient_step(loss: Loss) -> None:
    field, batch = make(), signals()
    gaps = []
    for step in (1e-2, 1e-4):
        gradient = infer_latent(field, loss, batch, step=step)
        damped = infer_latent(field, loss, batch, step=step, origin="damped")
        gaps.append(((damped - gradient).norm() / gradient.norm()).item())
    assert gaps[1] <= 0.011 * gaps[0] + 1e-12  # first order in η; nothing at all where there is no curvature


def test_damped_step_is_the_posterior_s_mode_in_a_linear_model() -> None:
    field, batch = make(), signals()
    about = linearize(field, batch.coords)
    jacobian = about.jacobian[0, :, 0]  # (P, K)
    latent = infer_latent(field, MSE(), batch, step=5.0, origin="damped")
    slope = 2 / P * (about.values[0, :, 0] + latent @ jacobian.T - batch.values[..., 0]) @ jacobian + latent / 5.0
    assert slope.abs().max() < 1e-12


@pytest.mark.parametrize("origin", ["gradient", "damped", "sparse"])
@pytest.mark.parametrize("own", [False, True])
def test_derivatives_of_any_order(origin: str, own: bool) -> None:
    torch.manual_seed(0)
    field = Siren(1, 1, 2, width=3, layers=2, omega=2.0, omega_hidden=2.0).double()
    coords = torch.rand(2, 4, 1, dtype=torch.float64) if own else torch.rand(4, 1, dtype=torch.float64)
    names, weights = zip(*field.named_parameters(), strict=True)

    def outer(values: Tensor, *weights: Tensor) -> Tensor:
        batch = Batch(coords, values)

        class Bound(Siren):
            def forward(self, *inputs: Tensor | None) -> Tensor:
                return torch.func.functional_call(field, dict(zip(names, weights, strict=True)), inputs)

        bound = Bound(1, 1, 2, width=3, layers=2)
        latent = infer_latent(bound, MSE(), batch, step=0.5, origin=origin)  # type: ignore[arg-type]
        return MSE()(Prediction(bound(coords, latent), latent), batch).sum()

    values = torch.rand(2, 4, 1, dtype=torch.float64, requires_grad=True)
    inputs = (values, *(w.detach().clone().requires_grad_() for w in weights))
    assert torch.autograd.gradcheck(outer, inputs)
    assert torch.autograd.gradgradcheck(outer, inputs)


@pytest.mark.parametrize("origin", ["gradient", "damped", "sparse"])
@pytest.mark.parametrize(("own", "masked"), [(False, False), (False, True), (True, False)])
def test_a_latent_does_not_depend_on_its_batch_mates(origin: str, own: bool, masked: bool) -> None:
    gon = GON(make(), MSE(), step=4.0, origin=origin)  # type: ignore[arg-type]
    batch = signals(own=own, masked=masked)
    together = gon.encode(batch)
    alone = torch.cat([gon.encode(batch[i : i + 1]) for i in range(B)])
    torch.testing.assert_close(together, alone, atol=1e-13, rtol=0)
    order = torch.tensor([2, 0, 3, 1, 1])
    torch.testing.assert_close(gon.encode(batch[order]), together[order], atol=1e-13, rtol=0)
    torch.testing.assert_close(gon.encode(batch, chunk=3), together, atol=1e-13, rtol=0)


def line(points: int) -> Batch:
    """A smooth function at the centers of `points` cells of [-1, 1]."""
    c = ((torch.arange(points, dtype=torch.float64) + 0.5) / points * 2 - 1).unsqueeze(1)
    return Batch(c, torch.stack((torch.sin(3 * c), torch.exp(-c.square()))))


@pytest.mark.parametrize("origin", ["gradient", "damped"])
def test_encoding_at_double_resolution_moves_z_by_the_midpoint_rule_s_error(origin: str) -> None:
    torch.manual_seed(0)
    field = Siren(1, 1, K, width=12, layers=2, omega=3.0, omega_hidden=2.0).double()
    gon = GON(field, MSE(), step=4.0, origin=origin)  # type: ignore[arg-type]
    coarse, fine, finest = (gon.encode(line(points)) for points in (32, 64, 128))
    ratio = ((coarse - fine).norm() / (fine - finest).norm()).item()
    assert 3.8 < ratio < 4.2  # the midpoint rule is of second order
    assert (coarse - fine).norm() < 0.01 * fine.norm()


def test_encoding_a_random_half_moves_z_by_the_sampling_error() -> None:
    torch.manual_seed(0)
    field = Siren(1, 1, K, width=12, layers=2, omega=3.0, omega_hidden=2.0).double()
    batch, step, points = line(400), 4.0, 400
    whole = infer_latent(field, MSE(), batch, step=step).detach()
    about = linearize(field, batch.coords)
    share = -step * 2 * (about.values - batch.values) * about.jacobian[..., 0, :]  # (B, P, K): its mean is z
    error = share.std(1) / math.sqrt(points)  # of the mean of a half drawn without replacement
    draws = torch.stack(
        [
            infer_latent(field, MSE(), batch.at(torch.randperm(points)[: points // 2]), step=step).detach()
            for _ in range(200)
        ]
    )
    standard = (draws - whole) / error
    assert standard.mean(0).abs().max() < 0.3  # no bias: 4 standard errors of 200 draws
    assert 0.8 < standard.std() < 1.2


def test_masking_equals_leaving_out_whatever_the_hidden_points_hold() -> None:
    field, batch = make(), signals(masked=True)
    assert batch.mask is not None
    for origin in ("gradient", "damped"):
        found = infer_latent(field, Huber(0.3), batch, step=2.0, origin=origin)
        for b in range(B):
            left = batch[b : b + 1].at(batch.mask[b].nonzero()[:, 0])
            one = infer_latent(field, Huber(0.3), Batch(left.coords, left.values), step=2.0, origin=origin)
            torch.testing.assert_close(found[b : b + 1], one, atol=1e-12, rtol=0)
        spoilt = Batch(batch.coords, batch.values.where(batch.mask.unsqueeze(-1), torch.nan), batch.mask)
        again = infer_latent(field, Huber(0.3), spoilt, step=2.0, origin=origin)
        assert torch.equal(again, found)
        assert all(g.isfinite().all() for g in gradients(again.square().sum(), field))


@pytest.mark.parametrize("origin", ["gradient", "damped"])
@pytest.mark.parametrize("steps", [1, 2])
def test_without_gradients_the_same_latents_and_no_graph(origin: str, steps: int) -> None:
    field, batch = make(), signals()
    expected = infer_latent(field, MSE(), batch, step=2.0, steps=steps, origin=origin)  # type: ignore[arg-type]
    assert expected.requires_grad
    with torch.no_grad():
        about = linearize(field, batch.coords)
        found = infer_latent(field, MSE(), batch, step=2.0, steps=steps, origin=origin, about_zero=about)  # type: ignore[arg-type]
    assert not found.requires_grad
    assert not about.jacobian.requires_grad
    torch.testing.assert_close(found, expected.detach(), atol=1e-13, rtol=0)


@pytest.mark.parametrize("origin", ["gradient", "damped"])
def test_with_the_squared_error_z_is_affine_in_the_data(origin: str) -> None:
    field, batch = make(3), signals(3)

    def encode(values: Tensor) -> Tensor:
        return infer_latent(field, MSE(), Batch(batch.coords, values), step=2.0, origin=origin)  # type: ignore[arg-type]

    x, y = batch.values[:2], batch.values[2:]
    torch.testing.assert_close(encode(0.3 * x + 0.7 * y), 0.3 * encode(x) + 0.7 * encode(y), atol=1e-12, rtol=0)


def test_the_paper_s_procedure_transcribed() -> None:
    """Its code sums the squares over points and averages them over batch and channels, inside and outside."""
    channels = 3
    field, batch = make(channels, init="paper"), signals(channels)
    origin = torch.zeros(B, K, dtype=torch.float64, requires_grad=True)
    inner = ((literal_field(field, batch, origin) - batch.values) ** 2).sum(1).mean()
    (slope,) = torch.autograd.grad(inner, origin, create_graph=True, retain_graph=True)
    theirs = -slope
    their_loss = ((literal_field(field, batch, theirs) - batch.values) ** 2).sum(1).mean()

    gon = GON(field, MSE(), step=P / (B * channels))
    prediction = gon(batch)
    loss, _ = Objective(MSE(), {"mse": (1.0, MSE())})(prediction, batch)
    ours = loss * P / channels  # a mean over points and sum over channels, made a sum and a mean

    torch.testing.assert_close(prediction.latent, theirs, atol=1e-10, rtol=0)
    torch.testing.assert_close(ours, their_loss, atol=0, rtol=1e-10)
    for a, b in zip(gradients(their_loss, field), gradients(ours, field), strict=True):
        assert (a - b).norm() <= 1e-8 * a.norm()


def test_a_linear_field_s_latent_is_its_analytic_gradient() -> None:
    class Linear(Siren):
        """F(c, z) = z · (1, c, c², …)."""

        def forward(self, coords: Tensor, latent: Tensor, source: Tensor | None = None) -> Tensor:
            powers = coords[..., :1] ** torch.arange(K, dtype=coords.dtype)  # (…, P, K)
            return (powers * latent.unsqueeze(1)).sum(-1, keepdim=True) + 0 * self.value.bias

    field, batch = Linear(D, 1, K, width=2, layers=1).double(), signals()
    powers = batch.coords[:, :1] ** torch.arange(K, dtype=torch.float64)
    expected = 0.9 * 2 / P * batch.values[..., 0] @ powers
    torch.testing.assert_close(infer_latent(field, MSE(), batch, step=0.9).detach(), expected, atol=1e-12, rtol=0)


def test_damping_needs_a_pointwise_loss() -> None:
    class Whole(Loss):
        def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
            return (prediction.values.mean((1, 2)) - batch.values.mean((1, 2))).square()

    field, batch = make(), signals()
    assert infer_latent(field, Whole(), batch, step=1.0).isfinite().all()
    with pytest.raises(ValueError, match="pointwise inner loss, not Whole"):
        infer_latent(field, Whole(), batch, step=1.0, origin="damped")


@pytest.mark.parametrize("steps", [1, 2])
def test_the_sparse_step_solves_its_proximal_problem(steps: int) -> None:
    field, batch = make(), signals()
    before = torch.zeros(B, K, dtype=torch.float64)
    for _ in range(steps):
        step = before - 3.0 * gradient_at(field, batch, before)
        limit = 0.7 * step.square().mean(1, keepdim=True).sqrt()
        before = step.sign() * (step.abs() - limit).clamp_min(0)
    found = infer_latent(field, MSE(), batch, step=3.0, steps=steps, origin="sparse", threshold=0.7)
    torch.testing.assert_close(found, before, atol=1e-12, rtol=0)
    # ½|z − step|² + limit·|z|₁ is least there: no move along any latent makes it smaller
    least = 0.5 * (found - step).square() + limit * found.abs()
    for move in (-1e-3, 1e-3):
        moved = 0.5 * (found + move - step).square() + limit * (found + move).abs()
        assert (moved >= least - 1e-12).all()


def gradient_at(field: Siren, batch: Batch, latent: Tensor) -> Tensor:
    latent = latent.detach().requires_grad_()
    loss = literal_loss(MSE(), literal_field(field, batch, latent), batch).sum()
    return torch.autograd.grad(loss, latent)[0]


def test_only_the_sparse_origin_is_not_affine_in_the_data() -> None:
    field, a, b = make(), signals(), signals()
    b = Batch(b.coords, b.values.flip(1) * 3 - 1)
    middle = Batch(a.coords, 0.25 * a.values + 0.75 * b.values)
    for origin, affine in (("gradient", True), ("damped", True), ("sparse", False)):
        z = [infer_latent(field, MSE(), x, step=4.0, origin=origin).detach() for x in (a, middle, b)]  # type: ignore[arg-type]
        gap = (z[1] - (0.25 * z[0] + 0.75 * z[2])).abs().max().item()
        assert (gap < 1e-12) == affine


def test_shrinking_is_the_same_at_every_size() -> None:
    latent = torch.randn(3, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(shrink(1000 * latent, 0.5), 1000 * shrink(latent, 0.5))
    assert torch.equal(shrink(torch.zeros(2, 4), 0.5), torch.zeros(2, 4))
    share = (shrink(torch.randn(1, 100_000, generator=torch.Generator().manual_seed(1)), 0.5) == 0).float().mean()
    assert share == pytest.approx(math.erf(0.5 / math.sqrt(2)), abs=0.01)
