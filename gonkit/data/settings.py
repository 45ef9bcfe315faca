"""The base of everything that a recipe can set: frozen, strict, finite."""

from __future__ import annotations

__all__ = ["IsPath", "Settings"]

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True)
class IsPath:
    """Marks a text setting as a path, so that it can be made absolute; `~` is the home folder.

    Attributes:
        unless: words that are not paths, such as the names of embedded data sets.
    """

    unless: Collection[str] = ()


class Settings(BaseModel):
    """A table of settings. Unknown keys, wrong types, infinities and NaN are refused; fields cannot be reassigned.

    Example:
        >>> from typing import Annotated
        >>> class Folder(Settings):
        ...     data: Annotated[str, IsPath(unless=("digits",))] = "digits"
        >>> Folder().with_absolute_paths().data, Folder(data="/a/../b").with_absolute_paths().data
        ('digits', '/b')
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    def with_absolute_paths(self) -> Self:
        """The same settings with the fields marked by `IsPath` made absolute, in nested settings too."""
        changes: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            marks = [mark for mark in field.metadata if isinstance(mark, IsPath)]
            if isinstance(value, Settings):
                changes[name] = value.with_absolute_paths()
            elif marks and isinstance(value, str) and value not in marks[0].unless:
                changes[name] = str(Path(value).expanduser().resolve())
        return self.model_copy(update=changes)

    def path_fields(self) -> list[str]:
        """The dotted names of the fields marked by `IsPath`, in nested settings too."""
        names = []
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, Settings):
                names += [f"{name}.{inner}" for inner in value.path_fields()]
            elif any(isinstance(mark, IsPath) for mark in field.metadata):
                names.append(name)
        return names
