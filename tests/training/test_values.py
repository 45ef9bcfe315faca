"""Values as they come: neither a unit, nor an offset, nor another channel's size matters."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from gonkit.batch import Batch
from gonkit.data import Grid, InMemoryDataset, Signal, Split
from gonkit.losses import MSELoss
from gonkit.nn import GON, DampedStep, Siren
from gonkit.recipe import recipe_from_dict
from gonkit.training import fit


class Weather(Signal):
    """Temperature, and if wanted pressure, along a line."""

    value_range: ClassVar[tuple[float, float]] = (-60.0, 60.0)
    unit: float = 1.0
    """Degrees Celsius."""
    offset: float = 0.0
    pressure: bool = False

    @property
    def channels(self) -> int:
        return 2 if self.pressure else 1

    def grid(self, resolution: int | None = None) -> Grid:
        return Grid.centers(resolution or 24)

    def dataset(self, split: Split) -> InMemoryDataset:
        coords, generator = self.grid().coords, torch.Generator().manual_seed({"train": 0, "val": 1, "test": 2}[split])
        waves = torch.randn(60, 3, 1, generator=generator) * torch.tensor([15.0, 8.0, 4.0]).view(3, 1)
        shapes = torch.cat([torch.cos(k * coords) for k in (1, 2, 3)], 1)  # (P, 3)
        celsius = 10 + (shapes @ waves.squeeze(-1).T.unsqueeze(0)).squeeze(0).T.unsqueeze(-1)  # (N, P, 1)
        values = celsius / self.unit + self.offset
        if self.pressure:
            values = torch.cat((values, 1013 + 10 * torch.sin(coords) * waves[:, :1] / 15), -1)
        return InMemoryDataset(Batch(coords, values))


def errors(folder: Path, **settings: Any) -> Tensor:
    """(C,) root mean squared errors of held-out signals, temperature in degrees Celsius."""
    signal = Weather(**settings)
    recipe = recipe_from_dict(
        {
            "name": "weather",
            "signal": signal,
            "field": {"width": 24, "layers": 2, "omega": 3.0},
            "latent": {"dim": 4},
            "train": {"steps": 300, "batch": 30, "learning_rate": 5e-3, "validate_every": 300, "precision": "fp32"}
            | {"compile": False, "max_points": 0},
        }
    )
    train, test = signal.dataset("train").data, signal.dataset("test").data
    gon = fit(recipe, InMemoryDataset(train), signal.dataset("val"), folder, quiet=True).gon
    error = (gon.decode(gon.encode(test), test.coords) - test.values).square().mean((0, 1)).sqrt()
    return error * torch.tensor([signal.unit, 1.0][: signal.channels])


def test_kelvin_is_as_good_as_celsius_and_so_is_a_small_unit(tmp_path: Path) -> None:
    celsius = errors(tmp_path / "celsius")
    assert celsius.item() < 1.5  # of a deviation of 12
    for name, settings in {
        "kelvin": {"offset": 273.15},
        "far": {"offset": -1e5},
        "small": {"unit": 1e3},
        "both": {"unit": 1e-3, "offset": 273_150.0},
    }.items():
        assert errors(tmp_path / name, **settings).item() < 1.2 * celsius.item()  # rounding leads training elsewhere


def test_a_channel_of_another_size_does_not_drown_the_first(tmp_path: Path) -> None:
    temperature, pressure = errors(tmp_path, pressure=True).tolist()
    assert temperature < 3  # °C, of a deviation of 12
    assert pressure < 2  # hPa, of a deviation of 6


def test_network_units_are_per_channel_and_back() -> None:
    scale, mean = torch.tensor([0.5, 20.0]), torch.tensor([300.0, 1013.0])
    gon = GON(Siren(1, 2, 3, width=8, layers=1), MSELoss(), DampedStep(1.0), value_scale=scale, value_mean=mean)
    batch = Batch(torch.zeros(4, 1), mean + scale * torch.randn(5, 4, 2))
    units = gon.standardize(batch)
    assert units.values.abs().max() < 5
    torch.testing.assert_close(gon.to_signal_units(units.values), batch.values)
    assert GON(Siren(1, 2, 3), MSELoss(), DampedStep(1.0), value_scale=3.0).value_scale.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("masked", [False, True])
def test_a_channel_that_does_not_vary_is_only_shifted(tmp_path: Path, masked: bool) -> None:
    coords = torch.linspace(-1, 1, 12).unsqueeze(1)
    values = torch.cat(
        (torch.randn(30, 12, 1, generator=torch.Generator().manual_seed(0)), torch.full((30, 12, 1), 273.15)), 2
    )
    mask = torch.ones(30, 12, dtype=torch.bool)
    mask[:, 3] = not masked
    values[:, 3] = torch.nan if masked else values[:, 3]
    recipe = recipe_from_dict(
        {"name": "x", "signal": Weather(pressure=True), "field": {"width": 8, "layers": 1}, "latent": {"dim": 2}}
        | {"train": {"steps": 1, "batch": 4, "compile": False, "max_points": 0, "precision": "fp32"}}
    )
    dataset = InMemoryDataset(Batch(coords, values, mask))
    gon = fit(recipe, dataset, dataset, tmp_path, quiet=True).gon
    assert gon.value_scale[1] == 1
    assert gon.value_mean[1] == pytest.approx(273.15, abs=1e-3)
    observed = values[mask][:, 0]
    assert gon.value_scale[0].item() == pytest.approx(observed.std().item(), rel=1e-5)
