"""Measure this worker beside others and print one table: `python -m benchmarks --help`."""

import argparse
import dataclasses
import os
import secrets
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from benchmarks import environment, load, race, report, worker
from benchmarks.environment import PEERS, Missing, say
from benchmarks.load import Records, near_now
from benchmarks.race import Failed, Figures

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
#: The rows of minutes live for two to three hours; after that memory hardly grows.
_MEMORY_HOURS = 4
_CASES = ("arrays", "series", "keys", "recovery", "memory")
#: With these shares each program runs for at least ten seconds on two cores at 2,000,000 events.
_PEERS = (
    Peer(name="faust", title="Faust take()", share=0.05, command=lambda: _python("faust_take.py")),
    Peer(name="quix", title="Quix Streams", share=0.1, command=lambda: _python("quix.py")),
    Peer(name="bytewax", title="Bytewax", share=1.0, command=_bytewax),
    Peer(name="kafka-streams", title="Kafka Streams", share=0.5, command=_kafka_streams),
)
_NAMES = (*(peer.name for peer in _PEERS), _OURS, *_CASES)


class Bench:
    """One run: its topics, its records, what came out."""

    def __init__(self, options: argparse.Namespace, bootstrap: str) -> None:
        self.options = options
        self.bootstrap = bootstrap
        self.run = f"bench-{secrets.token_hex(4)}"
        self.start_ms = near_now(options.events)
        self.entries: dict[str, dict] = {}
        self._filled: set[str] = set()

    def measure(self, wanted: Collection[str]) -> None:
        """Measure what is wanted, one after another."""
        for peer in _PEERS:
            if peer.name in wanted:
                self.peer(peer)
        if _OURS in wanted:
            self.ours(_OURS, "opwatch", self._records())
        for case in _CASES:
            if case in wanted:
                getattr(self, case)()

    def peer(self, peer: Peer, name: str = "", title: str = "", **how) -> None:
        name, title = name or peer.name, title or peer.title
        records = self._records(events=max(int(self.options.events * peer.share), 1_000), **how)
        try:
            command = peer.command()
        except Missing as why:
            self._left_out(name, title, str(why))
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

        self._measure(name, title, once)

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
        for series in (16, 1_000):
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

        self._measure("memory", f"opwatch, {hours} h of 10,000 series", once)

    def clean(self) -> None:
        """Delete the topics of this run; Kafka itself removes groups without offsets."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 4})
        topics = [name for name in admin.list_topics(timeout=10).topics if self.run in name]
        for name, deletion in (admin.delete_topics(topics) if topics else {}).items():
            try:
                deletion.result(30)
            except KafkaException as error:
                say(f"left behind on the broker: {name} ({error.args[0].str()})")

    def _records(self, **how) -> Records:
        return Records(**{"events": self.options.events, "start_ms": self.start_ms, **how})

    def _place(self, name: str) -> worker.Place:
        return worker.Place(
            bootstrap=self.bootstrap,
            prefix=f"{self.run}-{name}.",
            partitions=self.options.partitions,
        )

    def _fill(self, place: worker.Place, records: Records) -> None:
        """Publish the records, once a topic: what is read then lies in the page cache."""
        if place.operations in self._filled:
            return
        self._filled.add(place.operations)
        seconds = load.publish(self.bootstrap, place.operations, place.partitions, records)
        say(f"  published {records.total:,} events in {seconds:.1f} s")

    def _measure(self, name: str, title: str, once: Callable[[int], Figures]) -> None:
        say(f"{title} …")
        runs = []
        for turn in range(self.options.repeat):
            try:
                found = once(turn)
            except Failed as why:
                self._left_out(name, title, str(why))
                return
            say(f"  {report.sentence(found)}")
            for mistake in found.wrong[:5]:
                say(f"  WRONG {mistake}")
            runs.append(found)
        middle = statistics.median_low([run.events_per_s for run in runs])
        shown = next(run for run in runs if run.events_per_s == middle)
        entry = dataclasses.asdict(shown)
        entry |= {"title": title, "runs_per_s": [run.events_per_s for run in runs]}
        self.entries[name] = entry | {"run": self.run}

    def _left_out(self, name: str, title: str, why: str) -> None:
        say(f"  {title} is left out: {why}")
        reason = why.splitlines()[0].rstrip(":")
        self.entries[name] = {"title": title, "left_out": reason, "run": self.run}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=_NAMES, metavar="NAME", help=", ".join(_NAMES))
    parser.add_argument("--events", type=int, help="for the fastest program; default 2,000,000")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the median is shown")
    parser.add_argument(
        "--hours",
        type=int,
        default=_MEMORY_HOURS,
        help="hours that the memory case replays, about a minute each; a day's topics take 40 GB",
    )
    parser.add_argument("--quick", action="store_true", help="a smoke test: too short for figures")
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help="only write results.json into docs/benchmarks.md",
    )
    return parser


def main() -> int:
    """Run the chosen programs; return 1 if a figure is missing or a count is wrong."""
    options = _parser().parse_args()
    if options.write_docs:
        report.write_docs()
        return 0
    bootstrap = os.environ.get("OPWATCH_KAFKA_BOOTSTRAP")
    if why := _unreachable(bootstrap):
        say(why)
        return 2
    options.events = options.events or (200_000 if options.quick else 2_000_000)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` runs
    bench = Bench(options, bootstrap)
    try:
        bench.measure(options.only or _NAMES)
    except KeyboardInterrupt:
        say("stopped; results.json is unchanged")
        return 130
    finally:
        bench.clean()
    results = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": options.quick,
        "events": options.events,
        "partitions": options.partitions,
        "machine": environment.machine(bootstrap),
        "entries": bench.entries,
    }
    print(report.table(results))
    if options.quick:
        say("a quick run: results.json is unchanged")
    else:
        report.save(results, merge=bool(options.only))
    return int(any("left_out" in e or e["wrong"] for e in bench.entries.values()))


def _unreachable(bootstrap: str | None) -> str | None:
    if not bootstrap:
        return "no Kafka: run `make bench`, or set OPWATCH_KAFKA_BOOTSTRAP"
    try:
        AdminClient({"bootstrap.servers": bootstrap, "log_level": 2}).list_topics(timeout=10)
    except KafkaException as error:
        return f"{bootstrap} does not answer: {error.args[0].str()}"
    return None


if __name__ == "__main__":
    sys.exit(main())
