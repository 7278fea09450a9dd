"""Make the dead letter of what came after its windows were closed."""

import time

import msgspec

from agents.kafka.dead_letters import dead_letter
from agents.kafka.producer import OutgoingRecord
from agents.runtime.settings import Settings
from schemas.partials import PartialRow
from schemas.spans import MINUTE_MS
from schemas.topics import DEAD_LETTERS, Topic
from streams.measure.partials import BlockRows
from streams.measure.window_kind import WindowKind


def expired_minute(
    settings: Settings, source: Topic, kind: WindowKind, partial: BlockRows, row: PartialRow
) -> OutgoingRecord:
    """Return the dead letter of a minute that is closed: one a block, however often partial."""
    minute = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(row.minute * 60))
    return dead_letter(
        settings.topic(DEAD_LETTERS),
        msgspec.json.encode(row),
        "window_expired",
        f"up to {row.stats.sums.count} {kind.events} of {minute}, whose windows are closed",
        # An array's operations may lie in several minutes.
        place=(settings.topic(source), partial.source, partial.block, row.minute),
        timestamp_ms=row.minute * MINUTE_MS,
    )
