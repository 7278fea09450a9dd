"""Say where published windows differ from the truth, looking only at what changed."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import orjson

from tests.acceptance.oracle import SIZES, Truth, percentile_holds

#: The most types that are counted of a window, and of these the most that are published.
_MOST_TYPES, _TOP = 50, 10
_RANKS = ((0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"))


class Comparison:
    """The truth by (series, size, start), beside the newest that was published of each."""

    def __init__(self, truth: dict[tuple, Truth], grace_ms: int) -> None:
        self._truth = truth
        self._final_before_ms = max(key[4] for key in truth) - 60_000 - grace_ms
        self._latest: dict[tuple, dict[str, Any]] = {}
        self._finals: dict[tuple, set[int]] = defaultdict(set)
        self._revisions: dict[tuple, list[str]] = defaultdict(list)
        self._wrong = {
            key: [f"{key}: not published, {true.count} operations"] for key, true in truth.items()
        }
        for true in truth.values():
            true.durations.sort()

    def take(self, records: Iterable[Any]) -> list[str]:
        """Take in the records that were published since; return all that is wrong now."""
        changed = set()
        for record in records:
            one = orjson.loads(record.value())
            key = (*one["series"].values(), one["window"]["size"], one["window"]["start_ms"])
            changed.add(key)
            stands = self._latest.get(key)
            if stands is None or _version(one) >= _version(stands):
                self._latest[key] = one
            if one["final"]:
                self._finals[key].add(one["revision"])
            end = " final" if one["final"] else ""
            stamp = f"{record.timestamp()[1] / 1000:.1f}"
            self._revisions[key].append(f"{one['revision']}{end} at {stamp} ({record.offset()})")
        for key in changed:
            self._wrong.pop(key, None)
            if mistakes := self._mistakes(key):
                revisions = ", ".join(self._revisions[key])
                self._wrong[key] = [f"{key}: {mistake}: {revisions}" for mistake in mistakes]
        return [mistake for mistakes in self._wrong.values() for mistake in mistakes]

    def _mistakes(self, key: tuple) -> list[str]:
        true, told = self._truth.get(key), self._latest[key]
        if true is None:
            return ["published, but there is none"]
        wrong = _differences(true, told)
        if key[4] + SIZES[key[3]] * 1000 < self._final_before_ms:
            if not told["final"]:
                wrong.append("not final")
            elif not true.late and len(self._finals[key]) > 1:
                wrong.append(f"final too early, at {sorted(self._finals[key])} of {true.count}")
        return wrong


def _version(one: dict[str, Any]) -> tuple[int, bool]:
    return one["revision"], one["final"]


def _differences(true: Truth, told: dict[str, Any]) -> list[str]:
    durations, cache = told["duration_ms"], told["cache"]
    sum_us = round(durations["sum"] * 1000)
    got = (told["count"], told["successes"], sum_us, cache["hits"], cache["misses"])
    want = (true.count, true.successes, true.duration_us, true.hits, true.misses)
    if got != want:
        return [f"{got}, not {want}"]
    return [
        f"{name} {durations[name]} of {len(true.durations)}"
        for rank, name in _RANKS
        if not percentile_holds(true.durations, rank, durations[name])
    ] + _wrong_failures(true, told["failures_by_type"])


def _wrong_failures(true: Truth, told: dict[str, Any]) -> list[str]:
    """Return how failures by type differ: what is named is exact, and up to 50 types are named."""
    types = Counter({name: count for name, count in true.failures_by_type.items() if name})
    unnamed = true.count - true.successes - types.total()
    top = [(one["name"], one["count"]) for one in told["most_frequent"]]
    rest = types.total() - sum(count for _, count in top)
    if (told["other"], told["unnamed"]) != (rest, unnamed):
        return [f"failures {told}, not {rest} of other types and {unnamed} of none"]
    if len(types) <= _MOST_TYPES:
        want = sorted(types.items(), key=lambda one: (-one[1], one[0]))[:_TOP]
        return [] if top == want else [f"failures {top}, not {want}"]
    return [f"{count} of {name}, not {types[name]}" for name, count in top if count != types[name]]
