"""The records that travel between the parts."""

from __future__ import annotations

import pytest
import torch

from gonkit.batch import Batch, Sample
from gonkit.errors import GonkitError


def full_batch(own: bool) -> Batch:
    """A batch with every tensor, of 4 signals on 5 points."""
    torch.manual_seed(0)
    coords = torch.rand(4, 5, 3) if own else torch.rand(5, 3)
    mask = torch.rand(4, 5) > 0.5
    return Batch(coords, torch.rand(4, 5, 2), mask, torch.rand(4, 5, 1), torch.arange(4))


def test_shapes_that_do_not_fit_are_named() -> None:
    values = torch.zeros(4, 9, 1)
    for wrong in (
        {"coords": torch.zeros(8, 2)},
        {"coords": torch.zeros(3, 9, 2)},
        {"values": torch.zeros(4, 9)},
        {"mask": torch.ones(4, 9)},
        {"mask": torch.ones(4, 8, dtype=torch.bool)},
        {"mask": torch.ones(4, 9, 2, dtype=torch.bool)},
        {"source": torch.zeros(4, 8, 1)},
        {"label": torch.zeros(3, dtype=torch.int64)},
    ):
        with pytest.raises(GonkitError, match=r"must be .* got"):
            Batch(**({"coords": torch.zeros(9, 2), "values": values} | wrong))


def test_weights_are_shares_of_the_observed_points() -> None:
    mask = torch.tensor([[True, True, False, False], [True, True, True, True], [False, False, False, False]])
    batch = Batch(torch.zeros(4, 2), torch.zeros(3, 4, 1), mask)
    assert batch.point_weights.squeeze(-1).tolist() == [[0.5, 0.5, 0, 0], [0.25] * 4, [0] * 4]
    assert Batch(torch.zeros(4, 2), torch.zeros(3, 4, 1)).point_weights.squeeze(-1).tolist() == [[0.25] * 4]


def test_channels_may_be_observed_at_points_of_their_own() -> None:
    mask = torch.tensor([[[True, False], [True, True], [False, True]], [[True, False]] * 3])
    values = torch.arange(12.0).view(2, 3, 2).where(mask, torch.nan)
    batch = Batch(torch.zeros(3, 2), values, mask)
    torch.testing.assert_close(batch.point_weights.sum(1), torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
    assert batch.observed_values.isfinite().all()
    assert batch.num_observed.tolist() == [2.0, 1.5]
    assert batch.at_points(torch.tensor([2])).point_weights.tolist() == [[[0.0, 1.0]], [[1.0, 0.0]]]
    fewer = batch.with_mask(torch.tensor([[True, False, True], [False, True, True]])).mask
    assert fewer is not None
    assert fewer.tolist() == [[[True, False], [False, False], [False, True]], [[False, False]] + [[True, False]] * 2]


@pytest.mark.parametrize("per_channel", [False, True])
def test_samples_of_different_lengths_are_filled_up_with_unobserved_points(per_channel: bool) -> None:
    torch.manual_seed(0)
    mask = torch.tensor([True, False, True])
    samples = [
        Sample(torch.rand(3, 2), torch.rand(3, 1), mask.unsqueeze(1).expand(3, 2) if per_channel else mask),
        Sample(torch.rand(5, 2), torch.rand(5, 1)),
    ]
    batch = Batch.stack(samples, torch.rand(9, 1))
    assert batch.values.shape == (2, 5, 2)
    assert batch.coords.shape == (2, 5, 1)
    assert torch.equal(batch.values[0, :3], samples[0].values)
    assert torch.equal(batch.values[1], samples[1].values)
    assert batch.observed is not None
    assert batch.observed.expand(2, 5, 2)[..., 0].tolist() == [[True, False, True, False, False], [True] * 5]
    assert (batch.mask is not None and batch.mask.ndim) == (3 if per_channel else 2)


def test_samples_of_another_size_than_their_points_are_named() -> None:
    with pytest.raises(GonkitError, match="late: 4 values at 5 points"):
        Batch.stack([Sample(torch.rand(5, 1)), Sample(torch.rand(4, 1), name="late")], torch.rand(5, 2))
    with pytest.raises(GonkitError, match="0 values at 0 points"):
        Batch.stack([Sample(torch.rand(0, 1), torch.rand(0, 2))], torch.rand(5, 2))


@pytest.mark.parametrize("own", [False, True])
def test_samples_are_stacked_on_their_own_points_or_on_the_grid(own: bool) -> None:
    torch.manual_seed(0)
    samples = [Sample(torch.rand(5, 2), torch.rand(5, 3) if own else None) for _ in range(4)]
    grid = torch.rand(5, 3)
    batch = Batch.stack(samples, grid)
    assert batch.shares_coords is not own
    assert torch.equal(batch.coords, torch.stack([s.coords for s in samples if s.coords is not None]) if own else grid)
    assert torch.equal(batch.values, torch.stack([sample.values for sample in samples]))


@pytest.mark.parametrize("own", [False, True])
def test_a_part_of_the_signals_and_points_keeps_everything(own: bool) -> None:
    batch = full_batch(own)
    points = torch.tensor([4, 1])
    part = batch[torch.tensor([2])].at_points(points)
    assert len(part) == 1
    assert part.shares_coords is not own
    assert torch.equal(part.coords, batch.coords[2:3, points] if own else batch.coords[points])
    for name in ("values", "mask", "source"):
        assert torch.equal(getattr(part, name)[0], getattr(batch, name)[2, points])
    assert part.label is not None
    assert part.label.tolist() == [2]
    assert batch.at_points(None) is batch


def test_masks_are_joined() -> None:
    batch = full_batch(own=False)
    assert batch.with_mask(None) is batch
    mask = torch.rand(4, 5) > 0.5
    joined, alone = batch.with_mask(mask).mask, Batch(batch.coords, batch.values).with_mask(mask).mask
    assert joined is not None
    assert batch.mask is not None
    assert torch.equal(joined, mask & batch.mask)
    assert alone is mask


@pytest.mark.parametrize("own", [False, True])
def test_coords_of_every_signal_can_require_a_gradient(own: bool) -> None:
    batch = full_batch(own)
    again = batch.with_coord_grad()
    assert again.coords.shape == (4, 5, 3)
    assert again.coords.requires_grad
    assert again.coords.is_leaf
    assert not batch.coords.requires_grad
    assert torch.equal(again.coords.detach(), batch.coords.expand(4, 5, 3))


def test_only_floating_point_tensors_change_their_type() -> None:
    batch = full_batch(own=True).to("cpu", torch.float64)
    assert batch.mask is not None
    assert batch.source is not None
    assert batch.label is not None
    assert {t.dtype for t in (batch.coords, batch.values, batch.source)} == {torch.float64}
    assert (batch.mask.dtype, batch.label.dtype) == (torch.bool, torch.int64)
