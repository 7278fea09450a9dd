"""Judge whether a series that used to be active fell silent."""

from collections.abc import Iterator

from schemas.matchers import parse_matchers
from schemas.rule_file_checks import kind_named
from schemas.rule_kinds import NoData
from schemas.rules import SEVERITIES
from schemas.spans import MINUTE_MS, as_text
from streams.rules.firing import NO_SEVERITY, Verdict
from streams.rules.history import History
from streams.rules.kind_protocol import Evidence, Kind, Measured
from streams.rules.needed_windows import Needs
from streams.rules.series_state import SeriesState


class NoDataKind(Kind[NoData]):
    """A rule of the kind no_data."""

    measured = Measured("silence", "greater_than_or_equal", "s")
    needs_operations = False

    def __init__(self, rule: NoData) -> None:
        """Prepare to judge by a rule."""
        super().__init__(rule)
        matchers = parse_matchers(rule.match) if rule.match else ()
        labels = rule.dimensions | {matcher.label for matcher in matchers}
        self.series_kinds = frozenset({kind_named(labels)})
        if self.series_kinds == {"quality"}:
            self.dimension = "overall"
        self._span = rule.after // MINUTE_MS
        self.needs = Needs(in_silence=True)
        self.lookback_ms = rule.after

    def judge(self, history: History, minute: int) -> Verdict:
        """Return the verdict on the silence that lasts at the minute's end."""
        silence = history.silence(minute)
        is_silent = silence >= self._span
        severity = SEVERITIES.index(self.rule.severity) if is_silent else NO_SEVERITY
        observed, threshold = 60.0 * max(0, silence), 60.0 * self._span
        return Verdict(severity, is_silent, True, observed, 0, threshold, self._span)

    def evidence(self, history: History, minute: int) -> Evidence:
        """Return when it was last active."""
        return {"last_ms": (minute - history.silence(minute)) * MINUTE_MS}

    def sentence(self, series: str, verdict: Verdict, evidence: Evidence) -> str:
        """Return how long it has been silent."""
        if not verdict.observed:
            return f"{series} has data again"
        silence = as_text(int(verdict.observed) * 1000)
        return f"{series} has been silent for {silence} (≥ {as_text(self.rule.after)})"

    def condition(self) -> str:
        """Return after how long a breach opens."""
        return f"nothing for {as_text(self.rule.after)}"

    def silent_changes(self, state: SeriesState, first: int) -> Iterator[int]:
        """Yield the minute in which it has been silent for long enough."""
        yield state.last_active + self._span
