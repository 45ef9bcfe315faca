"""How similar surfaces, and values, are."""

from __future__ import annotations

import numpy
import pytest
import torch

from signals.shape import Distance, Mesh, Occupancy, Surface, extract_surface, surface_from_mesh, surface_metrics
from signals.shape.isosurface import ScalarField
from signals.shape.metrics import count_bodies
from signals.shape.synthetic import make_solid


def test_surfaces_are_compared_in_normalized_units() -> None:
    mesh = make_solid(0).mesh()
    surface = surface_from_mesh(mesh)
    same = surface_metrics([(surface, surface)])
    assert same["chamfer_l1"] < 1e-6
    assert same["f_score"] == 1
    assert same["normals"] == pytest.approx(1, abs=1e-3)
    assert same["empty"] == 0
    moved = surface_from_mesh(Mesh(numpy.add(mesh.vertices, (0, 0, 0.2)), mesh.faces, mesh.normalization))
    other = surface_metrics([(surface, moved)])
    assert 0.02 < other["chamfer_l1"] < 0.2
    assert other["f_score"] < 0.6
    nothing = extract_surface(lambda points: -1 - points[:, 0].abs(), 16)
    assert surface_metrics([(surface, surface), (nothing, surface)])["empty"] == 0.5
    assert surface_metrics([(nothing, surface)]) == {"empty": 1.0}


@pytest.mark.parametrize("signal", [Occupancy(), Distance()])
def test_intersection_over_union_counts_points_inside(signal: Occupancy | Distance) -> None:
    a, b = (torch.tensor(distance).view(1, 4, 1) for distance in ([-1.0, -1.0, 1.0, 1.0], [-1.0, 1.0, -1.0, 1.0]))
    iou = signal.measures.metrics()["iou"]
    values, other = signal.values_from_sdf(a), signal.values_from_sdf(b)
    assert iou(values, other).tolist() == pytest.approx([1 / 3])
    assert iou(values, values).tolist() == [1]


def test_point_clouds_lie_on_the_surface() -> None:
    surface = extract_surface(lambda points: 0.5 - points.norm(dim=1), 32)
    points = Occupancy().measures.point_cloud(surface, 500)
    assert points.shape == (500, 3)
    assert points.norm(dim=1).numpy() == pytest.approx(0.5, abs=0.01)
    nothing = extract_surface(lambda points: -1 - points[:, 0].abs(), 16)
    assert Occupancy().measures.point_cloud(nothing, 5).abs().max() == 0


def test_bodies_are_counted_and_cavities_are_not() -> None:
    def extract(field: ScalarField) -> Surface:
        return extract_surface(field, 32)

    centers = torch.tensor([[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0]])
    one = extract(lambda points: 0.4 - points.norm(dim=1))
    two = extract(lambda points: 0.3 - torch.cdist(points, centers).amin(1))
    hollow = extract(lambda points: 0.1 - (points.norm(dim=1) - 0.6).abs())
    none = extract(lambda points: -1 - points[:, 0].abs())
    assert [count_bodies(surface) for surface in (one, two, hollow, none)] == [1, 2, 1, 0]
    assert count_bodies(surface_from_mesh(make_solid(2).mesh())) == 1
    assert Occupancy().measures.sample_metrics([one, two, hollow, none]) == {"one_piece": 0.5}
