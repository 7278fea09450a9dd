"""Decide when a delivery is tried again, and when its channel counts as dead."""

from streams.alerting import timers
from streams.alerting.state import Circuit


def backoff_ms(attempt: int, jitter: float, after_ms: int | None) -> int:
    """Return how long to wait after an attempt: what was asked for, else full jitter.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        attempt: how many there were, 1 after the first.
        jitter: a random number of [0, 1).
        after_ms: what the receiver asked for.
    """
    if after_ms is not None:
        return min(max(after_ms, 0), timers.AFTER_MOST_MS)
    doubled = timers.BACKOFF_FIRST_MS << min(attempt, 20)
    return round(min(doubled, timers.BACKOFF_MOST_MS) * jitter)


def failed(circuit: Circuit, now_ms: int) -> Circuit:
    """Return the circuit after one more failure: it opens at the limit, and after each probe."""
    failures = circuit.failures + 1
    opens = failures >= timers.CIRCUIT_FAILURES
    open_until_ms = now_ms + timers.CIRCUIT_OPEN_MS if opens else circuit.open_until_ms
    return Circuit(failures, open_until_ms, circuit.gone)
