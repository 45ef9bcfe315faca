"""Small and large changes of a file's content, each drawn from a seeded generator."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from random import Random

NUMBERS = (0, 1, 2, 3, 7919, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1)
WORDS = (b"0", b"-1", b"3", b"1.5", b"1e400", b"nan", b"Infinity", b"1000000", b"4000000000", b"9" * 30, b"9" * 5000)
TOKENS = (
    b"null",
    b"[]",
    b"{}",
    b'""',
    b"true",
    b"\xff",
    b"\x00",
    b"\n",
    b"[" * 3000,
    b"../",
    b"1979-05-27",
    b"'",
    b",",
)
HEAD = 600  # bytes at the beginning and the end, where headers are


def _place(random: Random, length: int) -> int:
    """Somewhere, headers more often than their share."""
    if not length:
        return 0
    kind = random.random()
    if kind < 0.5:
        return random.randrange(min(HEAD, length))
    if kind < 0.65:
        return length - 1 - random.randrange(min(HEAD, length))
    return random.randrange(length)


def flip(random: Random, content: bytes, other: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 8)) if content else 0):
        changed[_place(random, len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def truncate(random: Random, content: bytes, other: bytes) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def duplicate(random: Random, content: bytes, other: bytes) -> bytes:
    at, size = _place(random, len(content)), random.choice((1, 4, 16, 100, 1000))
    return content[: at + size] + content[at : at + size] * random.choice((1, 1, 3, 50)) + content[at + size :]


def delete(random: Random, content: bytes, other: bytes) -> bytes:
    at = _place(random, len(content))
    return content[:at] + content[at + random.choice((1, 2, 4, 8, 64)) :]


def splice(random: Random, content: bytes, other: bytes) -> bytes:
    at, size = _place(random, len(other)), random.choice((8, 64, 1000))
    to = _place(random, len(content))
    return content[:to] + other[at : at + size] + content[to + random.choice((0, size)) :]


def number(random: Random, content: bytes, other: bytes) -> bytes:
    """A binary number replaced by a special one."""
    order, (code, size) = random.choice("<>"), random.choice((("B", 1), ("H", 2), ("I", 4), ("Q", 8)))
    value = struct.pack(order + code, random.choice(NUMBERS) % (1 << 8 * size))
    at = _place(random, len(content))
    return content[:at] + value + content[at + size :]


def word(random: Random, content: bytes, other: bytes) -> bytes:
    """A number written out replaced by a special one."""
    found = list(re.finditer(rb"-?\d+(\.\d+)?", content))
    if not found:
        return number(random, content, other)
    match = random.choice(found)
    return content[: match.start()] + random.choice(WORDS) + content[match.end() :]


def token(random: Random, content: bytes, other: bytes) -> bytes:
    """A piece of text put in, or in the place of a word or a number."""
    found = list(re.finditer(rb'"[^"]*"|[\w.]+|[\[{(].*?[\]})]', content))
    piece = random.choice(TOKENS)
    if not found or random.random() < 0.3:
        at = _place(random, len(content))
        return content[:at] + piece + content[at:]
    match = random.choice(found)
    return content[: match.start()] + piece + content[match.end() :]


MUTATIONS: tuple[Callable[[Random, bytes, bytes], bytes], ...] = (
    flip,
    truncate,
    duplicate,
    delete,
    splice,
    number,
    number,
    word,
    word,
    token,
)


def mutate(random: Random, content: bytes, other: bytes) -> tuple[bytes, list[str]]:
    """Content after one to three changes, and their names; `other` is what is spliced in."""
    names = []
    for _ in range(random.choice((1, 1, 2, 3))):
        change = random.choice(MUTATIONS)
        content = change(random, content, other)
        names.append(change.__name__)
    return content, names
