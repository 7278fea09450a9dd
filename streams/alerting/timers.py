"""Say how long alerting waits, tries and remembers."""

from schemas.rules import Severity

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

NEVER_MS = 2**63 - 1
"""The latest that a row can say."""

ROWS_A_TICK = 500
"""A tick looks at so many rows, and lets others have their turn before the next."""

MAX_SILENCES = 500
"""Every alert is held against each silence that has not ended."""

GROUP_WAIT_MS = 5 * SECOND_MS
"""What follows the first message of a channel within this time goes in one more message."""

STORM_WINDOW_MS = MINUTE_MS
STORM_MESSAGES = 10
"""More messages than this of one kind on one channel in a storm's window are a storm."""
STORM_WAIT_MS = 30 * SECOND_MS
"""What a storm's summary gathers."""

INHIBITION_AFTERMATH_MS = MINUTE_MS
"""A service that is back still inhibits for so long, while windows forget the errors."""

DEADLINE_MS: dict[Severity, int] = {
    "critical": 15 * MINUTE_MS,
    "high": 30 * MINUTE_MS,
    "medium": HOUR_MS,
    "low": 2 * HOUR_MS,
}
"""How long a delivery is tried before its channel's fallback is told instead."""
RESOLVE_DEADLINE_MS = DAY_MS
"""An incident that was opened is to be closed, even late."""

LEASE_MS = 15 * SECOND_MS
"""How long a claim stands: longer than any request may take."""

BACKOFF_FIRST_MS = SECOND_MS
BACKOFF_MOST_MS = MINUTE_MS
AFTER_MOST_MS = 10 * MINUTE_MS
"""The longest Retry-After that is honoured."""

CIRCUIT_FAILURES = 5
"""After so many failures in a row a channel counts as dead..."""
CIRCUIT_OPEN_MS = 30 * SECOND_MS
"""...and is left alone for so long, then asked once."""

FINISHED_KEPT_MS = 10 * MINUTE_MS
"""A delivery that is over stays in its row for so long; group and storm look back less."""
GIVEN_UP_KEPT_MS = 7 * DAY_MS
"""A delivery that was given up can be redriven for so long."""
RESOLVED_KEPT_MS = 30 * DAY_MS
"""A row with nothing owed goes when it was resolved that long ago..."""
QUIET_KEPT_MS = HOUR_MS
"""...or, with no cooldown left, this long ago; also of a silence past its end, or a command."""
