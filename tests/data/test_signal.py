"""What a signal type is without more than its three members."""

from __future__ import annotations

import base64
import io

import numpy
import pytest
import torch
from PIL import Image as pillow

from gonkit.batch import Batch
from gonkit.data import Display, Signal, Task
from gonkit.errors import GonkitError
from gonkit.losses import MSELoss, Objective
from tests.data.fields import Field


def test_three_members_are_enough_and_needed() -> None:
    assert Signal.__abstractmethods__ == {"channels", "grid", "dataset"}
    assert Task.__abstractmethods__ == {"input_type", "output_type", "dataset"}
    signal = Field()
    assert signal.input_type is signal.output_type is signal
    assert (signal.conditioning_channels, signal.has_separate_encoder) == (0, False)
    with pytest.raises(GonkitError, match="Field is not conditioned on another signal"):
        signal.conditioning(signal.dataset("test").data, signal.grid().coords)


def test_default_losses_are_squared_errors() -> None:
    losses = Field().default_losses
    objective = Objective.from_names(losses.inner, losses.outer, losses.own)
    assert isinstance(objective.inner, MSELoss)
    assert [(name, weight) for name, (weight, _) in objective.outer.items()] == [("mse", 1.0)]


def test_objects_are_the_values_on_the_grid() -> None:
    signal = Field(channel_count=2)
    values = torch.rand(3, 48, 2, generator=torch.Generator().manual_seed(0))
    objects = signal.to_objects(values)
    assert [obj.shape for obj in objects] == [(6, 8, 2)] * 3
    assert numpy.array_equal(objects[1], values[1].view(6, 8, 2).numpy())
    assert signal.place(objects[0], None) is objects[0]


def test_objects_of_another_resolution_are_decoded_on_its_grid() -> None:
    signal = Field()

    def decode(coords: torch.Tensor, rows: slice) -> torch.Tensor:
        latent = torch.tensor([1.0, 2.0])[rows]
        return (latent.view(-1, 1, 1) * coords[:, :1]).contiguous()

    objects = signal.decode_objects(decode, 2, 12)
    assert [obj.shape for obj in objects] == [(12, 16, 1)] * 2
    expected = signal.grid(12).coords[:, 0].view(12, 16, 1).numpy()
    assert numpy.array_equal(objects[0], expected)
    assert numpy.array_equal(objects[1], 2 * expected)


@pytest.mark.parametrize(("shape", "size"), [([24], (24, 8)), ([6, 8], (8, 6)), ([4, 6, 8], (8, 6))])
def test_every_object_has_a_preview_over_the_value_range(shape: list[int], size: tuple[int, int]) -> None:
    signal = Field(shape=shape)
    low, high = signal.value_range
    pictures = [signal.preview(numpy.full((*shape, 1), value)) for value in (low, 2 * low, high, 2 * high)]
    assert {picture.size for picture in pictures} == {size}
    colors = [picture.getpixel((0, 0)) for picture in pictures]
    assert colors[0] == colors[1] == (68, 1, 84)  # the ends of viridis
    assert colors[2] == colors[3] == (253, 231, 36)


def test_only_batches_with_every_point_of_the_grid_are_on_it() -> None:
    signal = Field()
    batch = signal.dataset("test").data
    assert signal.on_grid(batch)
    assert signal.on_grid(batch.to(dtype=torch.float64))
    assert not signal.on_grid(batch.at_points(torch.arange(47)))
    assert not signal.on_grid(batch.at_points(torch.arange(48).flip(0)))
    assert signal.on_grid(batch.with_mask(torch.zeros(len(batch), 48, dtype=torch.bool)))
    assert not signal.on_grid(Batch(batch.coords.expand(len(batch), -1, -1), batch.values))


def test_an_object_is_shown_by_its_preview_which_links_to_its_file() -> None:
    picture = pillow.new("RGB", (3, 2), (10, 20, 30))
    html = Display().html('samples/"1" & 2.npy', picture)
    assert html.startswith('<a href="samples/&quot;1&quot; &amp; 2.npy"><img src="data:image/png;base64,')
    assert 'alt="&quot;1&quot; &amp; 2.npy"' in html
    data = base64.b64decode(html.split("base64,")[1].split('"')[0])
    assert pillow.open(io.BytesIO(data)).tobytes() == picture.tobytes()


def test_default_measures_are_none() -> None:
    measures = Field().measures
    values = torch.rand(2, 6, 8, 1)
    assert measures.metrics() == measures.object_metrics([1], [1]) == {}
    assert measures.classifier_features(values) is values
    assert measures.point_cloud(values[0], 10) is None
    assert measures.sample_metrics([1]) == {}
