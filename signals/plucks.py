"""Plucked strings and struck bars: the family of sounds that comes with gonkit, made from their physics."""

from __future__ import annotations

__all__ = ["MATERIALS", "NOTES", "TOUCHES", "notes", "pluck_name", "plucks"]

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

MATERIALS = ("nylon string", "steel string", "rosewood bar", "aluminum bar", "glass bar")
LOWEST = 110.0  # Hz
SEMITONES = 25
TOUCHES = 8  # where and how hard a string or bar is struck


@dataclass(frozen=True)
class _Body:
    """What vibrates.

    Attributes:
        ratios: of partials to the lowest.
        seconds: that 220 Hz takes to fade to 1/e.
        damping: power of frequency that fading goes with.
        fall: power of frequency that amplitudes fall with.
    """

    ratios: tuple[float, ...]
    seconds: float
    damping: float
    fall: float


def _string(stiffness: float) -> tuple[float, ...]:
    """Partials of a stiff string, n √(1 + B n²): Fletcher & Rossing, The Physics of Musical Instruments, 2.18."""
    return tuple(n * math.sqrt(1 + stiffness * n * n) for n in range(1, 40))


BODIES = (
    _Body(_string(5e-5), 0.5, 0.9, 1.6),
    _Body(_string(2e-4), 0.9, 0.5, 1.0),
    _Body((1, 3.93, 9.24), 0.12, 1.0, 1.2),  # undercut as marimba bars are
    _Body((1, 3.99, 10.65), 1.2, 0.7, 1.0),  # and as vibraphone bars are
    _Body((1, 2.756, 5.404, 8.933), 0.35, 0.8, 0.6),  # a free bar of even thickness
)


@lru_cache(maxsize=1)
def plucks(rate: int, length: int) -> tuple[Tensor, Tensor]:
    """The family, (1000, length) at `rate` samples per second, and its materials, (1000,).

    Sums of decaying partials that begin at zero: every pitch of two octaves, by material and touch.
    """
    seconds = torch.arange(length, dtype=torch.float64) / rate
    clips, labels = [], []
    for number in range(len(MATERIALS) * SEMITONES * TOUCHES):
        material, pitch, touch = _place(number)
        body, force = BODIES[material], (touch + 0.5) / TOUCHES
        ratio = torch.tensor(body.ratios, dtype=torch.float64)
        frequency = LOWEST * 2 ** (pitch / 12) * ratio
        amplitude = ratio ** (-body.fall * (1.4 - 0.8 * force))
        if len(body.ratios) > 10:  # a string, plucked at a share of its length
            amplitude = amplitude * torch.sin(math.pi * torch.arange(1, len(ratio) + 1) * (0.08 + 0.3 * force))
        amplitude = amplitude * (frequency < 0.45 * rate)
        fading = torch.exp(-seconds * ((frequency / 220) ** body.damping / body.seconds).unsqueeze(1))
        clip = (amplitude.unsqueeze(1) * fading * torch.sin(2 * math.pi * frequency.unsqueeze(1) * seconds)).sum(0)
        clips.append((0.8 * clip / clip.abs().max()).float())
        labels.append(material)
    return torch.stack(clips), torch.tensor(labels)


NOTES = (0, 2, 4, 5, 7, 9, 11, 12, 14, 16)  # semitones of ten notes of the major scale
NOTE_MATERIAL = 3  # aluminum bars


@lru_cache(maxsize=1)
def notes(rate: int, length: int) -> tuple[Tensor, Tensor, list[str]]:
    """Ten notes on aluminum bars, each struck in eight ways, (80, length): note · 8 + touch, which note, and names."""
    clips, _ = plucks(rate, length)
    numbers = [(NOTE_MATERIAL * SEMITONES + note) * TOUCHES + touch for note in NOTES for touch in range(TOUCHES)]
    label = torch.arange(len(NOTES)).repeat_interleave(TOUCHES)
    return clips[numbers], label, [pluck_name(number) for number in numbers]


def _place(number: int) -> tuple[int, int, int]:
    """Material, semitone and touch."""
    number, touch = divmod(number, TOUCHES)
    return *divmod(number, SEMITONES), touch


def pluck_name(number: int) -> str:
    """What a clip is."""
    material, pitch, touch = _place(number)
    return f"{MATERIALS[material]}, {LOWEST * 2 ** (pitch / 12):.0f} Hz, touch {touch + 1}"
