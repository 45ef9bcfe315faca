"""The network around the field: units, chunks, precision, and the paper's training step."""

from __future__ import annotations

import pytest
import torch

from gonkit.batch import Batch, Prediction
from gonkit.losses import BCEWithLogitsLoss, InputReconstructionLoss, MSELoss, Objective
from gonkit.nn import GON, DampedStep, GradientStep, InnerStep, Siren, SparseStep, StepNoise
from tests.conftest import waves
from tests.nn.literal import B, K, P, literal_field, make_field, make_signals, weight_gradients


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("chunk", [1, 5, 9, 10, 26, 1000])
def test_decoding_in_chunks_changes_nothing(own: bool, chunk: int) -> None:
    torch.manual_seed(0)
    gon = GON(Siren(2, 3, 4, 2, width=16, layers=2), MSELoss(), GradientStep(1.0), value_scale=0.3)
    coords = torch.rand(3, 9, 2) if own else torch.rand(9, 2)
    latent, source = torch.rand(3, 4), torch.rand(3, 9, 2)
    whole = gon.to_signal_units(gon.field(coords, latent, source))
    torch.testing.assert_close(gon.decode(latent, coords, source, chunk=chunk), whole)
    torch.testing.assert_close(gon.decode(latent, coords, source, chunk=chunk, network_units=True), whole / 0.3)


def test_signals_are_encoded_and_decoded_in_their_own_units() -> None:
    torch.manual_seed(0)
    field = Siren(2, 1, 4, width=16, layers=2)
    batch = Batch(torch.rand(9, 2), torch.rand(3, 9, 1) * 100)
    scaled = GON(field, MSELoss(), GradientStep(1.0), value_scale=25.0)
    plain = GON(field, MSELoss(), GradientStep(1.0))
    latent = scaled.encode(batch)
    torch.testing.assert_close(latent, plain.encode(Batch(batch.coords, batch.values / 25)))
    torch.testing.assert_close(scaled.decode(latent, batch.coords), 25 * plain.decode(latent, batch.coords))
    logits = GON(field, BCEWithLogitsLoss(), GradientStep(1.0))
    assert ((logits.decode(latent, batch.coords) > 0) & (logits.decode(latent, batch.coords) < 1)).all()


def test_fewer_target_points_change_only_what_is_predicted() -> None:
    torch.manual_seed(0)
    gon = GON(Siren(2, 1, 4, width=16, layers=2), MSELoss(), GradientStep(1.0))
    batch = Batch(torch.rand(9, 2), torch.rand(3, 9, 1))
    points = torch.tensor([5, 0, 3])
    all_points, few = gon(batch), gon(batch, batch.at_points(points))
    torch.testing.assert_close(few.latent, all_points.latent)
    torch.testing.assert_close(few.values, all_points.values[:, points])


def test_low_precision_leaves_the_shared_origin_alone() -> None:
    torch.manual_seed(0)
    gon = GON(Siren(2, 1, 4, width=16, layers=3), MSELoss(), GradientStep(1.0))
    batch = Batch(torch.rand(9, 2), torch.rand(3, 9, 1))
    exact = gon(batch)
    with torch.autocast("cpu", torch.bfloat16):
        rough = gon(batch)
    assert torch.equal(rough.latent, exact.latent)  # the same call, on the same shapes
    assert rough.values.dtype == torch.float32
    assert 0 < (rough.values - exact.values).abs().max() < 0.05


@pytest.mark.parametrize("inner_step", [GradientStep(4.0), DampedStep(4.0), SparseStep(4.0)], ids=str)
@pytest.mark.parametrize(("own", "masked"), [(False, False), (False, True), (True, False)])
def test_a_latent_does_not_depend_on_its_batch(
    inner_step: InnerStep, own: bool, masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    gon = GON(make_field(), MSELoss(), inner_step)
    batch = make_signals(own=own, masked=masked)
    together = gon.encode(batch)
    alone = torch.cat([gon.encode(batch[i : i + 1]) for i in range(B)])
    torch.testing.assert_close(together, alone, atol=1e-13, rtol=0)
    order = torch.tensor([2, 0, 3, 1, 1])
    torch.testing.assert_close(gon.encode(batch[order]), together[order], atol=1e-13, rtol=0)
    monkeypatch.setattr("gonkit.nn.gon.MAX_SHARED_SIGNALS", 3)
    monkeypatch.setattr("gonkit.nn.chunks.MAX_POINTS_CPU", 3 * P)
    torch.testing.assert_close(gon.encode(batch), together, atol=1e-13, rtol=0)


def smooth_functions(points: int) -> Batch:
    """Two smooth functions at the centers of `points` cells of [-1, 1]."""
    c = ((torch.arange(points, dtype=torch.float64) + 0.5) / points * 2 - 1).unsqueeze(1)
    return Batch(c, torch.stack((torch.sin(3 * c), torch.exp(-c.square()))))


@pytest.mark.parametrize("inner_step", [GradientStep(4.0), DampedStep(4.0)], ids=str)
def test_encoding_at_double_resolution_moves_z_by_the_error_of_the_midpoint_rule(inner_step: InnerStep) -> None:
    torch.manual_seed(0)
    field = Siren(1, 1, K, width=12, layers=2, omega=3.0, omega_hidden=2.0).double()
    gon = GON(field, MSELoss(), inner_step)
    coarse, fine, finest = (gon.encode(smooth_functions(points)) for points in (32, 64, 128))
    ratio = ((coarse - fine).norm() / (fine - finest).norm()).item()
    assert 3.8 < ratio < 4.2  # the midpoint rule is of second order
    assert (coarse - fine).norm() < 0.01 * fine.norm()


def test_the_paper_s_procedure_transcribed() -> None:
    """Its code sums the squares over points and averages them over batch and channels, inside and outside."""
    channels = 3
    field, batch = make_field(channels, init="paper"), make_signals(channels)
    origin = torch.zeros(B, K, dtype=torch.float64, requires_grad=True)
    inner = ((literal_field(field, batch, origin) - batch.values) ** 2).sum(1).mean()
    (slope,) = torch.autograd.grad(inner, origin, create_graph=True, retain_graph=True)
    theirs = -slope
    their_loss = ((literal_field(field, batch, theirs) - batch.values) ** 2).sum(1).mean()

    gon = GON(field, MSELoss(), GradientStep(P / (B * channels)))
    prediction = gon(batch)
    loss, _ = Objective(MSELoss(), {"mse": (1.0, MSELoss())})(prediction, batch)
    ours = loss * P / channels  # a mean over points and sum over channels, made a sum and a mean

    torch.testing.assert_close(prediction.latent, theirs, atol=1e-10, rtol=0)
    torch.testing.assert_close(ours, their_loss, atol=0, rtol=1e-10)
    for a, b in zip(weight_gradients(their_loss, field), weight_gradients(ours, field), strict=True):
        assert (a - b).norm() <= 1e-8 * a.norm()


def test_dropped_latents_are_at_the_origin() -> None:
    gon = GON(Siren(1, 1, 6, width=12, layers=2), MSELoss(), GradientStep(2.0))
    data = waves().data
    dropped = torch.arange(40).unsqueeze(1) % 3 == 0
    prediction = gon(data, noise=StepNoise(dropout_mask=dropped))
    assert ((prediction.latent == 0).all(1) == dropped[:, 0]).all()
    torch.testing.assert_close(prediction.values[0], gon.field(data.coords, torch.zeros(1, 6))[0])


def test_inputs_have_an_encoder_a_scale_and_a_loss_of_their_own() -> None:
    torch.manual_seed(0)
    encoder = Siren(2, 1, 6, width=12, layers=2)
    gon = GON(
        Siren(1, 1, 6, width=12, layers=2),
        MSELoss(),
        GradientStep(2.0),
        encoder=encoder,
        encoder_scale=0.5,
        value_scale=3.0,
    )
    inputs = Batch(torch.rand(9, 2), torch.rand(5, 9, 1))
    target = Batch(torch.rand(7, 1), torch.rand(5, 7, 1))
    scaled = gon.standardize(inputs, encoder=True)
    torch.testing.assert_close(scaled.values, inputs.values / 0.5)
    torch.testing.assert_close(gon.standardize(target).values, target.values / 3)
    prediction = gon(scaled, gon.standardize(target), predict_input=True)
    assert prediction.values.shape == (5, 7, 1)
    expected = MSELoss()(Prediction(encoder(inputs.coords, prediction.latent), prediction.latent), scaled)
    torch.testing.assert_close(InputReconstructionLoss(MSELoss())(prediction, target), expected)
    torch.testing.assert_close(gon.encode(inputs), prediction.latent.detach())
    torch.testing.assert_close(gon.inner_loss(gon.encode(inputs), inputs), expected.detach())
