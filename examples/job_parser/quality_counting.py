"""Add up the scores that opwatch published: how good analyses are, and how that changes."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from schemas.quality_scores import DIMENSIONS

OVERALL = "overall"
#: A repeated analysis has healed the one that it repeats if its score is not below this.
ACCEPTABLE = 0.7
#: The trend is drawn by spans of this length, and judged by the last three and the three before.
_SPAN_S = 5.0
_SPANS = 12
_JUDGED = 3
#: A smaller change is none.
_CHANGE = 0.015
_BARS = "▁▂▃▄▅▆▇█"
_LOWEST = 0.4


class _Finding(msgspec.Struct):
    code: str


class _Dimension(msgspec.Struct):
    score: float
    findings: list[_Finding]


class _Score(msgspec.Struct):
    analysis: str
    overall: float | None
    dimensions: dict[str, _Dimension]
    remediates: str | None = None


class _Series(msgspec.Struct):
    dimension: str
    operation: str
    platform: str | None
    model: str | None


class _Span(msgspec.Struct):
    size: str
    start_ms: int


class _Window(msgspec.Struct):
    series: _Series
    window: _Span
    revision: int
    count: int


class Trend(NamedTuple):
    """The mean of the last seconds, its direction, and the means before, drawn."""

    mean: float
    direction: str
    drawn: str


class Accounts(NamedTuple):
    """What became of the analyses."""

    scored: int
    left_out: int
    dead_letters: int
    requested: int
    """Requests to remedy."""
    healed: int
    in_windows: int
    """Scores that windows of kind `quality` count."""

    @property
    def all(self) -> int:
        """Return of how many analyses it is clear what became of them."""
        return self.scored + self.left_out + self.dead_letters


_TOTAL = _Series(OVERALL, "*", None, None)


class QualityCounts:
    """The scores of a run, each analysis once; of two of an analysis the later one counts."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without scores."""
        self.findings: Counter[str] = Counter()
        self._clock = clock
        self._overall: dict[str, float | None] = {}
        self._healed: set[str] = set()
        self._dead_letters: set[bytes] = set()
        self._requests: set[bytes] = set()
        self._spans: deque[tuple[int, dict[str, list[float]]]] = deque(maxlen=_SPANS)
        self._windows: dict[int, tuple[int, int]] = {}
        self._decoder = msgspec.json.Decoder(_Score)
        self._window_decoder = msgspec.json.Decoder(_Window)

    def score(self, record: bytes) -> None:
        """Add a record of `quality-scores`."""
        score = self._decoder.decode(record)
        is_new = score.analysis not in self._overall
        self._overall[score.analysis] = score.overall
        if score.remediates is not None:
            is_healed = score.overall is not None and score.overall >= ACCEPTABLE
            (self._healed.add if is_healed else self._healed.discard)(score.analysis)
        if not is_new or score.overall is None:
            return
        for dimension in score.dimensions.values():
            self.findings.update(finding.code for finding in dimension.findings)
        sums = self._span()
        scores = {name: it.score for name, it in score.dimensions.items()}
        for name, value in (scores | {OVERALL: score.overall}).items():
            total = sums.setdefault(name, [0.0, 0.0])
            total[0] += value
            total[1] += 1

    def window(self, record: bytes) -> None:
        """Add a record of `aggregates` of kind `quality`."""
        found = self._window_decoder.decode(record)
        if found.series == _TOTAL and found.window.size == "1m":
            before = self._windows.get(found.window.start_ms, (0, 0))
            self._windows[found.window.start_ms] = max(before, (found.revision, found.count))

    def dead_letter(self, key: bytes) -> None:
        """Add the dead letter of an analysis."""
        self._dead_letters.add(key)

    def request(self, record: bytes) -> None:
        """Add a request to remedy."""
        self._requests.add(record)

    @property
    def accounts(self) -> Accounts:
        """Return what became of the analyses."""
        left_out = sum(overall is None for overall in self._overall.values())
        return Accounts(
            scored=len(self._overall) - left_out,
            left_out=left_out,
            dead_letters=len(self._dead_letters),
            requested=len(self._requests),
            healed=len(self._healed),
            in_windows=sum(count for _, count in self._windows.values()),
        )

    def trend(self, name: str) -> Trend | None:
        """Return the trend of a dimension, or overall; None without scores."""
        spans = [sums[name] for _, sums in self._spans if name in sums]
        if not spans:
            return None
        now = _mean(spans[-_JUDGED:])
        before = spans[-2 * _JUDGED : -_JUDGED]
        change = now - _mean(before) if before else 0.0
        direction = "→" if abs(change) < _CHANGE else "↗" if change > 0 else "↘"
        return Trend(now, direction, "".join(_bar(_mean([span])) for span in spans))

    def lines(self) -> list[str]:
        """Return quality as two lines of a screen; none before the first score."""
        overall = self.trend(OVERALL)
        if overall is None:
            return []
        accounts = self.accounts
        dimensions = [(name, it) for name in DIMENSIONS if (it := self.trend(name))]
        remedies = f"{accounts.requested:,} remedies, {accounts.healed:,} healed"
        mean = f"quality {overall.mean:.2f} {overall.direction} {overall.drawn}"
        return [
            f"{mean}  ·  {accounts.scored:,} scored  ·  {remedies}",
            "  ".join(f"{name} {it.mean:.2f} {it.direction}" for name, it in dimensions),
        ]

    def _span(self) -> dict[str, list[float]]:
        number = int(self._clock() / _SPAN_S)
        if not self._spans or self._spans[-1][0] != number:
            self._spans.append((number, {}))
        return self._spans[-1][1]


def _mean(spans: Iterable[list[float]]) -> float:
    totals = list(spans)
    return sum(total for total, _ in totals) / sum(count for _, count in totals)


def _bar(mean: float) -> str:
    share = (mean - _LOWEST) / (1 - _LOWEST)
    return _BARS[min(len(_BARS) - 1, max(0, int(share * len(_BARS))))]
