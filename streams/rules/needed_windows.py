"""Say which of a series' windows its rules need."""

from collections.abc import Iterable
from typing import NamedTuple

#: Spans up to this many minutes are made of minutes alone; …
MINUTES_UP_TO = 60
#: … up to this many their edges are made of five minutes, beyond of hours.
FIVES_UP_TO = 360
#: Exemplars are stored of this many minutes.
EXEMPLAR_MINUTES = 5


class Needs(NamedTuple):
    """What a rule looks back at, or several together. Spans are in minutes; 0 for none."""

    short: int = 1
    """The longest span up to an hour."""
    long: int = 0
    """The longest span beyond."""
    digests: int = 0
    """The longest span of whose durations a percentile is asked."""
    trends: frozenset[str] = frozenset()
    """The sizes of windows whose trend is asked."""
    hour_ranks: frozenset[float] = frozenset()
    """The ranks (0 to 1) of percentiles that are asked of single hours."""
    bounds: frozenset[float] = frozenset()
    """The durations (ms) for which it is asked how many operations took as long."""
    in_silence: bool = False
    """Whether something is to be found in minutes in which nothing happens."""


def needs_of(*spans: int, digests: int = 0) -> Needs:
    """Return the needs of who looks back over spans, and of durations over another."""
    return combined(
        Needs(short=span, digests=digests) if span <= MINUTES_UP_TO else Needs(1, span, digests)
        for span in spans
    )


def combined(needs: Iterable[Needs]) -> Needs:
    """Return what several rules need together."""
    needs = [Needs(), *needs]
    return Needs(
        max(it.short for it in needs),
        max(it.long for it in needs),
        max(it.digests for it in needs),
        frozenset[str]().union(*(it.trends for it in needs)),
        frozenset[float]().union(*(it.hour_ranks for it in needs)),
        frozenset[float]().union(*(it.bounds for it in needs)),
        any(it.in_silence for it in needs),
    )
