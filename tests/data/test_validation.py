"""Settings that hold a signal type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gonkit.data import Settings, SignalField, explain_validation_error
from tests.data.fields import Field


class Holder(Settings):
    signal: SignalField
    count: int = 0


def messages(table: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Holder.model_validate(table)
    return explain_validation_error(caught.value, "section", Holder)


def test_a_signal_type_is_given_as_a_table_or_as_itself() -> None:
    table = {"type": "tests.data.fields:Field", "shape": [4]}
    signal = Holder.model_validate({"signal": table}).signal
    assert (type(signal).__name__, signal.grid().shape, signal.type) == ("Field", (4,), "tests.data.fields:Field")
    itself = Field()
    assert Holder(signal=itself).signal is itself


def test_the_name_of_a_file_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(Path(__file__).with_name("fields.py").read_text())
    monkeypatch.chdir(tmp_path)
    signal = Holder.model_validate({"signal": {"type": "mine.py:Field"}}).signal
    assert signal.type == f"{tmp_path.resolve() / 'mine.py'}:Field"


def test_mistakes_in_a_nested_signal_type_are_named() -> None:
    name = {"type": "tests.data.fields:Field"}
    assert messages({"signal": {}}) == [
        'section.signal: missing its type; name a signal type, as in type = "my_signals.py:Mine"'
    ]
    assert messages({"signal": name | {"shpae": [3]}}) == [
        "section.signal: shpae: there is no such key; did you mean 'shape'?"
    ]
    assert messages({"signal": name | {"channel_count": "3", "shape": 3}}) == [
        "section.signal: shape: got 3; expected array; channel_count: got '3'; expected integer"
    ]
    (wrong,) = messages({"signal": {"type": "tests.data.fields:Fiedl"}})
    assert "tests.data.fields has no 'Fiedl'; did you mean 'Field'?" in wrong


def test_each_mistake_has_its_key_and_what_came() -> None:
    assert messages({"count": "many", "cuont": 1}) == [
        "section.signal: missing, and it has no default",
        "section.count: got 'many'; expected integer",
        "section.cuont: there is no such key; did you mean 'count'?",
    ]
