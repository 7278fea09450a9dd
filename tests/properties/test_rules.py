"""Rules say the same, byte for byte, wherever the log is cut; and each breach only once."""

import random
from collections.abc import Iterator

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.breaches import Breach
from streams.rules.evaluator import BreachRecord, Evaluator, read_aggregate
from streams.rules.quiet_partitions import BROKER_AWAY_MS, QUIET_MS
from streams.rules.series_state import version_of
from tests.effort import examples
from tests.unit.streams.rules.worlds import (
    BASE,
    MINUTE_MS,
    operations,
    rule_file,
    service,
    threshold,
)

RULES = rule_file(
    threshold(name="tiers", each="platform", window="3m", tiers=[
        {"severity": "medium", "threshold": 5.0}, {"severity": "high", "threshold": 20.0}]),
    threshold(name="patient", each="platform", min_samples=10, resolve_threshold=2.0,
              keep_firing_for="2m", **{"for": "1m"}),
    threshold(name="slow", each="platform", metric="duration_p95", threshold=30.0, window="2m"),
    threshold(name="mean", each="platform", metric="duration_mean", threshold=20.0, window="2m"),
    threshold(name="quiet", each="platform", metric="throughput", operator="less_than",
              threshold=0.2),
    {"name": "silent", "kind": "no_data", "after": "4m", "each": "platform"},
    {"name": "burn", "kind": "burn_rate", "objective": 95.0, "min_samples": 20, "pairs": [
        {"rate": 2, "long": "2h", "short": "2m", "severity": "high"}]},
    {"name": "latency", "kind": "burn_rate", "objective": 50.0, "below": "20ms", "each": "platform",
     "min_samples": 20, "pairs": [{"rate": 1.2, "long": "2h", "short": "2m", "severity": "high"}]},
    {"name": "less", "kind": "change", "each": "platform", "metric": "throughput", "window": "3m",
     "operator": "less_than", "threshold": -40.0, "resolve_threshold": -20.0, "min_samples": 5},
    {"name": "slower", "kind": "change", "each": "platform", "metric": "duration_p95",
     "window": "2m", "operator": "greater_than", "threshold": 30.0, "for": "1m"},
    {"name": "since_yesterday", "kind": "change", "metric": "error_rate", "window": "1h",
     "operator": "greater_than", "threshold": 10.0, "against": "day"},
    {"name": "down", "kind": "service_status", "status": "down", "each": "service"},
)  # fmt: skip
PLATFORMS = ("lever", "ashby", None)
Record = tuple[int, bytes]
"""(timestamp, aggregate)."""


def history(seed: int, minutes: int) -> list[Record]:
    """Return a partition's log as windows publishes it: provisional, final, late, again."""
    rng = random.Random(seed)
    log: list[Record] = []
    counts: dict[tuple[str | None, int], tuple[int, int, float]] = {}
    minute = 0
    while minute < minutes:
        minute += rng.choice((1,) * 12 + (2, 7))
        stamp = (BASE + minute) * MINUTE_MS + rng.choice((0,) * 9 + (16 * MINUTE_MS,))
        for _ in range(rng.randrange(4)):
            _grow(rng, counts, log, rng.choice(PLATFORMS), minute, stamp, final=False)
        if rng.random() < 0.2:
            late = max(0, minute - rng.randrange(1, 5))
            _grow(rng, counts, log, rng.choice(PLATFORMS), late, stamp, final=True)
        if rng.random() < 0.3:
            log.append((stamp, service(minute, rng.choice(("up", "down")), final=False)))
        log.append((stamp, service(minute, rng.choice(("up", "up", "down")))))
        for platform in PLATFORMS:
            if (platform, minute) in counts:
                _grow(rng, counts, log, platform, minute, stamp + 70_000, final=True)
        if rng.random() < 0.1 and log:
            log.append(rng.choice(log))  # said again after a crash of windows
    return log


def _grow(rng, counts, log, platform, minute, stamp, *, final) -> None:
    count, failures, mean = counts.get((platform, minute), (0, 0, rng.uniform(5, 40)))
    more = rng.randrange(1, 30)
    failures += rng.choice((0, 0, 0, rng.randrange(more + 1)))
    counts[platform, minute] = count + more, failures, mean
    log.append(
        (
            stamp,
            operations(
                minute, count + more, failures, final=final, platform=platform, mean=mean,
                durations=[mean, mean / 2, mean * 2],
            ),
        )
    )  # fmt: skip


class Shell:
    """Drives an evaluation as agents/measure/rules.py does, over a table that outlives it."""

    def __init__(self, log: list[Record]) -> None:
        self.log = log
        self.table: dict[bytes, bytes] = {}
        self.committed = 0
        self.published: list[BreachRecord] = []
        self.evaluation = self._begun()
        self.at = self.newest = self.now_ms = 0

    def _begun(self) -> Evaluator:
        return Evaluator(RULES, "hash", packed=dict(self.table))

    def crash(self) -> None:
        self.evaluation = self._begun()
        self.at = self.committed

    def _store(self, changes: list[tuple[bytes, bytes | None]]) -> None:
        for key, value in changes:
            if value is None:
                del self.table[key]
                continue
            known = self.table.get(key)
            assert known is None or version_of(value) >= version_of(known)
            self.table[key] = value

    def take(self, *, dies_after: str = "") -> None:
        stamp, value = self.log[self.at]
        said = self.evaluation.evaluate(self.at, stamp, read_aggregate(value))
        self.at += 1
        self.newest = max(self.newest, self.at)
        self._speak(said, dies_after)

    def _speak(self, said: list[BreachRecord], dies_after: str = "") -> None:
        self.published += said
        if dies_after == "publish":
            self.crash()
            return
        if said:
            self._store(self.evaluation.take_changes({one.state_key for one in said}))

    def write(self, *, dies_after: int | None = None) -> None:
        self._speak(self.evaluation.take_pending())
        next_offset = self.evaluation.next_offset
        changes = self.evaluation.take_changes()
        self._store(changes[:dies_after])
        if dies_after is not None:
            self.crash()
            return
        self.evaluation.written()
        self.committed = next_offset

    def tick(self, now_ms: int) -> None:
        """Let the clock go on; the broker tells where the log ends all the time."""
        for stamp_ms in (*range(self.now_ms, now_ms, BROKER_AWAY_MS), now_ms):
            seen_ms = stamp_ms if self.at == self.newest else None
            self._speak(self.evaluation.tick(stamp_ms, seen_ms=seen_ms))
        self.now_ms = now_ms

    @property
    def by_revision(self) -> dict[tuple[str, int], bytes]:
        """Return what was published; the same id and revision is the same bytes."""
        found: dict[tuple[str, int], bytes] = {}
        for one in self.published:
            fields = msgspec.json.decode(one.value)
            key = fields["id"], fields["revision"]
            assert found.setdefault(key, one.value) == one.value, key
        return found


def straight(log: list[Record]) -> Shell:
    shell = Shell(log)
    while shell.at < len(log):
        shell.take()
    return shell


def actions(seed: int) -> Iterator[str]:
    rng = random.Random(seed)
    while True:
        yield rng.choice(("take",) * 30 + ("write", "crash", "torn", "publish"))


@settings(max_examples=examples(4))
@given(seed=st.integers(0, 10_000), cuts=st.integers(0, 10_000))
def test_any_cut_into_restarts_says_the_same_byte_for_byte(seed: int, cuts: int) -> None:
    log = history(seed, 40)
    shell, rng = Shell(log), random.Random(cuts)
    for action in actions(cuts):
        if shell.at >= len(log):
            break
        if action == "crash":
            shell.crash()
        elif action == "write":
            shell.write()
        elif action == "torn":
            shell.write(dies_after=rng.randrange(4))
        else:
            shell.take(dies_after=action)
    while shell.at < len(log):
        shell.take()
    assert shell.by_revision == straight(log).by_revision


@settings(max_examples=examples(4))
@given(seed=st.integers(0, 10_000), cuts=st.integers(0, 10_000))
def test_no_id_and_revision_is_said_twice_with_other_words_whatever_the_clock_says(
    seed: int, cuts: int
) -> None:
    log = history(seed, 40)
    shell, rng = Shell(log), random.Random(cuts)
    for action in actions(cuts):
        if shell.at >= len(log):
            break
        if action == "crash":
            shell.crash()
        elif action == "write":
            stamp = log[shell.at][0]
            shell.now_ms = stamp
            for _ in range(rng.randrange(4)):
                stamp += rng.randrange(2 * QUIET_MS)
                shell.tick(stamp)
                shell.write(dies_after=rng.choice((None, None, 0, 1, 2)))
                if rng.random() < 0.3:
                    shell.crash()
                    break
        elif action == "torn":
            shell.write(dies_after=rng.randrange(4))
        else:
            shell.take(dies_after=action)
    revisions: dict[str, set[int]] = {}
    for name, revision in shell.by_revision:
        revisions.setdefault(name, set()).add(revision)
    assert revisions
    for name, found in revisions.items():
        assert found == set(range(1, len(found) + 1)), name


@settings(max_examples=examples(8))
@given(seed=st.integers(0, 10_000))
def test_each_episode_opens_once_and_its_revisions_count(seed: int) -> None:
    told = [Breach.model_validate_json(one.value) for one in straight(history(seed, 60)).published]
    assert told
    revisions: dict[str, int] = {}
    is_open: dict[str, str] = {}
    for one in told:
        assert one.revision == revisions.get(one.id, 0) + 1
        revisions[one.id] = one.revision
        assert (one.state == "opened") is (one.revision == 1)
        if one.state == "opened":
            assert one.fingerprint not in is_open
            is_open[one.fingerprint] = one.id
        else:
            assert is_open[one.fingerprint] == one.id
        if one.state == "resolved":
            del is_open[one.fingerprint]
