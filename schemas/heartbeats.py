"""Describe a heartbeat: a service says how it is, and how often it will say so."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.operations import EpochMs, Name
from schemas.received import Received

Health = Literal["up", "degraded", "down"]


class Heartbeat(Received):
    """A sign of life on `heartbeats`. The record's key is the service, in UTF-8."""

    version: Literal[1] = 1
    service: Name
    status: Health = "up"
    sent_at: EpochMs = Field(
        description="When: epoch milliseconds or ISO 8601 (UTC unless it says otherwise)."
    )
    every_s: Annotated[float, Field(ge=0.1, le=86_400)] = Field(
        10.0, description="The next one comes within this many seconds; three missed ones are down."
    )
    message: Annotated[str, Field(max_length=1000)] | None = Field(
        None, description="Why it is not up."
    )
