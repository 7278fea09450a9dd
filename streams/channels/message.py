"""What one message says, whatever the channel, and how much a type of channel takes."""

from dataclasses import dataclass, field

from schemas.breaches import Breach
from schemas.notifications import Event


@dataclass(frozen=True, kw_only=True)
class Message:
    """What one delivery says to one receiver."""

    delivery: str
    """Names the delivery; constant over its attempts, so that a receiver can recognise a repeat."""
    event: Event
    breach: Breach
    """The alert it is about; of a follow-up or a storm's summary the first."""
    others: tuple[Breach, ...] = field(default=())
    """Further alerts in the same message, each as it stands."""
    announces_opening: bool = False
    """Whether this resolve also announces the opening, since nothing got through before."""
    level: int = 0
    """The escalation step, 0 for the first notification; part of PagerDuty's dedup_key."""
    created_ms: int
    """When the delivery was decided, epoch milliseconds UTC."""
    acknowledge_url: str | None = None
    incident: str = ""
    """Names the incident: constant from trigger to resolve, and PagerDuty's dedup_key when it is
    set. An incident of several alerts is closed when all have resolved."""
    acknowledged_by: str = ""
    """Who acknowledged, where the event is `acknowledged`; who asked, where it is `test`."""


@dataclass(frozen=True, kw_only=True)
class Traits:
    """How much a type of channel takes, and what its receivers do with it."""

    max_alerts: int
    """How many alerts may share a message at most; fewer fit where names are long."""
    pace_ms: int
    """The least time between two requests."""
    counts_unnamed: bool = False
    """Whether a message only counts the alerts that it has no room to name: they are not sent.
    Otherwise they go in another message."""
    has_incidents: bool = False
    """Whether the receiver keeps incidents, each opened, acknowledged and resolved by its name."""
    can_be_gone: bool = False
    """Whether a receiver may ask, by 410 Gone, to be sent nothing more."""
