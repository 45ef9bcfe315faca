"""Shapes as occupancy or signed distance, learned from meshes and decoded to meshes."""

from __future__ import annotations

from signals.shape.datasets import ShapeDataset, SharedPointShapeDataset
from signals.shape.files import ShapeFiles
from signals.shape.isosurface import Surface, extract_surface, surface_from_mesh
from signals.shape.losses import EikonalLoss, TruncatedL1Loss
from signals.shape.mesh import Mesh, MeshReport, Normalization, inspect_mesh, make_watertight, read_mesh
from signals.shape.metrics import ShapeMeasures, surface_metrics
from signals.shape.point_cache import PointCache
from signals.shape.preview import ShapeDisplay, render_preview
from signals.shape.signal import Distance, Occupancy, Shape

__all__ = [
    "Distance",
    "EikonalLoss",
    "Mesh",
    "MeshReport",
    "Normalization",
    "Occupancy",
    "PointCache",
    "Shape",
    "ShapeDataset",
    "ShapeDisplay",
    "ShapeFiles",
    "ShapeMeasures",
    "SharedPointShapeDataset",
    "Surface",
    "TruncatedL1Loss",
    "extract_surface",
    "inspect_mesh",
    "make_watertight",
    "read_mesh",
    "render_preview",
    "surface_from_mesh",
    "surface_metrics",
]
