"""PLY files: text and binary, with faces of any number of corners."""

from __future__ import annotations

__all__ = ["read_ply"]

from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from signals.shape.polygons import Array, Polygons, group_polygons

TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
INDICES = ("vertex_indices", "vertex_index")
Columns = dict[str, Any]
"""Values of each property: an array (count,), or (count, n) or a list of arrays for a list property."""


@dataclass(frozen=True)
class _Property:
    """One value of each row of an element, or a list of values.

    Attributes:
        name: of the property.
        kind: type of the value, as numpy writes it.
        length: type of the number of values before a list; empty for one value.
    """

    name: str
    kind: str
    length: str = ""


@dataclass
class _Element:
    name: str
    count: int
    properties: list[_Property]


def read_ply(content: bytes) -> tuple[Array, Polygons]:
    """Vertices and faces of a PLY file.

    Raises:
        ValueError, IndexError, KeyError: it is none, or cut short.
    """
    header, end, body = content.partition(b"end_header")
    if not header.startswith(b"ply") or not end:
        raise ValueError("it has no header of a PLY file")
    order, elements = _parse_header(header.decode("latin-1"))
    body = body.partition(b"\n")[2]
    tables = _read_text(body, elements) if order is None else _read_binary(body, elements, order)
    vertices = numpy.column_stack([numpy.asarray(tables["vertex"][axis], numpy.float64) for axis in "xyz"])
    faces = tables.get("face", {})
    indices: Any = next((faces[name] for name in INDICES if name in faces), [])
    if isinstance(indices, numpy.ndarray) and indices.ndim == 2 and indices.shape[1] > 2:
        return vertices, [indices.astype(numpy.int64)]
    return vertices, group_polygons([row.tolist() for row in indices])


def _parse_header(header: str) -> tuple[str | None, list[_Element]]:
    """The order of bytes, None for text; and what the file holds."""
    order: str | None = None
    elements: list[_Element] = []
    for line in header.splitlines():
        match line.split():
            case ["format", "ascii", _]:
                order = None
            case ["format", "binary_little_endian" | "binary_big_endian" as kind, _]:
                order = "<" if kind == "binary_little_endian" else ">"
            case ["element", name, count]:
                elements.append(_Element(name, int(count), []))
            case ["property", "list", length, kind, name]:
                elements[-1].properties.append(_Property(name, TYPES[kind], TYPES[length]))
            case ["property", kind, name]:
                elements[-1].properties.append(_Property(name, TYPES[kind]))
    return order, elements


def _require_rows(element: _Element, left: int) -> None:
    """Checks that what is left of a file, in words or bytes, can hold as many rows as are announced."""
    if not 0 <= element.count * max(1, len(element.properties)) <= left:
        raise ValueError(f"cut short: {element.count} rows of {element.name} are announced")


def _require_length(length: int) -> None:
    if length < 0:
        raise ValueError(f"a list of {length} numbers")


def _read_text(body: bytes, elements: list[_Element]) -> dict[str, Columns]:
    words, at, tables = body.split(), 0, {}
    for element in elements:
        _require_rows(element, len(words) - at)
        rows: dict[str, list[Any]] = {one.name: [] for one in element.properties}
        for _ in range(element.count):
            for one in element.properties:
                length = int(words[at]) if one.length else 1
                _require_length(length)
                at += bool(one.length)
                values = numpy.array(words[at : at + length], numpy.float64)
                if len(values) < length:
                    raise ValueError("cut short")
                rows[one.name].append(values if one.length else values[0])
                at += length
        tables[element.name] = dict(rows)
    return tables


def _read_binary(body: bytes, elements: list[_Element], order: str) -> dict[str, Columns]:
    at, tables = 0, {}
    for element in elements:
        _require_rows(element, len(body) - at)
        lengths = [_peek(body, at, element, order)] if element.count else []
        rows = _read_uniform(body, at, element, order, lengths[0]) if lengths else None
        if rows is None:
            tables[element.name], at = _read_rows(body, at, element, order)
        else:
            tables[element.name] = {one.name: rows[one.name] for one in element.properties}
            at += rows.nbytes
    return tables


def _peek(body: bytes, at: int, element: _Element, order: str) -> list[int]:
    """The lengths of the lists in the first row."""
    lengths = []
    for one in element.properties:
        length = 1
        if one.length:
            length = int(numpy.frombuffer(body, order + one.length, 1, at)[0])
            _require_length(length)
            lengths.append(length)
            at += numpy.dtype(one.length).itemsize
        at += length * numpy.dtype(one.kind).itemsize
    return lengths


def _read_uniform(body: bytes, at: int, element: _Element, order: str, lengths: list[int]) -> NDArray[Any] | None:
    """All rows at once, if the lists in them are as long as those of the first row; None if not."""
    fields: list[Any] = []
    remaining = iter(lengths)
    for one in element.properties:
        if one.length:
            fields += [(f"{one.name} length", order + one.length), (one.name, order + one.kind, (next(remaining),))]
        else:
            fields.append((one.name, order + one.kind))
    row = numpy.dtype(fields)
    if len(body) - at < element.count * row.itemsize:
        return None
    rows = numpy.frombuffer(body, row, element.count, at)
    counted = zip((one.name for one in element.properties if one.length), lengths, strict=True)
    return rows if all((rows[f"{name} length"] == length).all() for name, length in counted) else None


def _read_rows(body: bytes, at: int, element: _Element, order: str) -> tuple[Columns, int]:
    """One row after the other; also returns where they end."""
    rows: dict[str, list[Any]] = {one.name: [] for one in element.properties}
    for _ in range(element.count):
        for one in element.properties:
            length = 1
            if one.length:
                length = int(numpy.frombuffer(body, order + one.length, 1, at)[0])
                _require_length(length)
                at += numpy.dtype(one.length).itemsize
            values = numpy.frombuffer(body, order + one.kind, length, at) if length else numpy.empty(0)
            rows[one.name].append(values if one.length else values[0])
            at += length * numpy.dtype(one.kind).itemsize
    return dict(rows), at
