"""Which points of a signal are observed."""

from __future__ import annotations

import pytest
import torch

from gonkit.data import ObservationMask, random_mask
from gonkit.errors import GonkitError


def test_random_shares_and_hidden_boxes_are_not_observed() -> None:
    mask = random_mask(50, 40, 0.25)
    assert (mask.sum(1) == 10).all()
    assert not (mask == mask[0]).all()
    assert 5 < mask.sum(0).float().mean() < 20
    positions = torch.stack(torch.meshgrid(*[torch.arange(10) / 10 + 0.05] * 2, indexing="ij"), -1).view(1, 100, 2)
    boxed = ObservationMask(hidden=[(0.0, 0.5), (0.2, 0.4)]).mask(positions)
    assert boxed is not None
    assert (~boxed).sum() == 5 * 2
    assert ObservationMask().mask(positions) is None
    with pytest.raises(GonkitError, match="1 parts to hide were given, and the signal has 2 axes"):
        ObservationMask(hidden=[(0.0, 0.5)]).mask(positions)


def test_a_share_and_a_box_hide_both() -> None:
    positions = (torch.arange(40) + 0.5).view(1, 40, 1) / 40
    share, box = ObservationMask(0.5).mask(positions, seed=4), ObservationMask(hidden=[(0.0, 0.3)]).mask(positions)
    both = ObservationMask(0.5, [(0.0, 0.3)]).mask(positions, seed=4)
    assert share is not None
    assert box is not None
    assert both is not None
    assert torch.equal(both, share & box)
