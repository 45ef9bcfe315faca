"""How similar two surfaces are, and how similar two sets of values."""

from __future__ import annotations

__all__ = ["ShapeMeasures", "count_bodies", "surface_metrics"]

from collections.abc import Callable, Mapping, Sequence

import numpy
import torch
from torch import Tensor

from gonkit.data import Measures, Metric
from signals.shape.isosurface import Surface
from signals.shape.mesh import Array, sample_surface

NUM_POINTS = 30_000  # sampled on each surface
F_SCORE_DISTANCE = 0.02  # below which a point counts as reconstructed; 1 % of the side of [-1, 1]


class ShapeMeasures(Measures):
    """Intersection over union of values, and distances between surfaces.

    Args:
        signed_field: the signal type's `signed_field`: its values, above zero inside.
    """

    def __init__(self, signed_field: Callable[[Tensor], Tensor]) -> None:
        self.signed_field = signed_field

    def metrics(self) -> Mapping[str, Metric]:
        """`iou`, |A ∩ B| / |A ∪ B| of the points inside."""

        def iou(prediction: Tensor, values: Tensor) -> Tensor:
            a, b = (self.signed_field(t.flatten(1)) > 0 for t in (prediction, values))
            return (a & b).sum(1) / (a | b).sum(1).clamp_min(1)

        return {"iou": iou}

    def point_cloud(self, obj: Surface, count: int) -> Tensor:
        """Points distributed uniformly over the surface; all at the center where there is none."""
        if not len(obj.faces):
            return torch.zeros(count, 3)
        points, _ = sample_surface(obj.vertices, obj.faces, count, numpy.random.default_rng(0))
        return torch.from_numpy(points).float()

    def object_metrics(self, objects: Sequence[Surface], references: Sequence[Surface]) -> dict[str, float]:
        """Those of `surface_metrics`."""
        return surface_metrics(list(zip(objects, references, strict=True)))

    def sample_metrics(self, objects: Sequence[Surface]) -> dict[str, float]:
        """`one_piece`: share of the surfaces that enclose a single body."""
        return {"one_piece": float(numpy.mean([count_bodies(surface) == 1 for surface in objects]))}


def surface_metrics(pairs: Sequence[tuple[Surface, Surface]]) -> dict[str, float]:
    """Means over pairs of a reconstruction and its original, in normalized units: [-1, 1] has a side of 2.

    Points sampled on each surface are compared with the other surface itself, not with points on it, so that equal
    surfaces have distance 0.

    Returns:
        `chamfer_l1`: mean distance to the other surface, averaged over both directions.
        `chamfer_l2`: the same of squared distances.
        `f_score`: harmonic mean of the shares of points within 0.02 of the other surface, in both directions.
        `normals`: mean |cosine| between the normal at a point and that of the nearest face of the other surface.
        `empty`: share of reconstructions without a surface, which the other metrics leave out.
    """
    metrics = [_compare(surface, original) for surface, original in pairs if len(surface.faces)]
    empty = 1 - len(metrics) / max(len(pairs), 1)
    if not metrics:
        return {"empty": empty}
    return {name: float(numpy.mean([one[name] for one in metrics])) for name in metrics[0]} | {"empty": empty}


def count_bodies(surface: Surface) -> int:
    """Number of bodies that a closed surface encloses; a cavity is a part of the body around it.

    Connected components of the mesh whose volume, Σ a·(b × c)/6 over their faces, is positive: normals point outward
    from a body, and into a cavity.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(surface.faces):
        return 0
    size = len(surface.vertices)
    a, b, c = surface.faces.T
    edges = coo_array((numpy.ones(2 * len(a)), (numpy.concatenate([a, b]), numpy.concatenate([b, c]))), (size, size))
    _, component = connected_components(edges, directed=False)
    p, q, r = (surface.vertices[corner] for corner in (a, b, c))
    volume = numpy.bincount(component[a], (p * numpy.cross(q, r)).sum(1))
    return int((volume > 0).sum())


def _compare(surface: Surface, original: Surface) -> dict[str, float]:
    generator = numpy.random.default_rng(0)
    forward, forward_cosine = _distances_to(surface, original, generator)
    backward, backward_cosine = _distances_to(original, surface, generator)
    precision, recall = (float((squared <= F_SCORE_DISTANCE**2).mean()) for squared in (forward, backward))
    return {
        "chamfer_l1": float(numpy.sqrt(forward).mean() + numpy.sqrt(backward).mean()) / 2,
        "chamfer_l2": float(forward.mean() + backward.mean()) / 2,
        "f_score": 2 * precision * recall / max(precision + recall, 1e-12),
        "normals": (forward_cosine + backward_cosine) / 2,
    }


def _distances_to(a: Surface, b: Surface, generator: numpy.random.Generator) -> tuple[Array, float]:
    """Squared distances (NUM_POINTS,) of points on `a` to `b`, and the mean |cosine| of the normals."""
    import igl

    points, normals = sample_surface(a.vertices, a.faces, NUM_POINTS, generator)
    squared, face, _ = igl.point_mesh_squared_distance(points, b.vertices, b.faces)
    corners = b.vertices[b.faces[face]]
    nearest = numpy.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = numpy.linalg.norm(nearest, axis=1).clip(1e-300)
    return squared, float(numpy.abs((normals * nearest).sum(1) / length).mean())
