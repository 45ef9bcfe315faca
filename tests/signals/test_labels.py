"""The rule of labels, which all types share, belongs to folders."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from signals.audio import Audio
from signals.image import Image
from signals.shape import Occupancy


def test_a_rule_of_labels_without_a_folder_is_refused() -> None:
    for kind, data in ((Image, "digits"), (Image, "mnist"), (Image, "a.h5"), (Audio, "notes"), (Occupancy, "solids")):
        assert kind(data=data).label is None
        with pytest.raises(ValidationError, match=r"label.*: (says how a folder|belong to recordings)"):
            kind(data=data, label="folder:1")
    for kind in (Image, Audio, Occupancy):
        assert kind(data="folder", label="folder:1").label == "folder:1"
    assert Audio(data="yesno", label="{label}_{rest}").label is not None
