"""Say what is to be told, whatever the channel."""

from dataclasses import dataclass, field

from schemas.breaches import Breach
from schemas.notifications import Event


@dataclass(frozen=True, kw_only=True)
class Message:
    """What one delivery tells one receiver."""

    delivery: str
    """Names the delivery; constant over its attempts, so that a repeat can be known as one."""
    event: Event
    breach: Breach
    """The alert it is about; of a follow-up or a storm's summary the first."""
    others: tuple[Breach, ...] = field(default=())
    """Further alerts told of in the same message, each as it stands."""
    opening_untold: bool = False
    """Whether this resolve also tells of the opening, since nothing got through before."""
    level: int = 0
    """The escalation step, 0 for the first telling; part of PagerDuty's dedup_key."""
    created_ms: int
    """When the delivery was decided, epoch milliseconds UTC."""
    acknowledge_url: str | None = None
    incident: str = ""
    """Names the incident: constant from trigger to resolve, so PagerDuty's dedup_key comes of it
    when it is set. Of one message about several alerts it is closed when all have resolved."""
    acknowledged_by: str = ""
    """Who acknowledged, where the event is `acknowledged`; who asked, where it is `test`."""
