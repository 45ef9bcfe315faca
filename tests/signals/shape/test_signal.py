"""The signal types for shapes: bad files, messages, and files of meshes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from gonkit.cli import main
from gonkit.errors import GonkitError
from signals.shape import Distance, Occupancy, extract_surface
from tests.signals.shape.conftest import wavy_ball, write_broken


def test_bad_meshes_are_named_and_skipped_on_request(folder: Path, tmp_path: Path) -> None:
    broken = write_broken(folder)

    def shapes(**more: bool) -> Occupancy:
        return Occupancy(data=str(folder), cache=str(tmp_path / "cache"), points=512, **more)

    with pytest.raises(GonkitError) as caught:
        shapes().dataset("train")
    message = str(caught.value)
    assert message.startswith("6 of 12 meshes cannot be used")
    for reasons, path in broken.items():
        line = next(line for line in message.splitlines() if path.name in line)
        assert any(reason in line for reason in reasons.split("|")), line
    datasets = [shapes(skip_bad=True).dataset(split) for split in ("train", "val", "test")]
    assert [len(dataset) for dataset in datasets] == [4, 1, 1]
    assert datasets[0].info.note == "6 of 12 meshes could not be used and were skipped"


def test_meshes_are_labeled_by_their_names_and_ignored_files_are_counted(folder: Path, tmp_path: Path) -> None:
    (folder / "ball.mtl").touch()
    for shared in (False, True):
        signal = Occupancy(
            data=str(folder), cache=str(tmp_path / "cache"), points=512, label="{label}_{take}", shared=shared
        )
        info = signal.dataset("train").info
        assert info.class_names == ("ball",)
        assert info.note == "not read: 1 .mtl"


def test_folders_without_meshes_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(GonkitError, match="no meshes in it"):
        Occupancy(data=str(tmp_path / "empty"), cache=str(tmp_path)).dataset("train")
    with pytest.raises(GonkitError, match=r"no such folder; signal.data must be"):
        Occupancy(data=str(tmp_path / "nowhere")).dataset("train")


def test_check_prints_a_row_for_every_mesh(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["file", "faces", "closed", "inside", "ambiguous", "verdict"]
    assert table[1].split() == ["ball_0.ply", "1,280", "yes", "38.1%", "0.00%", "good"]
    write_broken(folder)
    assert main(["check", str(folder), "--json"]) == 2
    output = capsys.readouterr()
    assert "5 of 12 files cannot be used" in output.err
    rows = json.loads(output.out)
    assert "nothing is inside it" in rows["bad_5.obj"]["verdict"]
    assert "no area" in rows["bad_3.obj"]["verdict"]


def test_a_field_without_a_surface_is_not_written(tmp_path: Path) -> None:
    surface = extract_surface(lambda points: torch.full((len(points),), -3.0), 16)
    with pytest.raises(GonkitError, match=r"a.glb: not written: the field never crosses its level"):
        Occupancy().files.save(surface, tmp_path / "a")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("signal", [Occupancy(cells=48), Distance(cells=48)])
def test_surfaces_of_grid_values_and_of_decoded_points_agree(signal: Occupancy | Distance) -> None:
    def decode(coords: torch.Tensor, rows: slice) -> torch.Tensor:
        distance = -wavy_ball(coords).view(1, -1, 1)
        return signal.values_from_sdf(distance) if isinstance(signal, Distance) else torch.sigmoid(-20 * distance)

    (decoded,) = signal.decode_objects(decode, 1)
    grid = signal.grid()
    (from_values,) = signal.to_objects(decode(grid.coords, slice(0, 1)))
    assert grid.shape == (49, 49, 49)
    assert decoded.faces.shape == from_values.faces.shape
    assert decoded.vertices == pytest.approx(from_values.vertices, abs=1e-4)
    assert decoded.mesh().is_watertight
