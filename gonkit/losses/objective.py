"""Losses by name, and the objective: an inner loss and a weighted sum of outer terms."""

from __future__ import annotations

__all__ = ["LOSSES", "Objective", "get_loss"]

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from gonkit.batch import Batch, Prediction
from gonkit.errors import GonkitError
from gonkit.imports import did_you_mean, import_class
from gonkit.losses.base import Loss
from gonkit.losses.latent import CrossEntropyLoss, InputReconstructionLoss, KLLoss
from gonkit.losses.pointwise import BCEWithLogitsLoss, HuberLoss, L1Loss, MSELoss
from gonkit.losses.regularizers import REGULARIZERS
from gonkit.losses.spectral import STFTLoss

LOSSES: Mapping[str, type[Loss]] = {
    "mse": MSELoss,
    "l1": L1Loss,
    "huber": HuberLoss,
    "bce": BCEWithLogitsLoss,
    "stft": STFTLoss,
    "cross_entropy": CrossEntropyLoss,
    "kl": KLLoss,
    **REGULARIZERS,
}


def get_loss(name: str, own: Mapping[str, Loss] | None = None) -> Loss:
    """The loss that a recipe calls `name`.

    Args:
        name: a key of `LOSSES` or of `own`, or `module:Class`, or `file.py:Class`.
        own: losses of a signal type.

    Raises:
        GonkitError: no such loss.

    Example:
        >>> get_loss("huber")
        HuberLoss(delta=1.0)
    """
    own = own or {}
    if ":" in name:
        return import_class(name, Loss)()
    if name in own:
        return own[name]
    if name not in LOSSES:
        known = [*LOSSES, *own]
        raise GonkitError(f"no loss is called {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}")
    return LOSSES[name]()


@dataclass(frozen=True)
class Objective:
    """The inner loss, which makes latents, and the weighted outer terms, which train the network.

    Attributes:
        inner: reads `prediction.values` only.
        outer: name → (weight, loss).
        anneal: name → steps over which an outer term's weight rises from 0.
        shares_field: whether latents are inferred through the field that is decoded.

    Raises:
        ValueError: no outer term; an inner loss that does not read values; losses that take the values of one field
            differently; or a term to anneal that does not exist.
    """

    inner: Loss
    outer: Mapping[str, tuple[float, Loss]]
    anneal: Mapping[str, int] = field(default_factory=dict)
    shares_field: bool = True

    def __post_init__(self) -> None:
        if not self.outer:
            raise ValueError("there is no outer loss: nothing would be learned")
        if self.inner.requires != "values":
            raise ValueError("the inner loss must read the field's values: latents are inferred from it")
        if unknown := sorted(self.anneal.keys() - self.outer.keys()):
            raise ValueError(
                f"anneal names {unknown[0]!r}, which is no outer term{did_you_mean(unknown[0], self.outer)}"
            )
        decoded = [loss for _, loss in self.outer.values() if loss.requires == "values"]
        if len({loss.expects_logits for loss in [*decoded, *([self.inner] if self.shares_field else [])]}) > 1:
            raise ValueError(
                "inner and outer losses must take the field's values alike: bce takes logits, the others values; use "
                "bce for all or for none"
            )

    @staticmethod
    def from_names(
        inner: str,
        outer: Mapping[str, float],
        own: Mapping[str, Loss] | None = None,
        *,
        own_inner: Mapping[str, Loss] | None = None,
        anneal: Mapping[str, int] | None = None,
        shares_field: bool = True,
    ) -> Objective:
        """From a recipe's names and weights, and a signal type's own losses.

        Args:
            inner: name of the inner loss.
            outer: names and weights of the outer terms; "source" is `InputReconstructionLoss` of the inner loss.
            own: losses of the decoded signal type.
            own_inner: losses of the type from which latents are inferred; None for the same.
            anneal: steps over which weights rise, by name.
            shares_field: whether latents are inferred through the field that is decoded.
        """
        inner_loss = get_loss(inner, own if own_inner is None else own_inner)
        terms = {
            name: (weight, InputReconstructionLoss(inner_loss) if name == "source" else get_loss(name, own))
            for name, weight in outer.items()
        }
        return Objective(inner_loss, terms, anneal or {}, shares_field)

    def requires(self, part: str) -> bool:
        """Whether an outer term reads this part of a prediction; see `Loss.requires`."""
        return any(loss.requires == part for _, loss in self.outer.values())

    @property
    def outputs_logits(self) -> bool:
        """Whether the decoded field's output is logits of values in [0, 1]."""
        decoded = [loss.expects_logits for _, loss in self.outer.values() if loss.requires == "values"]
        return decoded[0] if decoded else self.inner.expects_logits

    @property
    def needs_contiguous_points(self) -> bool:
        """Whether an outer term needs consecutive points."""
        return any(loss.needs_contiguous_points for _, loss in self.outer.values())

    @property
    def differentiates(self) -> frozenset[str]:
        """What outer terms differentiate values by: "coords", "latent"."""
        return frozenset(loss.differentiates for _, loss in self.outer.values() if loss.differentiates)

    def __call__(
        self, prediction: Prediction, batch: Batch, step: int | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Batch means, all scalars: the weighted sum at a training step (None: the last), and each term unweighted."""
        terms = {name: loss(prediction, batch).mean() for name, (_, loss) in self.outer.items()}
        weighted = [
            weight * self._annealed_weight(name, step) * terms[name] for name, (weight, _) in self.outer.items()
        ]
        return sum(weighted[1:], weighted[0]), terms

    def _annealed_weight(self, name: str, step: int | None) -> float:
        return 1.0 if step is None or name not in self.anneal else min(1.0, step / self.anneal[name])
