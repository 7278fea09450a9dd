"""Judge one series: settle minutes that are final, look at those that are not, say what changed.

    minutes   ... 10    11    12    13
    windows       final final prov. prov.
                  `settled`^  `live`: the same fold over the rest, anew each time

A breach opens by `live` and resolves by `settled`; in between `settled` confirms it, or the
finals say it never was.
"""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.breaches import BreachState, Why
from streams.digests import Engine
from streams.rules.breach import About, Moment, breach, id_of, removed
from streams.rules.compiled import Compiled
from streams.rules.fold import IDLE, Fold, step
from streams.rules.needs import in_silence_from, needs_of
from streams.rules.records import Told
from streams.rules.rows import Episode, Row, RuleState
from streams.rules.seen import Seen
from streams.rules.verdict import NO_SEVERITY, Verdict

_MINUTE_MS = 60_000
#: What ended so long before it was told is history.
STALE_MS = 15 * _MINUTE_MS
#: What goes on is said again every so many minutes.
_AGAIN = 5
#: A window that is not final so many minutes after others are never will be.
_OVERDUE = 60
_PRUNE = 5
#: A series of which nothing was heard for so many minutes is silent.
_SILENT = 60
_UNKNOWN = Verdict(NO_SEVERITY, False, False, None, 0, None, 1)


class _One(NamedTuple):
    rule: Compiled
    state: RuleState


class Judged:
    """A series under its rules."""

    def __init__(
        self, series: str, row: Row, rules: Sequence[Compiled], rules_hash: str, engine: Engine
    ) -> None:
        """Begin with what the row holds; `reload` must have made its rules these."""
        self.row = row
        self._about = About(series, row.labels, rules_hash)
        self._needs = needs_of(one.rule for one in rules)
        self._seen = Seen(row, self._needs, engine)
        self._ones = [_One(rule, row.rules[rule.rule.name]) for rule in rules]
        self._said: list[bytes] = []
        self._older: list[Fold] = []
        self._older_of: tuple[int, int, int] | None = None

    # ------------------------------------------------------------------ inputs

    def take(self, told: Told, timestamp_ms: int, horizon: int) -> list[bytes]:
        """Take a window in; return what is said.

        Args:
            told: the window.
            timestamp_ms: its record's.
            horizon: the newest final minute of the partition.
        """
        if self.row.settled < horizon - 1:
            self._settle(horizon, timestamp_ms)
        if self._seen.take(told):
            self._settle(horizon, timestamp_ms)
            self._live(timestamp_ms)
        return self._spoken()

    def settle(self, horizon: int, timestamp_ms: int) -> list[bytes]:
        """Take the minutes before the horizon as final where nothing was heard of them."""
        before = self.row.settled
        self._settle(horizon, timestamp_ms)
        if self.row.settled > before:
            self._live(timestamp_ms)
        return self._spoken()

    def leave(self, minute: int, timestamp_ms: int) -> list[bytes]:
        """Resolve what is open, since the series is no more, and let go of its windows."""
        for one in self._ones:
            if one.state.episode is not None:
                one.state.episode.stale = self._is_stale(minute, timestamp_ms)
                self._say(one, "resolved", "series_gone", minute, None)
            one.state.fold = IDLE
        self._seen.forget()
        self.row.settled = max(self.row.settled, minute)
        self.row.newest = max(self.row.newest, minute)
        return self._spoken()

    @property
    def is_at_rest(self) -> bool:
        """Whether the passing of time alone changes nothing any more."""
        return (
            not self._needs.in_silence
            and self._seen.is_empty
            and all(one.state.fold is IDLE or one.state.fold == IDLE for one in self._ones)
            and not any(one.state.episode for one in self._ones)
        )

    @property
    def firing(self) -> int:
        """How many of its rules have a breach open."""
        return sum(one.state.episode is not None for one in self._ones)

    def pack(self) -> Row:
        """Return the row, ready for the table."""
        self._seen.pack_digests()
        return self.row

    def _spoken(self) -> list[bytes]:
        said, self._said = self._said, []
        return said

    # ------------------------------------------------------------------ settled

    def _settle(self, horizon: int, timestamp_ms: int) -> None:
        row = self.row
        while True:
            minute = row.settled + 1
            held = row.minutes.get(minute)
            if held is None:
                if minute >= horizon:
                    return
                quiet_to = self._quiet_to(minute, horizon, timestamp_ms)
                if quiet_to >= minute:
                    row.settled = quiet_to
                    self._seen.prune()
                    continue
            elif not held.final and horizon - minute < _OVERDUE:
                return
            for one in self._ones:
                self._settle_one(one, minute, timestamp_ms)
            row.settled = minute
            if minute % _PRUNE == 0:
                self._seen.prune()

    def _quiet_to(self, minute: int, horizon: int, timestamp_ms: int) -> int:
        """Return up to which minute nothing that is said can change, if from this one on.

        A gap of days would otherwise be judged minute by minute. Once a series was silent for an
        hour nothing opens but what is about silence: that good operations of long ago leave a long
        span is no news.
        """
        row = self.row
        is_empty = self._seen.is_empty
        if not is_empty and minute - row.newest <= _SILENT:
            return minute - 1
        later = [at for at in row.minutes if at > minute]
        to = min([horizon, *later]) - 1
        for rule, state in self._ones:
            fold, episode = state.fold, state.episode
            if fold == IDLE and episode is None:
                crossing = row.spoke + in_silence_from(rule.rule)
                if crossing >= minute:
                    to = min(to, crossing - 1)
            elif is_empty and fold.is_steady and episode is not None and episode.confirmed:
                fresh = (timestamp_ms - STALE_MS) // _MINUTE_MS - 1
                to = min(to, fresh - 1)
            else:
                return minute - 1
        return to

    def _settle_one(self, one: _One, minute: int, timestamp_ms: int) -> None:
        rule, state = one
        verdict = rule.judge(rule.rule, self._seen, minute)
        before = state.fold
        after = step(before, verdict, minute, rule.hold, rule.keep)
        state.fold = after
        episode = state.episode
        if after.severity < 0:
            if episode is not None and episode.confirmed and before.severity >= 0:
                episode.stale = self._is_stale(minute, timestamp_ms)
                why: Why = "condition_gone"
                if verdict is not None and not verdict.enough:
                    why = "too_few_samples"
                self._say(one, "resolved", why, minute, verdict)
            return
        stale = self._is_stale(minute, timestamp_ms)
        if episode is None:
            self._open(one, after, minute, verdict, stale=stale, confirmed=True)
            return
        severity = episode.severity if minute < episode.live else after.severity
        if not episode.confirmed:
            episode.confirmed, episode.severity = True, severity
            episode.since, episode.opened = after.began, after.opened
            episode.stale = episode.stale and stale
            self._say(one, "updated", "confirmed", minute, verdict)
        elif severity != episode.severity:
            episode.severity = severity
            episode.stale = episode.stale and stale
            self._say(one, "updated", "severity_changed", minute, verdict)
        elif not stale and (episode.stale or minute - episode.told >= _AGAIN):
            episode.stale = False
            self._say(one, "updated", "still_true", minute, verdict)

    # ------------------------------------------------------------------ live

    def _live(self, timestamp_ms: int) -> None:
        row = self.row
        if row.newest > row.settled:
            newest = row.newest
            stale = self._is_stale(newest, timestamp_ms)
            for one, older in zip(self._ones, self._folded(), strict=True):
                verdict = one.rule.judge(one.rule.rule, self._seen, newest)
                fold = step(older, verdict, newest, one.rule.hold, one.rule.keep)
                if fold.severity >= 0:
                    self._fires(one, fold, newest, verdict, stale=stale)
                elif one.state.episode is not None:
                    self._undo(one, timestamp_ms)
        else:
            for one in self._ones:
                if one.state.episode is not None and one.state.fold.severity < 0:
                    self._undo(one, timestamp_ms)

    def _folded(self) -> list[Fold]:
        """Return each rule's fold up to the minute before the newest."""
        row = self.row
        key = row.settled, row.newest, self._seen.changes
        if key != self._older_of:
            self._older = []
            for rule, state in self._ones:
                fold = state.fold
                for minute in range(row.settled + 1, row.newest):
                    if in_silence_from(rule.rule) and self._seen.at(minute) is None:
                        continue  # not told yet, which is no silence
                    verdict = rule.judge(rule.rule, self._seen, minute)
                    fold = step(fold, verdict, minute, rule.hold, rule.keep)
                self._older.append(fold)
            self._older_of = key
        return self._older

    def _fires(
        self, one: _One, fold: Fold, minute: int, verdict: Verdict | None, *, stale: bool
    ) -> None:
        episode = one.state.episode
        if episode is None:
            self._open(one, fold, minute, verdict, stale=stale, confirmed=False)
            return
        episode.live = max(episode.live, minute)
        if fold.severity > episode.severity:
            episode.severity = fold.severity
            episode.stale = episode.stale and stale
            self._say(one, "updated", "severity_changed", minute, verdict)
        elif episode.stale and not stale:
            episode.stale = False
            self._say(one, "updated", "still_true", minute, verdict)

    def _undo(self, one: _One, timestamp_ms: int) -> None:
        """Resolve what finals do not confirm, once they have said so of all it rested on."""
        episode = one.state.episode
        assert episode is not None
        settled = self.row.settled
        if episode.confirmed or settled < episode.live:
            return
        verdict = one.rule.judge(one.rule.rule, self._seen, settled)
        episode.stale = self._is_stale(settled, timestamp_ms)
        self._say(one, "resolved", "undone", settled, verdict)

    # ------------------------------------------------------------------ saying

    def _is_stale(self, minute: int, timestamp_ms: int) -> bool:
        return timestamp_ms - (minute + 1) * _MINUTE_MS > STALE_MS

    def _open(
        self,
        one: _One,
        fold: Fold,
        minute: int,
        verdict: Verdict | None,
        *,
        stale: bool,
        confirmed: bool,
    ) -> None:
        rule, state = one
        # What a later minute opened may have been confirmed, and resolved, by an earlier one.
        again = state.opened if fold.began <= state.named else 0
        state.opened += 1
        state.named = max(state.named, fold.began)
        state.episode = Episode(
            id_of(rule.rule.name, self._about.series, fold.began, again),
            0,
            fold.severity,
            fold.began,
            fold.opened,
            minute,
            minute,
            confirmed,
            stale,
            b"",
        )
        self._say(one, "opened", "violated", minute, verdict)

    def _say(
        self, one: _One, word: BreachState, why: Why, minute: int, verdict: Verdict | None
    ) -> None:
        rule, state = one
        episode = state.episode
        assert episode is not None
        episode.revision += 1
        episode.told = max(episode.told, minute)
        resolved = word == "resolved"
        moment = Moment(word, why, minute, resolved)
        said = breach(self._about, rule, episode, moment, verdict or _UNKNOWN, self._seen)
        episode.last = said
        self._said.append(said)
        self.row.said += 1
        if resolved:
            state.episode = None


def reload(row: Row, rules: Sequence[Compiled]) -> list[bytes]:
    """Make a row's rules these; return what ends what gone or changed rules had open."""
    said: list[bytes] = []
    wanted = {one.rule.name: one.made_of for one in rules}
    for name, state in row.rules.items():
        if wanted.get(name) == state.made_of:
            continue
        if state.episode is not None:
            state.episode.revision += 1
            said.append(removed(state.episode))
            row.said += 1
            state.episode = None
        state.fold = IDLE
        state.made_of = wanted.get(name, "")
    for name, made_of in wanted.items():
        if name not in row.rules:
            row.rules[name] = RuleState(made_of)
    return said
