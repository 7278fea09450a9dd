"""Write figures for people: short, and never rounded to what they are not."""

from datetime import UTC, datetime

from schemas.series import Window


def percent(ratio: float) -> str:
    """Return a ratio in per cent; never rounded up to 100 nor down to 0."""
    if ratio in (0.0, 1.0):
        return f"{ratio:.0%}"
    return f"{min(max(ratio * 100, 0.01), 99.99):.2f}%"


def milliseconds(value: float) -> str:
    """Return a duration in at most six characters; from a minute on with its unit."""
    if value >= 3_600_000:
        return f"{value / 3_600_000:.4g}h"
    if value >= 60_000:
        return f"{value / 1000:.0f}s"
    if value >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def number(count: int) -> str:
    """Return a count in at most ten characters."""
    return f"{count:,}" if count < 10_000_000 else f"{count / 1e6:,.1f}M"


def start(window: Window) -> str:
    """Return when a window begins, UTC: the day of long ones, the minute of others."""
    try:
        begins = datetime.fromtimestamp(window.start_ms / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return f"{window.start_ms} ms"
    return begins.strftime("%d %b" if window.size in ("24h", "7d") else "%H:%M")
