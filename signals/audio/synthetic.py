"""The built-in sounds: plucked strings and struck bars, synthesized from their physics."""

from __future__ import annotations

__all__ = ["MATERIALS", "NOTES", "TOUCHES", "Pitch", "pluck_names", "synthesize_notes", "synthesize_plucks"]

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Pitch = Literal["semitones", "continuous"]
MATERIALS = ("nylon string", "steel string", "rosewood bar", "aluminum bar", "glass bar")
LOWEST = 110.0  # Hz
SEMITONES = 25
TOUCHES = 8  # ways to excite a resonator, by position and force
NUM_PLUCKS = len(MATERIALS) * SEMITONES * TOUCHES
NOTES = (0, 2, 4, 5, 7, 9, 11, 12, 14, 16)  # semitones of ten notes of the major scale
NOTE_MATERIAL = 3  # aluminum bars


@dataclass(frozen=True)
class Resonator:
    """A vibrating string or bar.

    Attributes:
        ratios: frequencies of the partials, relative to the lowest one.
        decay: time in which 220 Hz fades to 1/e, in s.
        damping: exponent of frequency in the rate of decay.
        rolloff: exponent by which amplitudes fall with frequency.
    """

    ratios: tuple[float, ...]
    decay: float
    damping: float
    rolloff: float


def _string(stiffness: float) -> tuple[float, ...]:
    """Partials of a stiff string, n √(1 + B n²): Fletcher & Rossing, The Physics of Musical Instruments, 2.18."""
    return tuple(n * math.sqrt(1 + stiffness * n * n) for n in range(1, 40))


RESONATORS = (  # in the order of MATERIALS
    Resonator(_string(5e-5), 0.5, 0.9, 1.6),
    Resonator(_string(2e-4), 0.9, 0.5, 1.0),
    Resonator((1, 3.93, 9.24), 0.12, 1.0, 1.2),  # undercut like a marimba bar
    Resonator((1, 3.99, 10.65), 1.2, 0.7, 1.0),  # undercut like a vibraphone bar
    Resonator((1, 2.756, 5.404, 8.933), 0.35, 0.8, 0.6),  # a free bar of uniform thickness
)


class Pluck(NamedTuple):
    """How a clip is made.

    Attributes:
        material: of `MATERIALS`.
        semitone: pitch above 110 Hz, from 0 to 24.
        force: position and force of the touch, from 0 to 1.
        onset: silence before it, in s.
    """

    material: int
    semitone: float
    force: float
    onset: float = 0.0

    @property
    def hertz(self) -> float:
        """Frequency of the lowest partial."""
        return float(LOWEST * 2 ** (self.semitone / 12))


def plucks(count: int | None = None, pitch: Pitch = "semitones", onset: float = 0.0) -> list[Pluck]:
    """The family: a grid of every pitch of two octaves, by material and touch; or `count` random ones.

    Random parameters are uniform functions of a clip's number, so that a larger family begins with a smaller one:
    touches are continuous, and so are onsets, up to `onset` seconds; pitches are semitones or continuous too.
    """
    if count is None:
        return [Pluck(m, s, (t + 0.5) / TOUCHES) for m, s, t in map(_parameters, range(NUM_PLUCKS))]
    (heights, forces), onsets = _uniform(count, 2, seed=0), _uniform(count, 1, seed=1)[0]
    semitones = [int(SEMITONES * s) if pitch == "semitones" else (SEMITONES - 1) * s for s in heights]
    materials = (number % len(MATERIALS) for number in range(count))
    return [Pluck(m, s, f, onset * o) for m, s, f, o in zip(materials, semitones, forces, onsets, strict=True)]


def _uniform(count: int, columns: int, seed: int) -> list[list[float]]:
    """Columns of `count` numbers from 0 to 1, of which a longer one begins with a shorter one."""
    generator = torch.Generator().manual_seed(seed)
    numbers: list[list[float]] = torch.rand(count, columns, generator=generator, dtype=torch.float64).T.tolist()
    return numbers


@lru_cache(maxsize=1)
def synthesize_plucks(
    rate: int, length: int, count: int | None = None, pitch: Pitch = "semitones", onset: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Sums of decaying partials with zero phase, silent before their onset.

    Args:
        rate: sampling rate, in Hz; partials above 0.45 of it are left out.
        length: of each clip, in samples.
        count: see `plucks`.
        pitch: see `plucks`.
        onset: see `plucks`.

    Returns:
        Clips (N, length) with a peak of 0.8, and their materials (N,).
    """
    family = plucks(count, pitch, onset)
    return _synthesize(family, rate, length), _materials(family)


def _materials(family: list[Pluck]) -> Tensor:
    return torch.tensor([pluck.material for pluck in family])


def _synthesize(family: list[Pluck], rate: int, length: int) -> Tensor:
    """(N, length) samples of clips, a few of one material at a time."""
    clips, materials = torch.empty(len(family), length), _materials(family)
    for material in materials.unique().tolist():
        for rows in (materials == material).nonzero()[:, 0].split(4):
            clips[rows] = _synthesize_group(RESONATORS[material], [family[row] for row in rows], rate, length)
    return clips


def _synthesize_group(resonator: Resonator, plucks: list[Pluck], rate: int, length: int) -> Tensor:
    """(N, length) samples of clips of one material."""
    parameters = torch.tensor([(p.hertz, p.force, p.onset) for p in plucks], dtype=torch.float64)
    hertz, force, onset = parameters.T.unsqueeze(2)  # (N, 1) each
    seconds = (torch.arange(length, dtype=torch.float64) / rate - onset).clamp_min(0).unsqueeze(1)  # (N, 1, length)
    ratio = torch.tensor(resonator.ratios, dtype=torch.float64)
    frequency = hertz * ratio  # (N, partials)
    amplitude = ratio ** (-resonator.rolloff * (1.4 - 0.8 * force))
    if len(ratio) > 10:  # a string, plucked at a fraction of its length
        amplitude = amplitude * torch.sin(math.pi * torch.arange(1, len(ratio) + 1) * (0.08 + 0.3 * force))
    amplitude = amplitude * (frequency < 0.45 * rate)
    decay = (frequency / 220) ** resonator.damping / resonator.decay
    waves = torch.exp(-seconds * decay.unsqueeze(2)) * torch.sin(2 * math.pi * seconds * frequency.unsqueeze(2))
    clips: Tensor = (amplitude.unsqueeze(1) @ waves).squeeze(1)
    return (0.8 * clips / clips.abs().amax(1, keepdim=True)).float()


@lru_cache(maxsize=1)
def synthesize_notes(rate: int, length: int) -> tuple[Tensor, Tensor, list[str]]:
    """Ten notes on aluminum bars, each struck in eight ways.

    Returns:
        Clips (80, length) in the order note · 8 + touch, the number of each one's note (80,), and names.
    """
    numbers = [(NOTE_MATERIAL * SEMITONES + note) * TOUCHES + touch for note in NOTES for touch in range(TOUCHES)]
    family, labels = plucks(), torch.arange(len(NOTES)).repeat_interleave(TOUCHES)
    return (
        _synthesize([family[number] for number in numbers], rate, length),
        labels,
        [pluck_name(number) for number in numbers],
    )


def pluck_name(number: int) -> str:
    """Material, pitch and touch of a clip of the grid.

    Example:
        >>> pluck_name(0), pluck_name(999)
        ('nylon string, 110 Hz, touch 1', 'glass bar, 440 Hz, touch 8')
    """
    material, semitone, touch = _parameters(number)
    return f"{MATERIALS[material]}, {LOWEST * 2 ** (semitone / 12):.0f} Hz, touch {touch + 1}"


def pluck_names(count: int | None = None, pitch: Pitch = "semitones", onset: float = 0.0) -> list[str]:
    """Names of the clips of `synthesize_plucks`.

    Example:
        >>> pluck_names(1000)[0], pluck_names(1000, "continuous")[0]
        ('nylon string 1, 440 Hz, touch 0.71', 'nylon string 1, 422 Hz, touch 0.71')
    """
    if count is None:
        return [pluck_name(number) for number in range(NUM_PLUCKS)]
    return [
        f"{MATERIALS[pluck.material]} {number + 1}, {pluck.hertz:.0f} Hz, touch {pluck.force:.2f}"
        + (f", after {1000 * pluck.onset:.0f} ms" if onset else "")
        for number, pluck in enumerate(plucks(count, pitch, onset))
    ]


def _parameters(number: int) -> tuple[int, int, int]:
    """Material, semitone and touch of a clip."""
    number, touch = divmod(number, TOUCHES)
    return *divmod(number, SEMITONES), touch
