"""Name a series: an operation (or `*` for all) by nothing, a platform or a confidence level."""

from typing import Literal

from pydantic import Field

from schemas.base import Wire

ConfidenceLevel = Literal["low", "medium", "high"]
WindowSize = Literal["1m", "5m", "1h", "6h", "24h", "7d"]


class Series(Wire):
    """What an aggregate is about. At most one of platform and confidence is set."""

    operation: str = Field(description="The operation, or * for all of them.")
    platform: str | None = None
    confidence: ConfidenceLevel | None = None


class Window(Wire):
    """A tumbling window in event time: start_ms <= t < end_ms, epoch milliseconds UTC.

    Weeks start on Monday 00:00 UTC.
    """

    size: WindowSize
    start_ms: int
    end_ms: int
