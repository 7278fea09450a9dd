"""What the demo adds up is the newest revision of each minute."""

from examples.job_parser.counting import ALL, Counts, Key
from tests.unit.cli.samples import MINUTE_MS, START_MS, aggregate


def test_the_largest_revision_of_each_minute_counts_in_any_order():
    counts = Counts()
    for one in (
        aggregate("*", count=10),
        aggregate("*", count=25),
        aggregate("*", count=20),
        aggregate("*", count=5, start_ms=START_MS + MINUTE_MS),
        aggregate("*", count=30, size="5m"),
        aggregate("*", count=7, platform="lever"),
        aggregate("*", count=7, confidence="low"),
    ):
        counts.update(one)

    assert counts.counted == 30
    total = counts.sum(ALL)
    assert total is not None
    assert total.operations == 30
    assert counts.sum(Key("*", "linkedin")) is None


def test_the_worst_is_kept_only_while_watched_and_begins_as_it_stood():
    counts = Counts()
    key = Key("parse_job_data", "lever")

    def come(count: int, success_rate: float, p95: float) -> None:
        counts.update(aggregate(platform="lever", count=count, success_rate=success_rate, p95=p95))

    come(100, 0.9, 5)
    counts.watch(on=True)
    come(120, 0.5, 9)
    come(140, 0.6, 7)
    counts.watch(on=False)
    come(160, 0.4, 99)

    assert counts.before[key] == (0.9, 5)
    assert counts.worst[key] == (0.5, 9)


def test_a_handful_of_operations_is_never_the_worst():
    counts = Counts()
    counts.watch(on=True)
    counts.update(aggregate(platform="lever", count=3, success_rate=0.0))

    assert not counts.worst
