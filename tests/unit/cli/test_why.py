"""What `opwatch why` shows of a history."""

from agents.cli.why import _folded
from streams.audit.why import HistoryEntry


def entry(at_ms: int, what: str, channel: str = "slack", *, minor: bool = False) -> HistoryEntry:
    return HistoryEntry(
        at_ms=at_ms, kind="decision", what=what, breach_id="b", channel=channel,
        sentence=f"{what} at {at_ms}.", minor=minor,
    )  # fmt: skip


def test_retries_of_a_channel_are_a_line_where_the_last_one_stands():
    shown = _folded(
        [
            entry(0, "opened", ""),
            entry(1_000, "retry"),
            entry(1_500, "attempted", minor=True),
            entry(2_000, "retry", "pagerduty"),
            entry(3_000, "retry"),
            entry(4_000, "acknowledged"),
            entry(5_000, "retry"),
            entry(6_000, "sent"),
        ]
    )
    assert [(it.at_ms, it.what) for it in shown] == [
        (0, "opened"), (2_000, "retry"), (4_000, "acknowledged"), (5_000, "retry"), (6_000, "sent"),
    ]  # fmt: skip
    assert shown[1].sentence == "retry at 2000."
    assert shown[3].sentence.startswith("(3 times since ")
    assert shown[3].sentence.endswith("00:00:01) retry at 5000.")
