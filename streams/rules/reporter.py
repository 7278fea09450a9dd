"""Open, update and resolve the breaches of one series, and collect the records that say so."""

from typing import NamedTuple

from schemas.breaches import BreachState, Why
from schemas.spans import MINUTE_MS
from streams.rules.breach import (
    BreachSubject,
    BreachUpdate,
    breach_record,
    ended_by_the_file,
    id_of,
    id_of_result,
    rule_changed,
)
from streams.rules.compiled import CompiledRule
from streams.rules.firing import LAPSE, NO_SEVERITY, FiringState, Verdict
from streams.rules.history import History
from streams.rules.series_state import OpenBreach, RuleState, SeriesState
from streams.rules.stored_window import ResultExemplar

#: What ended this long before its record was published is history.
STALE_MS = 15 * MINUTE_MS
_UNKNOWN = Verdict(NO_SEVERITY, False, False, None, 0, None, 1)


class RuleOnSeries(NamedTuple):
    """A rule, and where it stands with a series."""

    rule: CompiledRule
    state: RuleState


class Reporter:
    """What the rules of a series have to publish."""

    def __init__(self, subject: BreachSubject, state: SeriesState, history: History) -> None:
        """Report of a series."""
        self._subject = subject
        self._state = state
        self._history = history
        self._records: list[bytes] = []

    def drain(self) -> list[bytes]:
        """Return the records since the last call, in order."""
        records, self._records = self._records, []
        return records

    def open(
        self,
        pair: RuleOnSeries,
        firing: FiringState,
        minute: int,
        verdict: Verdict,
        *,
        stale: bool,
        confirmed: bool,
    ) -> None:
        """Open a breach."""
        rule, state = pair
        # What a later minute opened may have been confirmed, and resolved, by an earlier one.
        again = state.openings if firing.began <= state.last_named else 0
        state.openings += 1
        state.last_named = max(state.last_named, firing.began)
        state.breach = OpenBreach(
            id_of(rule.rule.name, self._subject.series, firing.began, again),
            0,
            firing.severity,
            firing.began,
            firing.opened,
            minute,
            minute,
            confirmed,
            stale,
            b"",
        )
        self._report(pair, "opened", "violated", minute, verdict)

    def single(
        self,
        pair: RuleOnSeries,
        result: ResultExemplar,
        minute: int,
        verdict: Verdict,
        *,
        stale: bool,
    ) -> None:
        """Publish a breach by a single result: it opens, and ends at once."""
        rule, state = pair
        before, series = state.breach, self._subject.series
        name = id_of_result(rule.rule.name, series, result.id)
        severity, times = verdict.severity, (minute, minute, minute, minute)
        state.breach = OpenBreach(name, 0, severity, *times, True, stale, b"")
        self._report(pair, "opened", "violated", minute, verdict, result)
        self._report(pair, "resolved", "condition_gone", minute, verdict, result)
        state.breach = before

    def update(self, pair: RuleOnSeries, why: Why, minute: int, verdict: Verdict) -> None:
        """Publish what changed about an open breach, which is judged (again)."""
        assert pair.state.breach is not None
        pair.state.breach.judged = True
        self._report(pair, "updated", why, minute, verdict)

    def resolve(
        self,
        pair: RuleOnSeries,
        why: Why,
        minute: int,
        verdict: Verdict | None,
        timestamp_ms: int | None = None,
    ) -> None:
        """End an open breach; it is as stale as it was without the timestamp of what ends it."""
        breach = pair.state.breach
        assert breach is not None
        if timestamp_ms is not None:
            breach.stale = is_stale(minute, timestamp_ms)
        breach.judged = True
        self._report(pair, "resolved", why, minute, verdict)

    def stop_judging(self, pair: RuleOnSeries, minute: int, verdict: Verdict | None) -> None:
        """Publish that an open breach is no longer judged, unless it keeps firing."""
        breach = pair.state.breach
        assert breach is not None
        if not breach.judged or pair.rule.keeps_firing:
            return
        breach.judged = False
        minutes = range(minute - LAPSE + 1, minute + 1)
        is_active = any(not self._history.is_silent(at) for at in minutes)
        why: Why = "too_few_samples" if is_active else "no_operations"
        self._report(pair, "updated", why, minute, verdict)

    def change(self, pair: RuleOnSeries) -> None:
        """Publish that an open breach goes on by another version of its rule."""
        assert pair.state.breach is not None
        self._add(pair.state.breach, rule_changed(self._subject, pair.rule, pair.state.breach))

    def end_by_the_file(self, state: RuleState, why: Why) -> None:
        """End an open breach, if there is one, since its rule is gone or another."""
        if state.breach is not None:
            self._add(state.breach, ended_by_the_file(state.breach, why))
            state.breach = None

    def _report(
        self,
        pair: RuleOnSeries,
        breach_state: BreachState,
        why: Why,
        minute: int,
        verdict: Verdict | None,
        result: ResultExemplar | None = None,
    ) -> None:
        rule, state = pair
        breach = state.breach
        assert breach is not None
        breach.revision += 1
        breach.reported = max(breach.reported, minute)
        update = BreachUpdate(breach_state, why, minute)
        self._add(
            breach,
            breach_record(
                self._subject, rule, breach, update, verdict or _UNKNOWN, self._history, result
            ),
        )
        if breach_state == "resolved":
            state.breach = None

    def _add(self, breach: OpenBreach, record: bytes) -> None:
        breach.last = record
        self._records.append(record)
        self._state.published += 1


def is_stale(minute: int, timestamp_ms: int) -> bool:
    """Return whether a minute was history when a record about it was published."""
    return timestamp_ms - (minute + 1) * MINUTE_MS > STALE_MS
