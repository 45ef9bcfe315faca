"""The device to compute on."""

from __future__ import annotations

import pytest
import torch

from gonkit.devices import select_device
from gonkit.errors import GonkitError


def test_a_device_is_selected_by_name() -> None:
    assert select_device("cpu") == torch.device("cpu")
    assert select_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "", "cpu:x"])
def test_a_device_that_is_not_here_is_named(name: str) -> None:
    with pytest.raises(GonkitError, match=f"train.device: {name!r} cannot be used here: "):
        select_device(name)
