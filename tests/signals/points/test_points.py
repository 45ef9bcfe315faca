"""Values at points of a signal's own: files of every kind, bounds, points kept for evaluation, cells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy
import pytest
import torch

from gonkit.errors import GonkitError
from gonkit.recipe import parse_recipe, recipe_from_dict
from signals.points import Points, make_stations
from signals.points.dataset import interpolate_points

COUNTS = (5, 3, 9, 4, 7, 6)
RANDOM = numpy.random.default_rng(0)
ROWS = sum(COUNTS)
SIGNAL = numpy.repeat([f"day {n}" for n in range(len(COUNTS))], COUNTS)
COORDS = RANDOM.uniform([100, -5], [200, 5], (ROWS, 2))
VALUES = (COORDS[:, :1] / 10 + COORDS[:, 1:]).astype(numpy.float32)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., str]:
    """Writes the same signals as files of a kind, with rows in any order; returns the path."""

    def write(kind: str, values: Any = VALUES, order: Any = slice(None), **changes: Any) -> str:
        path = tmp_path / f"data{kind}"
        columns = {
            "signal": SIGNAL[order],
            "x": COORDS[order, 0],
            "y": COORDS[order, 1],
            "t": values[order, 0],
        } | changes
        if kind == "":
            path.mkdir()
            for name in numpy.unique(SIGNAL):
                rows = name == SIGNAL
                numpy.savez(path / f"{name}.npz", coords=COORDS[rows], values=values[rows])
        elif kind == ".h5":
            with h5py.File(path, "w") as file:
                file["coords"], file["values"] = COORDS[order], values[order]
                file["signal"] = [str(name) for name in SIGNAL[order]]
        else:
            pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
            from pyarrow import csv, parquet

            table = pyarrow.table(columns | changes)
            (csv.write_csv if kind == ".csv" else parquet.write_table)(table, path)
        return str(path)

    return write


def settings(kind: str) -> dict[str, Any]:
    return {"coords": ["x", "y"], "values": ["t"]} if kind in (".csv", ".parquet") else {}


@pytest.mark.parametrize("kind", ["", ".h5", ".parquet", ".csv"])
def test_files_of_every_kind_hold_the_same_signals(save: Callable[..., str], kind: str) -> None:
    order = slice(None) if kind == "" else RANDOM.permutation(ROWS)
    signal = Points(data=save(kind, order=order), bounds=[(100.0, 200.0), (-5.0, 5.0)], **settings(kind))
    seen = {}
    for split in ("train", "val", "test"):
        data = signal.dataset(split)  # type: ignore[arg-type]
        for number, name in enumerate(data.info.names_of(torch.arange(len(data)))):
            batch = data.batch(torch.tensor([number]))
            observed = batch.mask[0] if batch.mask is not None else torch.ones(batch.values.shape[1], dtype=torch.bool)
            seen[name.removesuffix(".npz")] = torch.cat((batch.coords[0], batch.values[0]), 1)[observed]
    assert sorted(seen) == sorted(set(SIGNAL))
    for name, rows in seen.items():
        expected = numpy.concatenate(
            ((COORDS[name == SIGNAL] - [150, 0]) / [50, 5], VALUES[name == SIGNAL].astype(float)), 1
        )
        sort = [array[numpy.argsort(array[:, 0])] for array in (rows.numpy(), expected)]
        numpy.testing.assert_allclose(*sort, atol=1e-5)


@pytest.mark.parametrize("kind", [".npz", ".h5", ".parquet", ".csv"])
def test_predictions_are_written_at_a_file_s_own_points(save: Callable[..., str], kind: str, tmp_path: Path) -> None:
    if kind == ".npz":
        source = Path(save("")) / "day 2.npz"
        signal, order = Points(data=str(source.parent)), numpy.flatnonzero(SIGNAL == "day 2")
    else:
        order = RANDOM.permutation(ROWS)
        source = Path(save(kind, order=order))
        signal = Points(data=str(source), **settings(kind))
    samples = signal.files.load_all(source)
    assert [len(s.values) for s in samples] == ([9] if kind == ".npz" else [COUNTS[int(s.name[-1])] for s in samples])
    written = signal.files.save_at_points([s.values + 1 for s in samples], source, tmp_path / "out")
    assert written.suffix == kind
    again = [(one.coords, one.values, one.name) for one in signal.files.load_all(written)]
    for sample, (coords, values, name) in zip(samples, again, strict=True):
        assert name == sample.name or kind == ".npz"
        assert coords is not None
        torch.testing.assert_close(coords, sample.coords)
        torch.testing.assert_close(values, sample.values + 1)
    if kind == ".csv":
        assert written.read_text().splitlines()[0] == source.read_text().splitlines()[0]


def test_missing_values_and_masks_are_not_observed(save: Callable[..., str], tmp_path: Path) -> None:
    spoilt = VALUES.copy()
    spoilt[[1, 7]] = numpy.nan
    data = Points(data=save(".h5", spoilt)).dataset("train")
    mask = data.data.mask
    assert mask is not None
    assert mask.sum() == sum(COUNTS[int(name[-1])] for name in data.info.names or ()) - sum(
        name in ("day 0", "day 1") for name in data.info.names or ()
    )
    one = tmp_path / "one.npz"
    numpy.savez(one, coords=COORDS[:4], values=VALUES[:4], mask=[True, False, True, True])
    (sample,) = Points(data=save("")).files.load_all(one)
    assert sample.mask is not None
    assert sample.mask.tolist() == [True, False, True, True]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"values": VALUES}, "no array 'coords' in it; there are values"),
        ({"coords": COORDS, "values": VALUES[:4]}, f"{ROWS} coords and 4 values"),
        ({"coords": COORDS[:, :1], "values": VALUES}, r"coords: wanted \(P, 2\)"),
        (
            {"coords": numpy.where(COORDS > 190, numpy.inf, COORDS), "values": VALUES},
            "points are not finite",
        ),
        ({"coords": COORDS, "values": VALUES * numpy.inf}, "are infinite; mark what is missing by NaN"),
        ({"coords": COORDS, "values": VALUES * numpy.nan}, "no value of one was observed"),
        ({"coords": COORDS, "values": VALUES, "mask": numpy.ones(3)}, "mask: wanted"),
        ({"coords": COORDS.astype(str), "values": VALUES}, "coords: wanted numbers"),
        ({"coords": COORDS + 1e3, "values": VALUES}, r"one: 34 of 34 points lie beyond signal.bounds"),
    ],
)
def test_files_that_are_wrong_are_named(
    save: Callable[..., str], tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    signal = Points(data=save(""))
    numpy.savez(tmp_path / "one.npz", **arrays)
    with pytest.raises(GonkitError, match=message) as caught:
        signal.files.load(tmp_path / "one.npz")
    assert "one" in str(caught.value)


def test_columns_must_be_named_and_exist(save: Callable[..., str]) -> None:
    path = save(".csv")
    with pytest.raises(
        ValueError, match=r'say which columns are what, as in signal.coords = \["x"\].*there are x, y, t'
    ):
        Points(data=path)
    with pytest.raises(ValueError, match=r"no column 'temp'"):
        Points(data=path, coords=["x", "y"], values=["temp"])
    with pytest.raises(ValueError, match=r"no column 'day'"):
        Points(data=path, coords=["x", "y"], values=["t"], signal="day")


def test_labels_come_from_a_column(save: Callable[..., str]) -> None:
    path = save(".csv", weather=numpy.where(SIGNAL < "day 3", "calm", "storm"))
    data = Points(data=path, coords=["x", "y"], values=["t"], label="weather").dataset("train")
    assert data.info.class_names == ("calm", "storm")
    assert data.info.labels is not None
    assert data.info.labels.tolist() == [int(name >= "day 3") for name in data.info.names or ()]


def test_some_points_are_kept_to_measure_predictions_and_never_seen(save: Callable[..., str]) -> None:
    signal = Points(data=save(""), kept=0.3)
    data = signal.dataset("train")
    known, wanted = data.pair(torch.arange(len(data)), evaluate=True)
    assert known.mask is not None
    assert wanted.mask is not None
    assert not (known.mask & wanted.mask).any()
    whole = data.data.mask if data.data.mask is not None else torch.ones_like(known.mask)
    assert torch.equal(known.mask | wanted.mask, whole)
    assert known.mask.any(1).all()
    assert wanted.mask.any(1).all()
    training = data.pair(torch.arange(len(data)))
    assert training.input is training.target
    predicted = data.baselines(torch.arange(len(data)))["interpolation"]
    assert predicted.shape == wanted.values.shape
    everything = Points(data=signal.data, kept=0.0).dataset("train")
    assert everything.pair(torch.arange(1), evaluate=True).input.values.shape == known.values[:1].shape
    assert not everything.baselines(torch.arange(1))


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_interpolation_is_exact_for_linear_functions_inside(dim: int) -> None:
    corners = 2.0 * numpy.array(numpy.meshgrid(*[[-1, 1]] * dim)).reshape(dim, -1).T
    coords = numpy.concatenate((RANDOM.uniform(-1, 1, (60, dim)), corners))
    slope = RANDOM.normal(size=(dim, 2))
    at = RANDOM.uniform(-1, 1, (20, dim))
    observed = numpy.ones((len(coords), 2), dtype=bool)
    observed[:5, 0] = False
    values = coords @ slope + 3
    values[:5, 0] = numpy.nan
    numpy.testing.assert_allclose(interpolate_points(coords, values, observed, at), at @ slope + 3, atol=1e-9)
    few = interpolate_points(coords[:1], values[:1], ~observed[:1], at)
    numpy.testing.assert_allclose(few[:, 0], values[0, 0], equal_nan=True)


def test_points_are_gathered_in_cells() -> None:
    signal = Points(cells=4)
    coords = torch.tensor([[-1.0, -1.0], [-0.9, -0.6], [0.9, -0.9], [0.1, 0.1]])
    cells = signal.to_cells(coords, torch.tensor([[1.0], [3.0], [5.0], [torch.nan]]))
    assert cells.shape == (4, 4, 1)
    assert cells[0, 0, 0] == 2
    assert cells[3, 0, 0] == 5
    assert numpy.isnan(cells).sum() == 14
    assert signal.preview(cells).size == signal.preview(numpy.zeros((4, 4, 1))).size


def test_what_was_found_in_the_data_stays_with_the_recipe(save: Callable[..., str]) -> None:
    path = save(".h5")
    recipe = recipe_from_dict({"name": "x", "signal": {"type": "signals.points:Points", "data": path}})
    Path(path).unlink()
    again = parse_recipe(recipe.toml()).signal
    assert again == recipe.signal
    assert isinstance(again, Points)
    assert 95 < again.bounds[0][0] < again.bounds[0][1] < 205
    with pytest.raises(GonkitError, match="no such file"):
        again.dataset("train")


def test_ranges_and_bounds_must_not_be_empty(save: Callable[..., str]) -> None:
    path = save("")
    for wrong in ({"bounds": [(1.0, 0.0), (0.0, 1.0)]}, {"value_range": (2.0, 2.0)}):
        with pytest.raises(ValueError, match="the lowest comes first"):
            Points(data=path, **wrong)
    with pytest.raises(ValueError, match="1 for 2 coordinates"):
        Points(data=path, bounds=[(0.0, 1.0)])


def test_the_embedded_stations_lie_within_their_bounds() -> None:
    days = make_stations()
    low, high = Points().value_range
    values = numpy.concatenate([day.values for day in days])
    assert low < numpy.nanmin(values) < numpy.nanmax(values) < high
    assert 0.01 < numpy.isnan(values).mean() < 0.05
    assert len({len(day.values) for day in days}) > 30
