"""Draw traffic with known failures from a seed: operations and failures per third of a minute."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

#: How often provisional windows are published in a minute.
PARTS = 3
HOUR = 60
#: Share of operations that fail while nothing is wrong.
BASE = 0.005
#: How strongly the failures within a minute are correlated; 0: not at all.
CORRELATION = 0.02
A_MINUTE = 200.0
LOW_A_MINUTE = 2.0
ONE_OF_TWENTY = "1 of 20"


class Incident(NamedTuple):
    """A failure of a platform: start <= minute < end."""

    platform: str
    start: int
    end: int


class Shape(NamedTuple):
    """A failure, by minute: the share of operations that fail besides the usual ones."""

    name: str
    extra: tuple[float, ...]
    silent: bool = False
    """No operations at all instead."""
    volume: float = 1.0
    """So much of the usual traffic comes."""


SHAPES = (
    Shape("burst", (0.05,) * 10),
    Shape("short", (0.5,) * 3),
    Shape("step", (0.1,) * 6 * HOUR),
    Shape("ramp", (*np.linspace(0, 0.2, 2 * HOUR).tolist(), *(0.2,) * HOUR)),
    Shape("outage", (0.9,) * 20),
    Shape("silence", (0.0,) * 30, silent=True),
)
#: Long enough for a whole hour to be in it.
DROP = Shape("drop", (0.0,) * 2 * HOUR, volume=0.3)


@dataclass(kw_only=True)
class Scenario:
    """Platforms' traffic, (minutes, PARTS) each, and what is wrong with it."""

    name: str
    minutes: int
    operations: dict[str, np.ndarray] = field(default_factory=dict)
    failures: dict[str, np.ndarray] = field(default_factory=dict)
    incidents: list[Incident] = field(default_factory=list)
    total: bool = False
    """Whether all platforms together are a series as well."""
    finals_until: int = 0
    """Minutes before this one are published as final only."""

    def add(self, random, platform: str, a_minute, base, correlation: float, extra=0.0) -> None:
        """Draw a platform: numbers, or one a minute."""
        minutes = self.minutes
        rate = np.broadcast_to(np.asarray(base, float), minutes)
        if correlation:
            spread = 1 / correlation - 1
            rate = random.beta(rate * spread, (1 - rate) * spread)
        fails = 1 - (1 - rate) * (1 - np.broadcast_to(extra, minutes))
        volume = np.broadcast_to(np.asarray(a_minute, float), minutes)
        drawn = random.poisson(np.repeat(volume[:, None] / PARTS, PARTS, axis=1))
        self.operations[platform] = drawn
        self.failures[platform] = random.binomial(drawn, fails[:, None])


def calm(random, minutes: int) -> list[Scenario]:
    """Return traffic without failures to find."""
    hours = np.arange(minutes) / HOUR
    wave = np.sin(2 * np.pi * (hours - 9) / 24)
    found = []
    for name, a_minute, base, correlation in (
        ("steady", A_MINUTE, BASE, 0.0),
        ("noisy", A_MINUTE, BASE, CORRELATION),
        ("daily", A_MINUTE * (1 + 0.9 * wave), BASE * (1 + 0.2 * wave), CORRELATION),
        ("low", LOW_A_MINUTE, BASE, 0.0),
    ):
        scenario = Scenario(name=name, minutes=minutes)
        scenario.add(random, name, a_minute, base, correlation)
        found.append(scenario)
    return found


def failing(random, shape: Shape, failures: int, before: int) -> Scenario:
    """Return `failures` failures in steady and as many in noisy traffic, at any minutes."""
    after = min(before, 3 * HOUR)
    minutes = before + HOUR + len(shape.extra) + after
    scenario = Scenario(name=shape.name, minutes=minutes)
    for number in range(2 * failures):
        noisy = number % 2
        start = before + int(random.integers(HOUR))
        end = start + len(shape.extra)
        extra = np.zeros(minutes)
        extra[start:end] = shape.extra
        volume = np.full(minutes, A_MINUTE)
        volume[start:end] *= 0 if shape.silent else shape.volume
        platform = f"{shape.name}-{'noisy' if noisy else 'steady'}-{number // 2}"
        scenario.add(random, platform, volume, BASE, CORRELATION * noisy, extra)
        scenario.incidents.append(Incident(platform, start, end))
    if shape.silent:  # somebody speaks always, or it would be the clock's to see
        scenario.add(random, "witness", A_MINUTE, BASE, 0.0)
    return scenario


def one_of_twenty(random, before: int) -> Scenario:
    """Return twenty noisy platforms of which one fails a fifth of its operations for an hour."""
    minutes = before + 2 * HOUR
    scenario = Scenario(name=ONE_OF_TWENTY, minutes=minutes, total=True)
    for number in range(20):
        extra = np.zeros(minutes)
        if number == 7:
            extra[before : before + HOUR] = 0.2
        scenario.add(random, f"platform-{number}", A_MINUTE, BASE, CORRELATION, extra)
    scenario.incidents.append(Incident("platform-7", before, before + HOUR))
    return scenario
