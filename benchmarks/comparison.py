"""Run this worker and others over the same records, one after another."""

import argparse
import dataclasses
import secrets
import statistics
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import environment, load, race, worker
from benchmarks.environment import PEERS, Missing, say
from benchmarks.load import Records, near_now
from benchmarks.places import Place, delete_topics
from benchmarks.race import Figures

Command = Callable[[], Sequence[str | Path]]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another program that reads the same records; a slow program gets a prefix of them."""

    name: str
    title: str
    share: float
    command: Command


def _python(script: str) -> Sequence[str | Path]:
    return [environment.peers_python(), script]


def _bytewax() -> Sequence[str | Path]:
    return [environment.bytewax_python(), "-m", "bytewax.run", "bytewax_flow:flow"]


def _kafka_streams() -> Sequence[str | Path]:
    return ["java", "-cp", environment.kafka_streams_classpath(), "opwatch.bench.Windows"]


_OURS = "opwatch"
#: A day of the memory case takes an hour or two.
MEMORY_HOURS = 2
_FURTHER = ("arrays", "series", "keys", "recovery", "memory")
#: With these shares each program runs for eight seconds or more on two cores at 2,000,000 events.
_PEERS = (
    Peer(name="faust", title="Faust take()", share=0.05, command=lambda: _python("faust_take.py")),
    Peer(name="quix", title="Quix Streams", share=0.1, command=lambda: _python("quix.py")),
    Peer(name="bytewax", title="Bytewax", share=1.0, command=_bytewax),
    Peer(name="kafka-streams", title="Kafka Streams", share=0.5, command=_kafka_streams),
)
NAMES = (*(peer.name for peer in _PEERS), _OURS, *_FURTHER)


class Comparison:
    """One run: its topics, its records, what came out."""

    def __init__(self, options: argparse.Namespace, bootstrap: str) -> None:
        self.options = options
        self.bootstrap = bootstrap
        self.run = f"bench-{secrets.token_hex(4)}"
        self.start_ms = near_now(options.events)
        self.entries: dict[str, dict] = {}
        self._filled: set[str] = set()

    def measure(self, wanted: Collection[str]) -> Iterator[dict[str, Any]]:
        """Measure what is wanted, one after another; yield each."""
        for peer in _PEERS:
            if peer.name in wanted:
                self.peer(peer)
                yield self.entries[peer.name]
        if _OURS in wanted:
            self.ours(_OURS, "opwatch", self._records())
            yield self.entries[_OURS]
        for case in _FURTHER:
            if case in wanted:
                before = set(self.entries)
                getattr(self, case)()
                yield from [self.entries[name] for name in self.entries if name not in before]

    def peer(self, peer: Peer, name: str = "", title: str = "", **how) -> None:
        name, title = name or peer.name, title or peer.title
        records = self._records(events=max(int(self.options.events * peer.share), 1_000), **how)
        try:
            command = peer.command()
        except Missing as why:
            self._left_out(name, title, why)
            return
        place = self._place(f"{records.events}-{records.platforms}")
        truth = load.expected(records)

        def once(turn: int) -> Figures:
            self._fill(place, records)
            with tempfile.TemporaryDirectory() as state:
                variables = {
                    "BENCH_BOOTSTRAP": self.bootstrap,
                    "BENCH_TOPIC": place.operations,
                    "BENCH_PARTITIONS": str(place.partitions),
                    "BENCH_EVENTS": str(records.total),
                    "BENCH_GROUP": f"{self.run}-{name}-{turn}",
                    "BENCH_STATE": state,
                }
                return race.race(command, variables, cwd=PEERS, total=records.total, expected=truth)

        has_goals = peer.name == "kafka-streams"
        self._measure(name, title, once, repeat=None if has_goals else 1)

    def ours(self, name: str, title: str, records: Records) -> None:
        def once(turn: int) -> Figures:
            # A group of its own reads it once; the peers' topic would do as well, once.
            place = self._place(f"{name}-{turn}")
            self._fill(place, records)
            return worker.throughput(place, records)

        self._measure(name, title, once)

    def arrays(self) -> None:
        self.ours("arrays", "opwatch, arrays of 100", self._records(per_record=100))

    def series(self) -> None:
        for series in (16, 1_000, 10_000):
            records = self._records(platforms=worker.platforms_for(series))
            self.ours(f"series-{series}", f"opwatch, {series:,} series", records)

    def keys(self) -> None:
        """Measure Kafka Streams with the keys of a thousand series."""
        peer = next(peer for peer in _PEERS if peer.name == "kafka-streams")
        platforms = worker.platforms_for(1_000)
        self.peer(peer, "keys", f"Kafka Streams, {platforms} keys", platforms=platforms)

    def recovery(self) -> None:
        rows = 10_000 if self.options.quick else 100_000
        title = f"opwatch, SIGKILL with {rows:,} rows"
        self._measure(
            "recovery", title, lambda turn: worker.recovery(self._place(f"recovery-{turn}"), rows)
        )

    def memory(self) -> None:
        hours = 1 if self.options.quick else self.options.hours

        def once(turn: int) -> Figures:
            place = dataclasses.replace(self._place(f"memory-{turn}"), partitions=8)
            return worker.memory(place, minutes=hours * 60)

        self._measure("memory", f"opwatch, {hours} h of 10,000 series", once, repeat=1)

    def clean(self) -> None:
        """Delete the topics of this run."""
        delete_topics(self.bootstrap, self.run)

    def _records(self, **how) -> Records:
        return Records(**{"events": self.options.events, "start_ms": self.start_ms, **how})

    def _place(self, name: str) -> Place:
        return Place(
            bootstrap=self.bootstrap,
            prefix=f"{self.run}-{name}.",
            partitions=self.options.partitions,
        )

    def _fill(self, place: Place, records: Records) -> None:
        """Publish the records, once a topic: what is read then lies in the page cache."""
        if place.operations in self._filled:
            return
        self._filled.add(place.operations)
        seconds = load.publish(self.bootstrap, place.operations, place.partitions, records)
        say(f"  published {records.total:,} events in {seconds:.1f} s")

    def _measure(
        self, name: str, title: str, once: Callable[[int], Figures], repeat: int | None = None
    ) -> None:
        say(f"{title} …")
        runs = []
        for turn in range(repeat or self.options.repeat):
            try:
                found = once(turn)
            except Exception as why:  # noqa: BLE001 - the others are measured all the same
                self._left_out(name, title, why)
                return
            say(f"  {_sentence(found)}")
            for mistake in found.wrong[:5]:
                say(f"  WRONG {mistake}")
            runs.append(found)
        middle = statistics.median_low([run.events_per_s for run in runs])
        shown = next(run for run in runs if run.events_per_s == middle)
        entry = dataclasses.asdict(shown)
        more = {name: statistics.median(run.more[name] for run in runs) for name in shown.more}
        entry |= {"more": more, "title": title, "runs_per_s": [run.events_per_s for run in runs]}
        self.entries[name] = entry | {"run": self.run}

    def _left_out(self, name: str, title: str, why: Exception) -> None:
        reason = race.left_out(title, why)
        self.entries[name] = {"title": title, "left_out": reason, "run": self.run}


def figures_of(entries: Mapping[str, dict[str, Any]]) -> dict[str, float]:
    """Return the figures that have a goal; ratios only within a run."""
    measured = {name: entry for name, entry in entries.items() if "left_out" not in entry}
    figures: dict[str, float] = {}

    def ratio(figure: str, name: str, to: str, of: str) -> None:
        ours, other = measured.get(name), measured.get(to)
        if ours and other and ours["run"] == other["run"]:
            figures[figure] = ours[of] / other[of]

    ratio("times_8_keys", _OURS, "kafka-streams", "second_half_per_s")
    ratio("times_1000_series", "series-1000", "keys", "second_half_per_s")
    for series in (1_000, 10_000):
        name = f"event_{series}_percent"
        ratio(name, f"series-{series}", "series-16", "cpu_s_per_million")
        if name in figures:
            figures[name] = (figures[name] - 1) * 100
    if found := measured.get("recovery"):
        figures["recovery_counting_s"] = found["more"]["counting_s"]
        figures["recovery_published_s"] = found["more"]["published_s"]
    if found := measured.get("memory"):
        figures["day_rss_mb"] = found["rss_mb"]
        figures["day_growth_mb"] = found["more"]["growth_mb"]
        figures["day_hours"] = found["more"]["hours"]
        figures["day_times_real"] = found["more"]["hours"] * 3600 / found["seconds"]
    return figures


def _sentence(found: Figures) -> str:
    """Return a run's result in a line."""
    more = "".join(f", {name} {value:,.1f}" for name, value in found.more.items())
    return (
        f"{found.events_per_s:,.0f} events/s over {found.seconds:.1f} s, "
        f"{found.cpu_s_per_million:.1f} CPU s a million, {found.rss_mb:,.0f} MB{more}"
    )
