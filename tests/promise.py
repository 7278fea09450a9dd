"""What percentiles promise, and distributions that have broken such promises."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

RANKS = (0.5, 0.9, 0.95, 0.99)
#: All that is promised, not only what is published.
ALL_RANKS = tuple(np.linspace(0.5, 0.99, 99).tolist())
#: So many distinct values, or fewer, need no sketch.
EXACT_UP_TO = 400


def _mixed(share: float, one: Callable[..., Floats], other: Callable[..., Floats]) -> Any:
    return lambda random, n: np.where(random.random(n) < share, one(random, n), other(random, n))


def _whole(draw: Callable[..., Floats]) -> Callable[..., Floats]:
    return lambda random, n: draw(random, n).round()


def _lognormal(mean: float, sigma: float) -> Callable[..., Floats]:
    return lambda random, n: random.lognormal(mean, sigma, n).round(3)


def _always(value: float) -> Callable[..., Floats]:
    return lambda _, n: np.full(n, value)


DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "one value": _always(0.1),
    "two values": _mixed(0.95, _always(2.0), _always(30_000.0)),
    "two values, half each": _mixed(0.5, _always(0.3), _always(0.7)),
    "few whole ms": lambda random, n: random.poisson(1.6, n).astype(float),
    "whole ms": _whole(_lognormal(4, 0.6)),
    "wide whole ms": _whole(_lognormal(6, 1.5)),
    "halves": lambda random, n: (random.gamma(2, 30, n) * 2).round() / 2,
    "mostly 0 ms": _mixed(0.6, _always(0.0), _lognormal(3, 2)),
    "heavy ties with a tail": _mixed(
        0.9, lambda random, n: random.integers(1, 6, n).astype(float), _lognormal(6, 1)
    ),
    "timeouts": _mixed(0.08, _always(5_000.0), _lognormal(7, 1.2)),
    "ties among close values": _mixed(
        0.3, _always(250.0), lambda random, n: random.normal(250, 2, n).round(3)
    ),
    "lognormal": _lognormal(5, 0.6),
    "very wide": _lognormal(3, 3),
    "pareto": lambda random, n: ((random.pareto(1.1, n) + 1) * 20).round(3),
    "bimodal": _mixed(0.95, _lognormal(2, 1), _lognormal(9, 0.3)),
    "gaps": lambda random, n: np.exp(random.integers(0, 40, n) * 0.35).round(3),
}


def assert_as_promised(told: Sequence[float], samples: Floats, ranks: Sequence[float]) -> None:
    """Within 0.5 % in value, or 0.1 point in rank; exact where few distinct values repeat."""
    assert len(told) == len(ranks)
    ordered = np.sort(samples)
    exact = np.quantile(ordered, ranks)
    if len(np.unique(samples)) <= min(EXACT_UP_TO, len(samples) - 1):
        np.testing.assert_allclose(told, exact, rtol=1e-7)
        return
    low = np.quantile(ordered, np.array(ranks) - 0.001) * (1 - 1e-6)
    high = np.quantile(ordered, np.array(ranks) + 0.001) * (1 + 1e-6)
    close = np.abs(told - exact) <= 0.005 * exact
    off = ~(close | ((low <= told) & (told <= high)))
    assert not off.any(), np.column_stack([ranks, told, exact])[off]


@cache
def documented(name: str = "percentile") -> Any:
    """Return a function that the documentation gives to strangers."""
    docs = Path(__file__).parents[1] / "docs" / "percentiles.md"
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", docs.read_text(), re.DOTALL):
        assert len([line for line in code.splitlines() if line]) <= 20
        exec(code, names)
    return names[name]
