"""What is timed: networks of given sizes on random signals, and training steps computed in different ways."""

from __future__ import annotations

__all__ = ["CASES", "BenchConfig", "decode_run", "literal_latent", "step_run", "step_variants"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gonkit.batch import Batch, Prediction
from gonkit.bench.timing import Run
from gonkit.losses import MSELoss, Objective
from gonkit.nn import GON, GradientStep, Siren
from gonkit.training import prepare_compiler


@dataclass(frozen=True)
class BenchConfig:
    """Sizes of a benchmark.

    Attributes:
        batch: signals, B.
        points: of each signal, P.
        channels: C.
        dims: coordinate dimensions, D.
        latents: latent dimensions, K.
        width: units of a layer.
        layers: sine layers.
        own: whether each signal has points of its own.
    """

    batch: int = 64
    points: int = 784
    channels: int = 1
    dims: int = 2
    latents: int = 32
    width: int = 256
    layers: int = 4
    own: bool = False

    def build(self, device: torch.device) -> tuple[GON, Batch]:
        """A network and random signals at random coordinates."""
        torch.manual_seed(0)
        field = Siren(self.dims, self.channels, self.latents, width=self.width, layers=self.layers)
        step = GradientStep(self.points / (self.batch * self.channels))
        gon = GON(field, MSELoss(), step).to(device)
        coords = torch.rand(*([self.batch] if self.own else []), self.points, self.dims, device=device) * 2 - 1
        return gon, Batch(coords, torch.rand(self.batch, self.points, self.channels, device=device))


CASES: Mapping[str, BenchConfig] = {
    "28×28, C = 1": BenchConfig(),
    "32×32, C = 3": BenchConfig(points=1024, channels=3, latents=64),
    "2,000 in a row, C = 1": BenchConfig(points=2000, dims=1, latents=64),
    "2,048 own points, C = 1": BenchConfig(batch=16, points=2048, dims=3, latents=64, own=True),
}
"""What `gonkit bench table` times: signals of two, one and three coordinates, by their sizes."""


def literal_latent(gon: GON, batch: Batch, *, create_graph: bool = True) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """Eq. 1 as it is written: c ⊕ z is built for each of the B·P rows, and the gradient is taken through all of them.

    Bond-Taylor & Willcocks, Gradient Origin Networks, arXiv 2007.02798.

    Args:
        gon: with the squared error and the gradient step.
        batch: B signals, in network units.
        create_graph: whether the latent can be differentiated, as training needs.

    Returns:
        The field on joined rows, as a function from latents (B, K) to values (B, P, C), and the latents (B, K).
    """
    assert isinstance(gon.inner_step, GradientStep)
    field = gon.field
    coords = batch.coords.expand(len(batch), -1, -1)
    weight = torch.cat((field.coordinate.weight, field.latent.weight), 1)  # (width, D + K)

    def decode(latent: Tensor) -> Tensor:
        joined = torch.cat((coords, latent.unsqueeze(1).expand(-1, coords.shape[1], -1)), -1)  # (B, P, D + K)
        hidden = torch.sin(field.omega * torch.nn.functional.linear(joined, weight, field.latent.bias))
        for layer in field.hidden:
            hidden = torch.sin(field.omega_hidden * layer(hidden))
        values: Tensor = field.value(hidden)
        return values

    origin = torch.zeros(len(batch), field.latent_dim, device=coords.device, requires_grad=True)
    loss = (decode(origin) - batch.values).square().sum(-1).mean(1).sum()
    (gradient,) = torch.autograd.grad(loss, origin, create_graph=create_graph)
    return decode, -gon.inner_step.step_size * gradient


def step_variants(gon: GON, batch: Batch) -> dict[str, Run]:
    """A forward and a backward pass of a training step, by the name of each variant; see `gonkit.bench.bench_step`."""
    objective = Objective(MSELoss(), {"mse": (1.0, MSELoss())})
    prepare_compiler()
    torch.compiler.reset()  # compilations for other sizes count towards a limit
    compiled = torch.compile(gon.forward, dynamic=False)
    zero = torch.zeros(len(batch), gon.field.latent_dim, device=batch.values.device, requires_grad=True)

    def literal() -> None:
        decode, latent = literal_latent(gon, batch)
        (decode(latent) - batch.values).square().mean(1).sum(-1).mean().backward()

    def step(predict: Callable[..., Prediction], bf16: bool) -> Run:
        def run() -> None:
            with torch.autocast(batch.values.device.type, torch.bfloat16, enabled=bf16):
                prediction = predict(batch)
            objective(prediction, batch)[0].backward()

        return run

    def outer() -> None:
        (gon.field(batch.coords, zero) - batch.values).square().mean(1).sum(-1).mean().backward()

    return {
        "literal": literal,
        "shared": step(gon, False),
        "compiled": step(compiled, False),
        "compiled_bf16": step(compiled, True),
        "outer": outer,
    }


def step_run(config: BenchConfig, name: str, device: torch.device) -> Run:
    """One of the step variants, for `isolated_peak_mib`."""
    step = step_variants(*config.build(device))[name]
    if device.type == "cpu":  # libraries load what they need
        step_variants(*BenchConfig(batch=2, points=8, width=8).build(device))[name]()
    return step


def decode_run(config: BenchConfig, chunk: int | None, device: torch.device) -> Run:
    """Decodes one signal at `config.points` points, `chunk` at once, for `isolated_peak_mib`."""
    gon, _ = replace(config, batch=1, points=1).build(device)
    latent = torch.zeros(1, config.latents, device=device)
    gon.decode(latent, torch.zeros(8, config.dims, device=device))  # libraries load what they need
    coords = torch.rand(config.points, config.dims, device=device) * 2 - 1
    return lambda: gon.decode(latent, coords, chunk=chunk)
