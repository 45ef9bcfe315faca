"""The base of everything that a recipe can set: frozen, strict, finite."""

from __future__ import annotations

__all__ = ["FOREIGN", "IsPath", "OwnRecipesOnly", "Settings", "may_read_data"]

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
)
from pydantic_core import core_schema

from gonkit.imports import did_you_mean

WORD = "set:"  # before a word that is not a path
FOREIGN = "foreign"  # key of the context in which settings are validated: whether someone else wrote them


@dataclass(frozen=True)
class IsPath:
    """Marks a text setting as a path, so that it can be made absolute; `~` is the home folder.

    A word that is not a path is refused where a file or folder of that name is in the working directory: `set:word` is
    the word wherever one is, `./word` the file or folder. Stored recipes have the first form.

    Attributes:
        unless: words that are not paths, such as the names of embedded data sets.
    """

    unless: Collection[str] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        schema = handler(source)
        return core_schema.no_info_after_validator_function(self._read, schema) if self.unless else schema

    def _read(self, value: Any) -> Any:
        """The value itself, or the word that `set:` says it is."""
        if isinstance(value, str) and value.startswith(WORD):
            word = value.removeprefix(WORD)
            if word not in self.unless:
                raise ValueError(f"got {value!r}; there is no such set{did_you_mean(word, self.unless)}")
            return word
        if value in self.unless and Path(value).exists():
            raise ValueError(
                f'{value!r} may be the set of that name or what is called so in {Path.cwd()}; write "{WORD}{value}" '
                f'for the set, or "./{value}" for the file or folder'
            )
        return value


@dataclass(frozen=True)
class OwnRecipesOnly:
    """Marks a setting by which files are written or fetched: models of other people cannot set it.

    It counts in a user's own recipes and runs. Where a model or a run of someone else is opened, it has its default.
    """


def may_read_data(info: ValidationInfo) -> bool:
    """Whether a validator may read data to fill in settings: not those of a model that someone else made."""
    return not (info.context or {}).get(FOREIGN, False)


class Settings(BaseModel):
    """A table of settings. Unknown keys, wrong types, infinities and NaN are refused; fields cannot be reassigned.

    Example:
        >>> from typing import Annotated
        >>> class Folder(Settings):
        ...     data: Annotated[str, IsPath(unless=("digits",))] = "digits"
        >>> Folder().with_absolute_paths().data, Folder(data="/a/../b").with_absolute_paths().data
        ('digits', '/b')
        >>> Folder(data="set:digits").data
        'digits'
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    def with_absolute_paths(self) -> Self:
        """The same settings with the fields marked by `IsPath` made absolute, in nested settings too."""
        changes: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Settings):
                changes[name] = value.with_absolute_paths()
            elif isinstance(value, str) and (mark := self._mark(name)) and value not in mark.unless:
                changes[name] = os.path.normpath(Path(value).expanduser().absolute())  # without a look at it
        return self.model_copy(update=changes)

    def as_foreign(self, given: Collection[str] = ()) -> Self:
        """The same settings with the fields marked by `OwnRecipesOnly` at their defaults, in nested settings too.

        Args:
            given: dotted names of fields that the user sets, which stay as they are.
        """
        changes: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, Settings):
                inner = {one.removeprefix(f"{name}.") for one in given if one.startswith(f"{name}.")}
                changes[name] = value.as_foreign(inner)
            elif name not in given and any(isinstance(mark, OwnRecipesOnly) for mark in field.metadata):
                changes[name] = field.get_default(call_default_factory=True)
        return self.model_copy(update=changes)

    @model_serializer(mode="wrap")
    def _with_marked_words(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """The settings; as JSON, with words that are not paths marked as such."""
        written: dict[str, Any] = handler(self)
        if info.mode == "json":
            for name, value in written.items():
                if isinstance(value, str) and (mark := self._mark(name)) and value in mark.unless:
                    written[name] = WORD + value
        return written

    @classmethod
    def _mark(cls, name: str) -> IsPath | None:
        return next((mark for mark in cls.model_fields[name].metadata if isinstance(mark, IsPath)), None)

    def path_fields(self) -> list[str]:
        """The dotted names of the fields marked by `IsPath`, in nested settings too."""
        names = []
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Settings):
                names += [f"{name}.{inner}" for inner in value.path_fields()]
            elif self._mark(name):
                names.append(name)
        return names
