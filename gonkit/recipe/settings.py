"""The sections of a recipe, with their defaults."""

from __future__ import annotations

__all__ = [
    "EvaluateSettings",
    "FieldSettings",
    "LatentSettings",
    "LossSettings",
    "PriorSettings",
    "Recipe",
    "SelectionRule",
    "TrainSettings",
]

import re
from functools import cached_property
from importlib.util import find_spec
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import (
    AfterValidator,
    Field,
    InstanceOf,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from gonkit.data import IsPath, Settings, Task
from gonkit.errors import failures_named
from gonkit.limits import MAX_LAYERS, MAX_UNITS
from gonkit.losses import Objective
from gonkit.nn import DampedStep, GradientStep, InnerStep, SparseStep
from gonkit.priors import PriorKind

SelectionRule = Literal["last", "best", "most-normal"]
"""Which weights become the model."""


class FieldSettings(Settings):
    """[field]: the network."""

    width: Annotated[int, Field(gt=0, le=MAX_UNITS)] = 256
    """Units of each sine layer."""
    layers: Annotated[int, Field(gt=0, le=MAX_LAYERS)] = 4
    """Number of sine layers."""
    omega: PositiveFloat = 30.0
    """ω₀ of the first layer in radians per unit of coordinate: the frequencies it starts with."""
    omega_hidden: PositiveFloat = 30.0
    """ω₀ of the other layers."""
    init: Literal["split", "paper"] = "split"
    """Bounds of the first layer's initial weights; see `gonkit.nn.Siren`."""
    latent: Literal["first", "all"] = "first"
    """Sine layers that the latent enters: the first, as in the paper, or all."""
    series: NonNegativeInt = 0
    """Functions of a Fourier series beside the sine layers, whose coefficients depend on the latent; 0 for none. It
    starts at the principal components of the training signals; see `gonkit.nn.FourierSeries`. As many as a signal has
    points, and half as many again on a plane, hold everything."""
    series_width: Annotated[int, Field(ge=0, le=MAX_UNITS)] = 512
    """Units of the two layers between latent and coefficients; 0 for coefficients that are affine in the latent."""
    standardize: bool = True
    """Subtract the training set's mean from values and divide by its standard deviation, of each channel; never done
    for losses on logits."""


class LatentSettings(Settings):
    """[latent]: how latents are inferred."""

    dim: Annotated[int, Field(gt=0, le=MAX_UNITS)] = 32
    """K."""
    origin: Literal["gradient", "damped", "sparse"] = "damped"
    """The inner step: "damped"; "gradient" as in the paper; "sparse", not affine in the data, to classify."""
    step: PositiveFloat | None = None
    """η of the inner step; None for 100 (damped) or 12.25 (gradient, sparse)."""
    steps: PositiveInt = 1
    """Number of inner steps."""
    refine: NonNegativeInt = 0
    """Levenberg–Marquardt steps that refine a latent after training, wherever signals are encoded; see
    `gonkit.nn.refine_latent`. Training uses the inner steps alone, unless `train.polish`."""
    threshold: NonNegativeFloat = 0.5
    """τ of the sparse step: latents below this share of their root mean square become zero."""
    dropout: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of signals that are trained with their latent at the origin, so that the source alone can be converted."""
    head_width: Annotated[int, Field(ge=0, le=MAX_UNITS)] = 0
    """Units of a hidden layer between latent and labels, for losses on labels; 0 for the paper's linear head."""
    points: PositiveInt | None = None
    """Points drawn to infer latents from during training; None for all."""

    @property
    def inner_step(self) -> InnerStep:
        """The step that these settings describe."""
        if self.origin == "damped":
            return DampedStep(100.0 if self.step is None else self.step)
        step_size = 12.25 if self.step is None else self.step
        return GradientStep(step_size) if self.origin == "gradient" else SparseStep(step_size, self.threshold)


class LossSettings(Settings):
    """[loss]: what is minimized, inside and outside."""

    inner: str | None = None
    """The loss whose gradient makes latents; None for the signal type's."""
    outer: dict[str, PositiveFloat] | None = None
    """Names and weights of the terms that train the network; None for the signal type's."""
    anneal: dict[str, PositiveInt] = Field(default_factory=dict)
    """Steps over which the weights of outer terms rise from 0, by name."""


class TrainSettings(Settings):
    """[train]: the loop."""

    steps: PositiveInt = 2500
    """Updates."""
    batch: PositiveInt = 64
    """Signals per update, B."""
    points: PositiveInt | None = None
    """Points drawn for the outer loss, others at each step; None for all."""
    optimizer: Literal["adam", "muon"] = "adam"
    """"adam"; or "muon", for the matrices between sine layers, with Adam for the other weights."""
    learning_rate: PositiveFloat = 4e-4
    """The optimizer's, at its highest."""
    warmup: NonNegativeInt = 50
    """Steps over which the learning rate rises."""
    lr_floor: NonNegativeFloat = 0.02
    """Share of the learning rate at which its cosine schedule ends."""
    weight_decay: NonNegativeFloat = 0.0
    """Share of each weight that is taken off in an update, times the learning rate; against overfitting."""
    grad_clip: PositiveFloat | None = 1.0
    """Largest norm of the gradient; None for no limit."""
    polish: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the steps, at the end, that also train the field to decode latents refined by `latent.refine` steps, as
    they will be after training. Such steps take two to five times as long. Validations then have `refined_psnr` too."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the outer pass, and of the inner one where signals have points of their own; the shared origin and the weights
    stay float32. "auto": see `gonkit.training.resolve_auto_settings`."""
    compile: Literal["auto"] | bool = "auto"
    """Compile the training step, which pays after a minute of training and needs a C++ compiler; the next run of a
    network of the same shape finds it again. "auto": see
    `gonkit.training.resolve_auto_settings`."""
    max_points: Literal["auto"] | NonNegativeInt = "auto"
    """Points, of all signals together, whose activations a step keeps; those of more are recomputed in the backward
    pass. 0 for no limit. "auto": see `gonkit.training.resolve_auto_settings`."""
    workers: NonNegativeInt = 2
    """Processes that read signals ahead, where they are not kept in memory."""
    device: str = "auto"
    """"auto" takes a GPU if there is one."""
    init_from: Annotated[str | None, IsPath()] = None
    """A run folder or a model file whose weights the run starts from; optimizer and schedule are new. [field] and
    latent.dim must be the same. The channels' mean and deviation by which values are standardized come from there too,
    so that the run starts as that model; see `gonkit.training.start_from_model`."""
    seed: NonNegativeInt = 0
    """Of weights, order, points and prior."""
    keep: SelectionRule = "last"
    """The weights that become the model: the last; those of the validation with the best held-out PSNR or accuracy; or
    those with the most normal held-out latents, as in the paper."""
    validate_every: PositiveInt = 250
    """Steps between validations, previews and checkpoints."""
    validate_signals: PositiveInt = 256
    """Held-out signals used in a validation."""
    log_every: PositiveInt = 10
    """Steps between points of the curves."""


class PriorSettings(Settings):
    """[prior]: the distribution from which latents are sampled."""

    kind: PriorKind = "gmm"
    """"gmm"; "normal" as in the paper; "flow", an extra; "unit", N(0, I), for variational models."""
    components: PositiveInt | None = None
    """Of the mixture; None chooses by held-out likelihood."""
    per_class: bool = False
    """One density per label, to sample from a class, where signals have labels."""
    refine: NonNegativeInt | None = None
    """Refinement steps of the latents that it is fitted to; None for `latent.refine`. 0 takes all training signals,
    where encoding is fast, instead of 5,000 refined ones."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.kind == "flow" and find_spec("zuko") is None:
            raise ValueError('kind: "flow" needs zuko: pip install \'gonkit[flow]\', or choose "gmm"')
        if self.kind == "unit" and self.per_class:
            raise ValueError('per_class: "unit" is the same for every class; set kind to "gmm" or "normal"')
        return self


class EvaluateSettings(Settings):
    """[evaluate]: what is measured beyond the usual."""

    observed: list[Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=list)
    """Shares of points to encode from, for a curve of how well the other points are predicted."""


def _check_name(name: str) -> str:
    if not re.fullmatch(r"(?!\.)[\w.-]+", name):
        raise ValueError(
            f"got {name!r}; expected letters, digits, '_', '-' and, not at the beginning, '.': it is a folder in runs/"
        )
    return name


class Recipe(Settings):
    """Everything that determines a run."""

    name: Annotated[str, AfterValidator(_check_name)]
    """Of the folder in `runs/`: letters, digits, `_`, `-` and, not at the beginning, `.`."""
    signal: InstanceOf[Task]
    """The task: a signal type, or a pair of them."""
    field: FieldSettings = FieldSettings()
    latent: LatentSettings = LatentSettings()
    loss: LossSettings = LossSettings()
    train: TrainSettings = TrainSettings()
    prior: PriorSettings = PriorSettings()
    evaluate: EvaluateSettings = EvaluateSettings()

    def min_weights(self, classes: int = 0) -> int:
        """Weights that the network has at least, with a head for so many classes: those of its wide layers."""
        field, dim = self.field, self.latent.dim
        head = classes * (self.latent.head_width or dim) if self.objective.requires("label") else 0
        series = field.series * (dim + field.series_width)
        return field.width * (dim + (field.layers - 1) * field.width) + series + head

    @cached_property
    def objective(self) -> Objective:
        """The inner loss and outer terms, the signal types' where the recipe names none.

        Raises:
            GonkitError: no loss of such a name.
            ValueError: losses that do not go together.
        """
        with failures_named(f"{type(self.signal).__name__}.default_losses"):
            inner_defaults = self.signal.input_type.default_losses
            outer_defaults = self.signal.output_type.default_losses
        return Objective.from_names(
            self.loss.inner or inner_defaults.inner,
            self.loss.outer or outer_defaults.outer,
            outer_defaults.own,
            own_inner=inner_defaults.own,
            anneal=self.loss.anneal,
            shares_field=not self.signal.has_separate_encoder,
        )

    def with_train(self, **changes: Any) -> Self:
        """The same recipe with other keys in [train]."""
        return self.model_copy(update={"train": self.train.model_copy(update=changes)})

    def toml(self, *, defaults: bool = True) -> str:
        """The recipe as TOML, with all defaults filled in or without them."""
        options: dict[str, Any] = {"by_alias": True, "exclude_none": True, "serialize_as_any": True}
        table = self.model_dump(mode="json", exclude_defaults=not defaults, **options)
        return tomli_w.dumps({key: value for key, value in table.items() if value != {}})
