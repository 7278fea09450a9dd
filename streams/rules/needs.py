"""Say which of a series' windows its rules need."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.rules import BurnRate, MetricThreshold, NoData, ServiceStatus, TrendRule
from streams.rules.metrics import rank_of

#: Spans up to so many minutes are made of minutes alone; …
MINUTES_UP_TO = 60
#: … up to so many their edges are of five minutes, beyond of hours.
FIVES_UP_TO = 360
#: Exemplars are kept of so many minutes.
EXEMPLAR_MINUTES = 5
_MINUTE_MS = 60_000


class Needs(NamedTuple):
    """Spans in minutes; 0 for none."""

    short: int
    """The longest span up to an hour."""
    long: int
    """The longest span beyond."""
    digests: int
    """The longest span of which a percentile is told."""
    trends: frozenset[str]
    in_silence: bool
    """Whether a rule has something to say of minutes in which nothing happens."""


def in_silence_from(rule: object) -> int:
    """Return for how many minutes a series must be silent for a rule to open by that; 0: none."""
    if isinstance(rule, NoData):
        return rule.after // _MINUTE_MS
    if isinstance(rule, MetricThreshold) and rule.metric == "throughput":
        return rule.window // _MINUTE_MS
    return 0


def needs_of(rules: Iterable[object]) -> Needs:
    """Return what rules (of schemas.rules) need together."""
    spans: list[int] = [1]
    digests = [0]
    trends: set[str] = set()
    in_silence = False
    for rule in rules:
        if isinstance(rule, MetricThreshold):
            spans.append(rule.window // _MINUTE_MS)
            if rank_of(rule.metric) is not None or rule.metric == "duration_mean":
                digests.append(spans[-1])
            in_silence |= rule.metric == "throughput"
        elif isinstance(rule, BurnRate):
            spans += [span // _MINUTE_MS for pair in rule.pairs for span in (pair.long, pair.short)]
        elif isinstance(rule, TrendRule):
            trends.add(rule.window)
        elif isinstance(rule, NoData):
            in_silence = True
        else:
            assert isinstance(rule, ServiceStatus)
    return Needs(
        max((span for span in spans if span <= MINUTES_UP_TO), default=0),
        max((span for span in spans if span > MINUTES_UP_TO), default=0),
        max(digests),
        frozenset(trends),
        in_silence,
    )
