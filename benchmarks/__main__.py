"""Measure this worker, alone and beside others, and print each figure beside its goal."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from benchmarks import comparison, environment, race, report
from benchmarks.cases import CASES, FULL, QUICK
from benchmarks.comparison import Comparison
from benchmarks.environment import say

_NAMES = (*comparison.NAMES, *CASES)

Measured = dict[str, dict[str, Any]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=_NAMES, metavar="NAME", help=", ".join(_NAMES))
    parser.add_argument("--events", type=int, help="for the fastest program; default 2,000,000")
    parser.add_argument("--partitions", type=int, default=4, help="of the comparison")
    parser.add_argument("--repeat", type=int, help="runs of each short case; medians of 3")
    parser.add_argument(
        "--hours",
        type=int,
        default=comparison.MEMORY_HOURS,
        help="hours that the memory case replays; a day's topics take 40 GB",
    )
    parser.add_argument("--quick", action="store_true", help="a smoke test: too short for figures")
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help="only write results.json into docs/benchmarks.md",
    )
    return parser


def main() -> int:
    """Run what is chosen; return 1 if a figure is missing or a count is wrong."""
    options = _parser().parse_args()
    if options.write_docs:
        report.write_docs()
        return 0
    bootstrap = os.environ.get("OPWATCH_KAFKA_BOOTSTRAP")
    if why := _unreachable(bootstrap):
        say(why)
        return 2
    options.events = options.events or (200_000 if options.quick else 2_000_000)
    options.repeat = options.repeat or (QUICK if options.quick else FULL).repeats
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` runs
    compared = Comparison(options, bootstrap)
    cases: Measured = {}
    results: dict[str, Any] = {
        "quick": options.quick,
        "events": options.events,
        "partitions": options.partitions,
        "entries": compared.entries,
        "cases": cases,
    }
    wanted = options.only or _NAMES
    try:
        for done in (compared.measure(wanted), _measure(bootstrap, options, wanted, cases)):
            for measured in done:
                # A peer's environment may have been made for it just now.
                results["machine"] = machine = environment.machine(bootstrap)
                results["measured_at"] = datetime.now(UTC).isoformat(timespec="seconds")
                measured |= {"measured_at": results["measured_at"], "cpu": machine["cpu"]}
                if not options.quick:
                    report.save(results)
    except KeyboardInterrupt:
        say("stopped; results.json has what was measured before")
        return 130
    finally:
        compared.clean()
    print(report.everything(results))
    if options.quick:
        say("a quick run: results.json is unchanged")
    wrong = any("left_out" in e or e["wrong"] for e in compared.entries.values())
    return int(wrong or any("left_out" in case for case in cases.values()))


def _measure(
    bootstrap: str, options: argparse.Namespace, wanted: Collection[str], found: Measured
) -> Iterator[dict[str, Any]]:
    """Measure the wanted cases, one after another, into `found`; yield each."""
    sizes = (QUICK if options.quick else FULL)._replace(repeats=options.repeat)
    for name, case in CASES.items():
        if name not in wanted:
            continue
        say(f"{name} …")
        began = time.monotonic()
        try:
            figures = case(bootstrap, sizes)
        except Exception as why:  # noqa: BLE001 - the others are measured all the same
            found[name] = {"left_out": race.left_out(name, why)}
            yield found[name]
            continue
        say("  " + ", ".join(f"{figure} {value:,.4g}" for figure, value in figures.items()))
        seconds = round(time.monotonic() - began)
        busy = round(os.getloadavg()[1], 1)  # its own work is in it
        found[name] = {"figures": figures, "seconds": seconds, "load_average": busy}
        yield found[name]


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
