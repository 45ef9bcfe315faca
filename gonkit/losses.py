"""Losses with one signature, (prediction, batch) → one value per signal, and their weighted sum."""

from __future__ import annotations

__all__ = [
    "BCE",
    "KL",
    "L1",
    "MSE",
    "STFT",
    "Again",
    "CrossEntropy",
    "Huber",
    "Loss",
    "Objective",
    "Pointwise",
    "Spectral",
    "log_floored",
    "loss_named",
]

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from gonkit.metrics import magnitudes
from gonkit.names import import_named, nearest
from gonkit.signal import Batch, Prediction, SignalError


class Loss(ABC):
    """A number per signal, (B,), from a `Prediction` and the `Batch` it is held against.

    Attributes:
        reads: what it needs of a prediction: the field's values, the logits of a label head, the latent, the
            posterior of a variational model, or what is predicted of the observed signal itself.
        logits: whether it reads the field's values as logits of values in [0, 1].
        consecutive: whether the points must be consecutive ones of a one-dimensional grid, in order.
        slopes: what it differentiates values by, if anything: the latent, or coords, which are then (B, P, D) and need
            a gradient. A compiled field cannot be.
        couples: whether a signal's loss depends on the others of its batch.
    """

    reads: ClassVar[Literal["values", "label", "latent", "posterior", "observed"]] = "values"
    logits: ClassVar[bool] = False
    consecutive: ClassVar[bool] = False
    slopes: ClassVar[Literal["coords", "latent"] | None] = None
    couples: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        """(B,)."""


class Pointwise(Loss):
    """An integral over the points: the mean over the observed ones of the sum over channels.

    The mean makes the loss, and so the latent, independent of how many points were drawn.
    """

    @abstractmethod
    def density(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The integrand, (B, P, C), of two tensors that broadcast to that shape."""

    @abstractmethod
    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        """∂²density/∂prediction² ≥ 0, broadcastable to (B, P, C); of B = 1 where no target enters."""

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        target = batch.values
        if batch.mask is not None:  # an unobserved point may hold anything, NaN too
            target = target.where(batch.mask.unsqueeze(-1), 0.0)
        return (self.density(prediction.values, target) * batch.weights).sum((1, 2))


class MSE(Pointwise):
    """(F − x)², the paper's choice for both losses; makes the latent affine in the data."""

    def density(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).square()

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.new_full((1, 1, 1), 2.0)


class L1(Pointwise):
    """|F − x|. Without curvature: a damped origin step equals the gradient step."""

    def density(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).abs()

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.new_zeros((1, 1, 1))


@dataclass(frozen=True)
class Huber(Pointwise):
    """Half the square up to `delta` (network units), then straight: Huber (1964)."""

    delta: float = 1.0

    def density(self, prediction: Tensor, target: Tensor) -> Tensor:
        prediction, target = torch.broadcast_tensors(prediction, target)
        return functional.huber_loss(prediction, target, reduction="none", delta=self.delta)

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        return ((prediction - target).abs() < self.delta).to(prediction.dtype)


class BCE(Pointwise):
    """−x log σ(F) − (1−x) log(1−σ(F)), in nats: the field gives logits of values in [0, 1]."""

    logits: ClassVar[bool] = True

    def density(self, prediction: Tensor, target: Tensor) -> Tensor:
        return functional.softplus(prediction) - target * prediction

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        chance = torch.sigmoid(prediction)
        return chance * (1 - chance)


class CrossEntropy(Loss):
    """−log softmax(f(z))_y, in nats: Eq. 2, the loss of a GON that classifies by one linear layer f on its latent."""

    reads: ClassVar[Literal["label"]] = "label"

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        if prediction.logits is None or batch.label is None:
            raise ValueError("cross_entropy needs a label head and labels")
        return functional.cross_entropy(prediction.logits, batch.label, reduction="none")


class KL(Loss):
    """½ Σ_k (μ² + σ² − 1 − log σ²), in nats: of the latent's posterior from the unit normal.

    Kingma & Welling, Auto-Encoding Variational Bayes, arXiv 1312.6114, appendix B.
    """

    reads: ClassVar[Literal["posterior"]] = "posterior"

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        if prediction.posterior is None:
            raise ValueError("kl needs a variational model")
        mean, log_variance = prediction.posterior
        return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


@dataclass(frozen=True)
class Again(Loss):
    """The inner loss at the latent: how well the observed signal itself is predicted, where the target is another."""

    inner: Loss
    reads: ClassVar[Literal["observed"]] = "observed"

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        if prediction.observed is None:
            raise ValueError("source needs a prediction of the observed signal")
        values, observed = prediction.observed
        return self.inner(Prediction(values, prediction.latent), observed)


TINY = 1e-12  # keeps the slope of a root finite


class Spectral(Loss):
    """Of short-time spectra along a one-dimensional grid; unobserved points count as zero in both."""

    consecutive: ClassVar[bool] = True

    def pair(self, prediction: Prediction, batch: Batch) -> tuple[Tensor, Tensor]:
        """Prediction and values, (B, C, P) each."""
        x, y = prediction.values, batch.values
        if batch.mask is not None:
            x, y = (t.where(batch.mask.unsqueeze(-1), 0.0) for t in (x, y))
        return x.mT, y.mT


@dataclass(frozen=True)
class STFT(Spectral):
    """Spectral convergence plus mean absolute difference of log magnitudes, mean over window sizes and channels.

    Yamamoto, Song & Kim, Parallel WaveGAN (2020), equations 4–6.

    Attributes:
        sizes: of the windows, in points.
        floor: magnitude below which spectra count as equal, where white noise of deviation 1 has 1.
    """

    sizes: tuple[int, ...] = (64, 256, 1024)
    floor: float = 0.01

    def __call__(self, prediction: Prediction, batch: Batch) -> Tensor:
        x, y = self.pair(prediction, batch)
        parts = []
        for size in self.sizes:
            a, b = magnitudes(x, size), magnitudes(y, size)  # (B, C, frequencies, frames)
            apart, whole = (t.square().sum((-1, -2)) for t in (a - b, b))
            convergence = (apart / (whole + self.floor**2) + TINY).sqrt()
            logs = (log_floored(a, self.floor) - log_floored(b, self.floor)).abs().mean((-1, -2))
            parts.append((convergence + logs).mean(1))
        return torch.stack(parts).mean(0)


def log_floored(values: Tensor, floor: float) -> Tensor:
    """Log max(values, floor)."""
    return values.clamp_min(floor).log()


LOSSES: Mapping[str, type[Loss]] = {
    "mse": MSE,
    "l1": L1,
    "huber": Huber,
    "bce": BCE,
    "stft": STFT,
    "cross_entropy": CrossEntropy,
    "kl": KL,
}


def loss_named(name: str, own: Mapping[str, Loss] | None = None) -> Loss:
    """The loss that a recipe means by `name`.

    Args:
        name: one of gonkit's, or one of `own`, or `module:Class`, or `file.py:Class`.
        own: a signal type's losses.

    Raises:
        SignalError: no such loss.

    Example:
        >>> loss_named("huber")
        Huber(delta=1.0)
    """
    from gonkit.regularizers import REGULARIZERS  # they are losses themselves

    own = own or {}
    if ":" in name:
        return import_named(name, Loss)()
    if name in own:
        return own[name]
    losses: Mapping[str, type[Loss]] = {**LOSSES, **REGULARIZERS}
    if name not in losses:
        known = [*losses, *own]
        raise SignalError(f"no loss is called {name!r}{nearest(name, known)}; there are {', '.join(known)}")
    return losses[name]()


@dataclass(frozen=True)
class Objective:
    """The inner loss, which makes latents, and the weighted outer terms, which train the network.

    Attributes:
        inner: reads `prediction.values` only.
        outer: name → (weight, loss).
        anneal: name → steps over which an outer term's weight rises from 0.
        one_field: whether latents are inferred through the field that is decoded.

    Raises:
        ValueError: no outer loss, an inner one that does not read values, losses that read one field's values
            differently, or a term to anneal that is not there.
    """

    inner: Loss
    outer: Mapping[str, tuple[float, Loss]]
    anneal: Mapping[str, int] = field(default_factory=dict)
    one_field: bool = True

    def __post_init__(self) -> None:
        if not self.outer:
            raise ValueError("there is no outer loss: nothing would be learned")
        if self.inner.reads != "values":
            raise ValueError("the inner loss must read the field's values: it is what latents are inferred from")
        if unknown := sorted(self.anneal.keys() - self.outer.keys()):
            raise ValueError(f"anneal names {unknown[0]!r}, which is no outer term{nearest(unknown[0], self.outer)}")
        decoded = [loss for _, loss in self.outer.values() if loss.reads == "values"]
        if len({loss.logits for loss in [*decoded, *([self.inner] if self.one_field else [])]}) > 1:
            raise ValueError(
                "inner and outer losses must read the field alike: bce reads logits, the others values; use bce for "
                "all or for none"
            )

    @staticmethod
    def named(
        inner: str,
        outer: Mapping[str, float],
        own: Mapping[str, Loss] | None = None,
        *,
        own_inner: Mapping[str, Loss] | None = None,
        anneal: Mapping[str, int] | None = None,
        one_field: bool = True,
    ) -> Objective:
        """From a recipe's names and weights, and a signal type's own losses.

        Args:
            inner: name of the inner loss.
            outer: names and weights of the outer terms; "source" is `Again` of the inner loss.
            own: a signal type's losses.
            own_inner: those of the type that latents are inferred from; None for the same.
            anneal: steps over which weights rise, by name.
            one_field: whether latents are inferred through the field that is decoded.
        """
        first = loss_named(inner, own if own_inner is None else own_inner)
        terms = {
            name: (weight, Again(first) if name == "source" else loss_named(name, own))
            for name, weight in outer.items()
        }
        return Objective(first, terms, anneal or {}, one_field)

    def reads(self, what: str) -> bool:
        """Whether an outer term reads this of a prediction; see `Loss.reads`."""
        return any(loss.reads == what for _, loss in self.outer.values())

    @property
    def logits(self) -> bool:
        """Whether the decoded field's output is logits of values in [0, 1]."""
        decoded = [loss.logits for _, loss in self.outer.values() if loss.reads == "values"]
        return decoded[0] if decoded else self.inner.logits

    @property
    def consecutive(self) -> bool:
        """Whether an outer term needs consecutive points."""
        return any(loss.consecutive for _, loss in self.outer.values())

    @property
    def slopes(self) -> frozenset[str]:
        """What outer terms differentiate values by: "coords", "latent"."""
        return frozenset(loss.slopes for _, loss in self.outer.values() if loss.slopes)

    def __call__(
        self, prediction: Prediction, batch: Batch, step: int | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The batch's mean of the weighted sum at a step (None: the last), and of each term unweighted; all scalars."""
        terms = {name: loss(prediction, batch).mean() for name, (_, loss) in self.outer.items()}
        weights = {name: weight * self._risen(name, step) for name, (weight, _) in self.outer.items()}
        total = torch.stack([weights[name] * terms[name] for name in terms]).sum()
        return total, terms

    def _risen(self, name: str, step: int | None) -> float:
        return 1.0 if step is None or name not in self.anneal else min(1.0, step / self.anneal[name])
