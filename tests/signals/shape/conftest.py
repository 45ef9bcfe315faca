"""Meshes and fields for tests."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import trimesh
from torch import Tensor


def write_ball(
    path: Path, radius: float = 0.7, center: tuple[float, float, float] = (3.0, -2.0, 5.0), level: int = 3
) -> Path:
    """Writes a subdivided icosahedron."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mesh = trimesh.creation.icosphere(level, radius)
    mesh.apply_translation(center)
    mesh.export(path)
    return path


def write_broken(folder: Path) -> dict[str, Path]:
    """Writes files without a usable mesh; returns them by the words of the message that says why, separated by |."""
    folder.mkdir(parents=True, exist_ok=True)
    corner = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"
    texts = {
        "holds no faces": corner,
        "cannot be read as a mesh|name a vertex|holds no faces": corner + "f 1 2 9\n",
        "not finite|cannot be read": "v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n",
        "no area": "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n",
        "no faces|cannot be read": "this is a letter and no mesh\n",
        "nothing is inside it": corner + "f 1 2 3\n",
    }
    files = {}
    for number, (reason, text) in enumerate(texts.items()):
        files[reason] = folder / f"bad_{number}.obj"
        files[reason].write_text(text)
    return files


def wavy_ball(points: Tensor) -> Tensor:
    """A field that is above zero in a ball with waves on it."""
    return 0.6 + 0.05 * torch.sin(9 * points[:, 0]) * torch.cos(8 * points[:, 1]) - points.norm(dim=1)


@pytest.fixture(scope="module", autouse=True)
def _one_process() -> Iterator[None]:
    """Prepares points in the test's own process, however slow the machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("signals.shape.point_cache.SERIAL_SECONDS", math.inf)
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six balls of different sizes."""
    for number in range(6):
        write_ball(tmp_path / "meshes" / f"ball_{number}.ply", radius=1 + number)
    return tmp_path / "meshes"
