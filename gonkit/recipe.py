"""Recipes: TOML → frozen settings, with every mistake named at once."""

from __future__ import annotations

__all__ = [
    "AnySignal",
    "EvaluateSettings",
    "FieldSettings",
    "LatentSettings",
    "LossSettings",
    "PriorSettings",
    "Recipe",
    "RecipeError",
    "TrainSettings",
    "parse_recipe",
    "read_recipe",
]

import json
import tomllib
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import (
    Field,
    InstanceOf,
    NonNegativeFloat,
    NonNegativeInt,
    PlainValidator,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from gonkit.keeping import Keep
from gonkit.losses import Objective, Pointwise
from gonkit.names import full_name, import_named, nearest
from gonkit.origin import Origin
from gonkit.priors import PriorKind
from gonkit.signal import Settings, Signal, SignalError

Table = dict[str, Any]


def _any_signal(value: Any) -> Signal:
    """A signal type and its settings, from a table with a `type` of its own."""
    if isinstance(value, Signal):
        return value
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise ValueError('missing its type; say which signal type, as in type = "my_signals.py:Mine"')
    name = full_name(value["type"])
    kind = import_named(name, Signal)
    try:
        return kind.model_validate_json(json.dumps(value | {"type": name}))
    except ValidationError as error:
        raise ValueError("; ".join(_explain(error, "", kind))) from None


AnySignal = Annotated[Signal, PlainValidator(_any_signal)]
"""A field of a signal type that holds another signal type, given as a table."""


class RecipeError(SignalError):
    """Mistakes in a recipe, all of them."""


class FieldSettings(Settings):
    """[field]: the network."""

    width: PositiveInt = 256
    """Units of each sine layer."""
    layers: PositiveInt = 4
    """Sine layers."""
    omega: PositiveFloat = 30.0
    """ω₀ of the first layer, radians per unit of coordinate: the frequencies it starts with."""
    omega_hidden: PositiveFloat = 30.0
    """ω₀ of the other layers."""
    init: Literal["split", "paper"] = "split"
    """How the first layer is bounded; see `gonkit.siren.Siren`."""
    standardize: bool = True
    """Divide values by the training set's standard deviation (never done for losses on logits)."""


class LatentSettings(Settings):
    """[latent]: the origin."""

    dim: PositiveInt = 32
    """K."""
    origin: Origin = "damped"
    """"damped"; "gradient" as in the paper; "sparse", not affine in the data, to classify."""
    step: PositiveFloat | None = None
    """η; None for 100 (damped) or 12.25 (gradient, sparse)."""
    steps: PositiveInt = 1
    """Origin steps."""
    threshold: NonNegativeFloat = 0.5
    """τ of the sparse origin: latents below this share of their root mean square become zero."""
    drop: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of signals that are trained with their latent at the origin, so that it can be converted from."""
    head_width: NonNegativeInt = 0
    """Units of a hidden layer between latent and labels, for losses on labels; 0 for the paper's linear head."""
    points: PositiveInt | None = None
    """How many points to draw for encoding while training; None for all."""

    @property
    def eta(self) -> float:
        """η, resolved."""
        return self.step if self.step is not None else {"damped": 100.0}.get(self.origin, 12.25)


class LossSettings(Settings):
    """[loss]: what is minimized, inside and outside."""

    inner: str | None = None
    """The loss that makes latents; None for the signal type's."""
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
    """How many points to draw for the outer loss, afresh at each step; None for all."""
    learning_rate: PositiveFloat = 4e-4
    """Adam's, at its highest."""
    warmup: NonNegativeInt = 50
    """Steps over which the learning rate rises."""
    floor: NonNegativeFloat = 0.02
    """Share of the learning rate that its cosine ends at."""
    clip: PositiveFloat | None = 1.0
    """Largest norm of the gradient; None for no limit."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the outer pass, and of the origin where signals have points of their own; the shared origin and the weights
    stay float32. "auto": see `gonkit.choices`."""
    compile: Literal["auto"] | bool = "auto"
    """Compile a step: pays after a minute of training; needs a C++ compiler. "auto": see `gonkit.choices`."""
    rows: Literal["auto"] | NonNegativeInt = "auto"
    """Most points of all signals together that a step holds; what is beyond is computed again in the backward pass. 0
    for no limit. "auto": see `gonkit.choices`."""
    workers: NonNegativeInt = 2
    """Processes that fetch signals ahead, where they are not kept in memory."""
    device: str = "auto"
    """"auto" takes a GPU where there is one."""
    seed: NonNegativeInt = 0
    """Of weights, order, points and prior."""
    keep: Keep = "last"
    """The weights that become the model: the last, or those of the validation with the best held-out figure (PSNR), or
    with the most normal held-out latents, as in the paper."""
    validate_every: PositiveInt = 250
    """Steps between validations, pictures and checkpoints."""
    validate_signals: PositiveInt = 256
    """How many held-out signals a validation takes."""
    log_every: PositiveInt = 10
    """Steps between points of the curves."""


class PriorSettings(Settings):
    """[prior]: what latents are sampled from."""

    kind: PriorKind = "gmm"
    """"gmm"; "normal" as in the paper; "flow", an extra; "unit", N(0, I), for variational models."""
    components: PositiveInt | None = None
    """Of the mixture; None chooses by held-out likelihood."""
    per_class: bool = False
    """A density for each label, to sample from a class, where signals have labels."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.kind == "flow" and find_spec("zuko") is None:
            raise ValueError('kind: "flow" needs zuko: pip install \'gonkit[flow]\', or choose "gmm"')
        if self.kind == "unit" and self.per_class:
            raise ValueError('per_class: "unit" is the same for every class; set kind to "gmm" or "normal"')
        return self


class EvaluateSettings(Settings):
    """[evaluate]: what the report judges beyond what it always does."""

    observed: list[Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=list)
    """Shares of points to encode from, for a curve of what is predicted of the others."""


class Recipe(Settings):
    """Everything that determines a run."""

    name: str = Field(pattern=r"^[\w.-]+$")
    signal: InstanceOf[Signal]
    field: FieldSettings = FieldSettings()
    latent: LatentSettings = LatentSettings()
    loss: LossSettings = LossSettings()
    train: TrainSettings = TrainSettings()
    prior: PriorSettings = PriorSettings()
    evaluate: EvaluateSettings = EvaluateSettings()

    def objective(self) -> Objective:
        """The inner loss and outer terms, the signal type's where the recipe says none.

        Raises:
            SignalError: no loss of such a name.
            ValueError: losses that do not go together.
        """
        signal, seen = self.signal, self.signal.observes
        return Objective.named(
            self.loss.inner or seen.inner,
            self.loss.outer or signal.outer,
            signal.losses(),
            own_inner=seen.losses(),
            anneal=self.loss.anneal,
            one_field=not signal.translates,
        )

    def toml(self) -> str:
        """The recipe with all defaults filled in, as TOML."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True, serialize_as_any=True))


SECTIONS: dict[str, type[Settings]] = {
    "field": FieldSettings,
    "latent": LatentSettings,
    "loss": LossSettings,
    "train": TrainSettings,
    "prior": PriorSettings,
    "evaluate": EvaluateSettings,
}


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Reads a recipe file.

    Args:
        path: of the TOML file.
        overrides: `section.key=value`, the value in TOML or a bare word.

    Raises:
        RecipeError: all that is wrong with it.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        near = nearest(path.name, (p.name for p in path.parent.glob("*.toml"))) if path.parent.is_dir() else ""
        raise RecipeError(f"{path}: no such recipe{near}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as a recipe: {error}") from None
    return parse_recipe(text, overrides, source=str(path), folder=path.parent)


def parse_recipe(
    text: str, overrides: Sequence[str] = (), *, source: str = "recipe", folder: Path | None = None
) -> Recipe:
    """A recipe from its text.

    Args:
        text: TOML.
        overrides: `section.key=value`.
        source: what messages call it.
        folder: where a signal type's own file is looked for first.

    Raises:
        RecipeError: all that is wrong with it.

    Example:
        >>> text = '''
        ... name = "x"
        ... field.widht = 8
        ... signal.type = "signals.image:Image"
        ... '''
        >>> parse_recipe(text)
        Traceback (most recent call last):
        gonkit.recipe.RecipeError: recipe: 1 mistake
          field.widht: there is no such key; did you mean 'width'?
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{source}: not valid TOML: {error}") from None
    problems: list[str] = []
    for override in overrides:
        problems += _override(table, override)
    kinds: dict[str, type[Settings]] = {}
    problems += _signal_type(table, kinds, folder)
    kinds |= SECTIONS
    for key in table.keys() - SECTIONS.keys() - {"name", "signal"}:
        problems.append(f"{key}: there is no such section{nearest(key, ['name', 'signal', *SECTIONS])}")
    parts: Table = {}
    for section, kind in kinds.items():
        try:
            parts[section] = kind.model_validate_json(json.dumps(table.get(section, {})))
        except ValidationError as error:
            problems += _explain(error, section, kind)
        except SignalError as error:
            problems.append(f"{section}: {error}")
    if "name" not in table and isinstance(table.get("signal"), dict):
        table["name"] = Path(source).stem
    recipe = None
    if not problems:
        try:
            recipe = Recipe(name=table["name"], **parts)
            recipe = recipe.model_copy(update={"signal": recipe.signal.absolute()})
            problems += _together(recipe)
        except ValidationError as error:
            problems += _explain(error, "", Recipe)
    if problems or recipe is None:
        count = f"{len(problems)} mistake" + "s" * (len(problems) != 1)
        raise RecipeError(f"{source}: {count}\n" + "\n".join(f"  {problem}" for problem in problems))
    return recipe


def _override(table: Table, override: str) -> list[str]:
    key, equals, text = override.partition("=")
    *path, last = key.strip().split(".")
    if not equals or not last:
        return [f"--set {override}: must read section.key=value"]
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a bare word
    for step in path:
        table = table.setdefault(step, {})
        if not isinstance(table, dict):
            return [f"--set {override}: {step!r} is not a section"]
    table[last] = value
    return []


def _signal_type(table: Table, kinds: dict[str, type[Settings]], folder: Path | None) -> list[str]:
    """Finds the signal type and notes its full name in the table, so that it is found again from anywhere."""
    signal = table.get("signal")
    if not isinstance(signal, dict) or not isinstance(signal.get("type"), str):
        return ['signal.type: missing; say which signal type, as in type = "my_signals.py:Mine"']
    name = signal["type"]
    try:
        kind = import_named(name, Signal, folder)
    except SignalError as error:
        return [f"signal.type: {error}"]
    except Exception as error:  # a mistake inside the user's own file
        return [f"signal.type: importing {name} failed: {type(error).__name__}: {error}"]
    signal["type"] = full_name(name, folder)
    kinds["signal"] = kind
    return []


def _together(recipe: Recipe) -> list[str]:
    """What is wrong between keys that are each right by themselves."""
    try:
        objective = recipe.objective()
    except (SignalError, ValueError) as error:
        return [f"loss: {error}"]
    problems = []
    if objective.slopes and recipe.train.compile is True:
        problems.append(
            "train.compile: a loss here differentiates the field, which then cannot be compiled; set it to false"
        )
    if recipe.latent.drop and not recipe.signal.source_channels:
        problems.append("latent.drop: only signals with a source can be predicted from the origin; set it to 0")
    if objective.reads("observed") and not recipe.signal.translates:
        problems.append("loss.outer.source: there is no source to predict; it belongs to a signal type that translates")
    if recipe.latent.origin == "damped" and not isinstance(objective.inner, Pointwise):
        name = recipe.loss.inner or recipe.signal.observes.inner
        problems.append(
            f'latent.origin: "damped" needs a pointwise inner loss and {name!r} is none; set origin = "gradient"'
        )
    return problems


def _explain(error: ValidationError, section: str, kind: type[Settings]) -> list[str]:
    details = list(error.errors())
    words = {
        detail["loc"][:-1]: detail for detail in details if str((detail["loc"] or ("",))[-1]).startswith("literal[")
    }
    lines = []
    for detail in details:  # of a key that takes a word or something else, each failed reading is an error: one line
        word = words.get(detail["loc"][:-1])
        if word is None:
            lines.append(_line(detail, section, kind.model_fields))
        elif detail is not word:
            line = _line(dict(detail) | {"loc": detail["loc"][:-1]}, section, kind.model_fields)
            lines.append(f"{line}, or {word['ctx']['expected']}")
    return lines


def _line(detail: Any, section: str, known: Iterable[str]) -> str:
    where = ".".join(str(part) for part in (section, *detail["loc"]) if part != "")
    match detail["type"]:
        case "extra_forbidden":
            return f"{where}: there is no such key{nearest(str(detail['loc'][-1]), known)}"
        case "missing":
            return f"{where}: missing, and it has no default"
        case "value_error":
            return f"{where}: {detail['ctx']['error']}"
        case _:
            text = detail["msg"].removeprefix("Input should be ").removeprefix("a valid ")
            return f"{where}: got {detail['input']!r}; expected {text}"
