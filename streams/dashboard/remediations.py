"""Say what requests to remedy bad analyses led to: whether they were repeated, and scored better.

Anybody can write to these topics: what is out of bounds is refused as a whole.
"""

from collections.abc import Iterable
from typing import Annotated, NamedTuple

import msgspec

from streams.dashboard.spans import TrailingSpan
from streams.rules.aggregate_reader import MAX_AGGREGATE_BYTES, Count, Ratio

#: Requests, and scores of repeats, that are remembered: the newest.
_MOST = 20_000
#: Only scores of a repeat name an analysis here, as opwatch writes JSON.
_REPEATS = b'"remediates":"'
_Name = Annotated[str, msgspec.Meta(max_length=200)]


class RemediationRequest(msgspec.Struct, gc=False, frozen=True):
    """See schemas.remediations.Remediation."""

    analysis: _Name
    action: _Name
    overall: Ratio
    requested_at: Count


class _Score(msgspec.Struct, gc=False):
    """See schemas.quality_scores.QualityScore."""

    overall: Ratio | None = None
    remediates: _Name | None = None


class RemediationRow(NamedTuple):
    """What requests came to."""

    action: str
    """What was asked for; * for all of it."""
    asked: int
    repeated: int
    """How many of them have a repeat with a score."""
    better: int
    """How many of these have a higher score than before."""
    before: float | None
    """The mean score of those that were repeated …"""
    after: float | None
    """… and that of their repeats."""


_request = msgspec.json.Decoder(RemediationRequest).decode
_score = msgspec.json.Decoder(_Score).decode


class Remediations:
    """The newest requests, and the scores of what repeats an analysis."""

    def __init__(self, since_ms: int = 0) -> None:
        """Know nothing yet; of requests before `since_ms` the scores of repeats are not read."""
        self._since_ms = since_ms
        self._requests: dict[str, RemediationRequest] = {}
        """By the analysis that is bad."""
        self._repeats: dict[str, tuple[int, float]] = {}
        """By the analysis that is repeated: when its latest repeat was scored, and the score."""

    def take_request(self, value: bytes | None) -> None:
        """Take a record on `remediations` in."""
        if not value or len(value) > MAX_AGGREGATE_BYTES:
            return
        try:
            request = _request(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        self._requests[request.analysis] = request
        if len(self._requests) > _MOST:
            del self._requests[next(iter(self._requests))]

    def take_score(self, value: bytes | None, at_ms: int) -> None:
        """Take a record on `quality-scores` in, with its timestamp; most are of no repeat."""
        if not value or _REPEATS not in value:
            return
        try:
            score = _score(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        if score.remediates is None or score.overall is None:
            return
        latest_ms, _ = self._repeats.get(score.remediates, (at_ms, None))
        if at_ms >= latest_ms:
            self._repeats[score.remediates] = at_ms, score.overall
        if len(self._repeats) > _MOST:
            del self._repeats[next(iter(self._repeats))]

    def known_from(self, span: TrailingSpan) -> int:
        """Return from when on it is known what requests of a span came to."""
        return max(span.start_ms, self._since_ms)

    def rows(self, span: TrailingSpan) -> tuple[RemediationRow, ...]:
        """Return what the requests of a span came to: all, then by action, the most first."""
        start_ms = self.known_from(span)
        asked = [
            request
            for request in self._requests.values()
            if start_ms <= request.requested_at < span.end_ms
        ]
        if not asked:
            return ()
        by_action: dict[str, list[RemediationRequest]] = {}
        for request in asked:
            by_action.setdefault(request.action, []).append(request)
        rows = [self._row(action, requests) for action, requests in by_action.items()]
        rows.sort(key=lambda row: (-row.asked, row.action))
        return self._row("*", asked), *rows

    def _row(self, action: str, requests: list[RemediationRequest]) -> RemediationRow:
        pairs = [
            (request.overall, self._repeats[request.analysis][1])
            for request in requests
            if request.analysis in self._repeats
        ]
        return RemediationRow(
            action,
            len(requests),
            len(pairs),
            sum(after > before for before, after in pairs),
            _mean(before for before, _ in pairs),
            _mean(after for _, after in pairs),
        )


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None
