"""Let what no channel could be told be decided again, now that one can."""

from streams.alerting.inputs import Channels
from streams.alerting.pipeline import UNUSABLE, refusal
from streams.alerting.state import Hold, Row
from streams.alerting.table import Table


def free(table: Table, channels: Channels) -> None:
    """End the holds of channels that could not be used and can: the next tick decides again."""
    for row in list(table.rows.values()):
        if any(hold.reason in UNUSABLE and hold.until_ms is None for hold in row.holds):
            row.holds = [_freed(table, channels, row, hold) for hold in row.holds]
            table.settle(row)


def _freed(table: Table, channels: Channels, row: Row, hold: Hold) -> Hold:
    """Return the hold, due at once if it holds a channel that can be told now."""
    severity = table.newest(row).severity
    gone = table.circuit(hold.channel).gone
    if hold.reason not in UNUSABLE or refusal(channels, hold.channel, severity, gone=gone):
        return hold
    return Hold(hold.event, hold.channel, hold.level, hold.reason, 0)
