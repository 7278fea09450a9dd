"""Judge one series: settle minutes that are final, look at those that are not, report changes.

    minutes   ... 10    11    12    13
    windows       final final prov. prov.
                  `settled`^  live: the same fold over the rest, anew each time

A breach opens by the live fold and resolves by the settled one; in between the settled fold
confirms it, or the finals say it never was. A minute without operations says nothing, neither good
nor bad: after five of them an open breach is no longer judged, and what was about to open begins
anew.
"""

from collections.abc import Sequence

from schemas.breaches import Why
from schemas.spans import MINUTE_MS
from streams.measure.digests import Engine
from streams.rules.aggregate_reader import AggregateRecord
from streams.rules.breach import BreachSubject
from streams.rules.compiled import CompiledRule
from streams.rules.firing import IDLE, LAPSE, FiringState, Verdict
from streams.rules.history import History
from streams.rules.minute_gaps import AGAIN, FORGOTTEN, next_change
from streams.rules.needed_windows import combined
from streams.rules.newest_minutes import LiveFold
from streams.rules.reporter import Reporter, RuleOnSeries, is_stale
from streams.rules.rule_changes import adopt, go_on
from streams.rules.series_state import SeriesState

#: A window that is not final this many minutes after others never will be.
_OVERDUE = 60
_PRUNE_EVERY = 5
#: Results of this many minutes are not published again: windows are revised for an hour.
_REMEMBERED = 120


class SeriesRules:
    """A series under its rules."""

    def __init__(
        self,
        series: str,
        state: SeriesState,
        rules: Sequence[CompiledRule],
        rules_hash: str,
        engine: Engine,
        *,
        adopts: bool,
    ) -> None:
        """Begin with a series' state.

        Args:
            series: its name.
            state: as the table has it.
            rules: that look at it.
            rules_hash: of their file.
            engine: merges digests.
            adopts: whether to bring the state to these rules; a file without rules ends nothing.
        """
        self.state = state
        self._needs = combined(compiled.kind.needs for compiled in rules)
        self._history = History(state, self._needs, engine)
        subject = BreachSubject(series, state.labels, rules_hash)
        self._reporter = Reporter(subject, state, self._history)
        changes, self.is_changed = adopt(state, rules, self._reporter) if adopts else ((), False)
        self._pairs = [RuleOnSeries(it, state.rules[it.rule.name]) for it in rules]
        self._live_fold = LiveFold(state, self._history, self._pairs)
        minutes = [at for at in (state.newest, state.settled) if at in state.minutes]
        go_on(changes, self._pairs, self._history, minutes, self._reporter)

    # ------------------------------------------------------------------ inputs

    def evaluate(self, record: AggregateRecord, timestamp_ms: int, horizon: int) -> list[bytes]:
        """Judge by one more window; return the breach records.

        Args:
            record: the window.
            timestamp_ms: its record's.
            horizon: the newest final minute of the partition.
        """
        is_new = self.state.offset < 0  # what came before its first window is no silence
        if self.state.settled < horizon - 1 and not is_new:
            self._settle(horizon, timestamp_ms)
        if self._history.add(record):
            self._settle(horizon, timestamp_ms)
            self._live(timestamp_ms)
        if record.window.size == "1m":
            self._single(record, timestamp_ms)
        return self.drain()

    def settle(self, horizon: int, timestamp_ms: int, quiet: int = 0) -> list[bytes]:
        """Take minutes before the horizon as final where nothing came; return the breach records.

        Args:
            horizon: the newest final minute of the partition.
            timestamp_ms: of what says so.
            quiet: before this minute nothing came, as the clock says.
        """
        before = self.state.settled
        self._settle(horizon, timestamp_ms)
        if self.state.settled > before:
            self._live(timestamp_ms)
        for pair in self._pairs:
            breach = pair.state.breach
            if breach is not None and pair.rule.kind.needs_operations:
                minute = max(pair.state.judged, breach.live, self.state.newest) + LAPSE
                if minute < quiet:
                    self._reporter.stop_judging(pair, minute, None)
        return self.drain()

    def leave(self, minute: int, timestamp_ms: int) -> list[bytes]:
        """Resolve what is open, since the series is no more, and let go of its windows."""
        for pair in self._pairs:
            if pair.state.breach is not None:
                self._reporter.resolve(pair, "series_gone", minute, None, timestamp_ms)
            pair.state.firing = IDLE
        self._history.forget()
        self.state.settled = max(self.state.settled, minute)
        self.state.newest = max(self.state.newest, minute)
        return self.drain()

    def drain(self) -> list[bytes]:
        """Return the breach records that were not returned yet."""
        return self._reporter.drain()

    @property
    def is_at_rest(self) -> bool:
        """Whether the passing of time alone changes nothing any more."""
        return (
            not self._needs.in_silence
            and self._history.is_empty
            and all(pair.state.firing == IDLE for pair in self._pairs)
            and not self.open_breaches
        )

    @property
    def open_breaches(self) -> int:
        """How many breaches are open, also of rules that are not there now."""
        return sum(state.breach is not None for state in self.state.rules.values())

    def pack(self) -> SeriesState:
        """Return the state, ready for the table."""
        self._history.pack_digests()
        return self.state

    def _single(self, record: AggregateRecord, timestamp_ms: int) -> None:
        """Publish a breach for each bad result of a minute that had none."""
        minute = record.window.start_ms // MINUTE_MS
        for pair in self._pairs:
            for result, verdict in pair.rule.kind.bad_results(record):
                results = pair.state.results
                if result.id not in results.setdefault(minute, []):
                    results[minute].append(result.id)
                    stale = is_stale(minute, timestamp_ms)
                    self._reporter.single(pair, result, minute, verdict, stale=stale)
                for at in [at for at in results if at < self.state.newest - _REMEMBERED]:
                    del results[at]

    # ------------------------------------------------------------------ settled

    def _settle(self, horizon: int, timestamp_ms: int) -> None:
        state = self.state
        enters = True  # nothing of a gap was looked at since a record came
        while True:
            minute = state.settled + 1
            window = state.minutes.get(minute)
            if window is None:
                later = self._history.next_minute(minute)
                end = horizon if later is None else min(horizon, later)
                if minute >= end:
                    return
                if not (enters and self._needs.in_silence):
                    minute = next_change(self._pairs, state, minute, end, timestamp_ms)
                enters = False
                self._settled_to(minute - 1)
                if minute == end:
                    continue
            elif not window.final and horizon - minute < _OVERDUE:
                return
            else:
                enters = True
            for pair in self._pairs:
                self._settle_rule(pair, minute, timestamp_ms)
            self._settled_to(minute)

    def _settled_to(self, minute: int) -> None:
        """Note that the minutes up to one are judged; prune as of each fifth one."""
        before, self.state.settled = self.state.settled, max(self.state.settled, minute)
        if minute // _PRUNE_EVERY > before // _PRUNE_EVERY:
            self._history.prune(minute // _PRUNE_EVERY * _PRUNE_EVERY)

    def _settle_rule(self, pair: RuleOnSeries, minute: int, timestamp_ms: int) -> None:
        rule, state = pair
        verdict = rule.verdict(self._history, minute)
        if verdict is None:
            self._lapse(pair, minute, timestamp_ms)
            return
        before = state.firing
        state.firing, state.judged = rule.step(before, state.judged, verdict, minute)
        after, breach = state.firing, state.breach
        if after.severity < 0:
            if breach is not None and breach.confirmed and before.severity >= 0:
                self._reporter.resolve(pair, "condition_gone", minute, verdict, timestamp_ms)
            return
        stale = is_stale(minute, timestamp_ms)
        if breach is None:
            self._reporter.open(pair, after, minute, verdict, stale=stale, confirmed=True)
            return
        severity = breach.severity if minute < breach.live else after.severity
        why: Why | None = None
        if not breach.confirmed:
            why = "confirmed"
            breach.confirmed = True
            breach.since, breach.opened = after.began, after.opened
        elif not breach.judged and minute >= breach.live:
            why = "judged_again"
        elif severity != breach.severity:
            why = "severity_changed"
        elif not stale and (breach.stale or minute - breach.reported >= AGAIN):
            why = "still_true"
        if why is not None:
            breach.severity, breach.stale = severity, breach.stale and stale
            self._reporter.update(pair, why, minute, verdict)

    def _lapse(self, pair: RuleOnSeries, minute: int, timestamp_ms: int) -> None:
        """Stop judging by a rule when there was too long nothing to judge by."""
        rule, state = pair
        if not rule.kind.needs_operations or minute - state.judged < LAPSE:
            return
        if state.firing.severity < 0:
            state.firing = IDLE
        breach, series = state.breach, self.state
        if breach is None:
            return
        if minute - series.last_active >= FORGOTTEN:
            self._reporter.resolve(pair, "series_gone", minute, None, timestamp_ms)
            state.firing = IDLE
        elif minute - breach.live >= LAPSE and (minute in series.minutes or series.newest < minute):
            verdict = rule.kind.judge(self._history, minute)
            self._reporter.stop_judging(pair, minute, verdict)

    # ------------------------------------------------------------------ live

    def _live(self, timestamp_ms: int) -> None:
        newest = self.state.newest
        if newest <= self.state.settled:
            for pair in self._pairs:
                if pair.state.breach is not None and pair.state.firing.severity < 0:
                    self._undo(pair, timestamp_ms)
            return
        stale = is_stale(newest, timestamp_ms)
        folded = self._live_fold.before_newest()
        for pair, (before, judged) in zip(self._pairs, folded, strict=True):
            verdict = pair.rule.verdict(self._history, newest)
            firing, _ = pair.rule.step(before, judged, verdict, newest)
            if firing.severity >= 0 and verdict is not None:
                self._fire(pair, firing, newest, verdict, stale=stale)
            elif firing.severity < 0 and pair.state.breach is not None:
                self._undo(pair, timestamp_ms)

    def _fire(
        self,
        pair: RuleOnSeries,
        firing: FiringState,
        minute: int,
        verdict: Verdict,
        *,
        stale: bool,
    ) -> None:
        breach = pair.state.breach
        if breach is None:
            self._reporter.open(pair, firing, minute, verdict, stale=stale, confirmed=False)
            return
        breach.live = max(breach.live, minute)
        why: Why | None = None
        if firing.severity > breach.severity:
            why = "severity_changed"
            breach.severity = firing.severity
        elif not breach.judged:
            why = "judged_again"
        elif breach.stale and not stale:
            why = "still_true"
        if why is not None:
            breach.stale = breach.stale and stale
            self._reporter.update(pair, why, minute, verdict)

    def _undo(self, pair: RuleOnSeries, timestamp_ms: int) -> None:
        """Resolve what finals do not confirm, once they have come for all it rested on."""
        breach, settled = pair.state.breach, self.state.settled
        assert breach is not None
        if not breach.confirmed and settled >= breach.live:
            verdict = pair.rule.kind.judge(self._history, settled)
            self._reporter.resolve(pair, "undone", settled, verdict, timestamp_ms)
