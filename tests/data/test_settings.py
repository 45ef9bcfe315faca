"""The base of everything that a recipe can set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from gonkit.data import IsPath, Settings


class Inner(Settings):
    file: Annotated[str, IsPath()] = "inner.txt"


class Outer(Settings):
    data: Annotated[str, IsPath(unless=("digits", "photos"))] = "digits"
    root: Annotated[str, Field(min_length=1), IsPath()] = "root"
    optional: Annotated[str | None, IsPath()] = None
    title: str = "no/path"
    scale: float = 1.0
    inner: Inner = Inner()


@pytest.mark.parametrize(
    "wrong", [{"scale": "2"}, {"scale": float("inf")}, {"scale": float("nan")}, {"titel": "x"}, {"title": 3}]
)
def test_unknown_keys_wrong_types_and_infinities_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Outer(**wrong)


def test_settings_cannot_be_reassigned() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Outer().scale = 2.0  # type: ignore[misc]


def test_paths_become_absolute_and_other_texts_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Outer(data="photos/../mine", optional="some.txt", scale=2.0).with_absolute_paths()
    here = tmp_path.resolve()
    assert settings.data == str(here / "mine")
    assert settings.root == str(here / "root")
    assert settings.optional == str(here / "some.txt")
    assert settings.inner.file == str(here / "inner.txt")  # in nested settings too
    assert (settings.title, settings.scale) == ("no/path", 2.0)
    monkeypatch.chdir("/")
    assert settings.with_absolute_paths() == settings


def test_words_that_are_not_paths_stay_and_so_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for word in ("digits", "photos"):
        assert Outer(data=word).with_absolute_paths().data == word
    assert Outer().with_absolute_paths().optional is None


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_word_that_is_a_path_too_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert Outer(data="photos").data == "photos"
    (tmp_path / "photos").mkdir() if kind == "folder" else (tmp_path / "photos").touch()
    with pytest.raises(ValidationError, match=r'write "set:photos" for the set, or "./photos" for the file or folder'):
        Outer(data="photos")
    named, path = Outer(data="set:photos"), Outer(data="./photos")
    assert named.data == named.with_absolute_paths().data == "photos"
    assert path.with_absolute_paths().data == str(tmp_path.resolve() / "photos")
    assert Outer(data="digits").data == "digits"
    (tmp_path / "digits").touch()
    assert Outer().with_absolute_paths().data == "digits"  # a default is no mistake
    for settings in (named, path.with_absolute_paths()):  # what is stored is not ambiguous
        assert Outer.model_validate_json(settings.model_dump_json()) == settings
    with pytest.raises(ValidationError, match=r"got 'set:photo'; there is no such set; did you mean 'photos'\?"):
        Outer(data="set:photo")


def test_the_settings_themselves_are_not_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Outer(data="mine")
    settings.with_absolute_paths()
    assert (settings.data, settings.inner.file) == ("mine", "inner.txt")
