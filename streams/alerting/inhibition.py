"""Decide whether an alert goes without saying since its service is down.

A firing `service_status` alert hides all other kinds that have the same label `service`: a rule
about operations says whose they are with `labels: {service: …}`. A service that is only degraded
hides nothing.
"""

from schemas.breaches import Breach

SERVICE = "service"


def hides(breach: Breach) -> str | None:
    """Return the service whose other alerts this one hides, None if it hides none."""
    if breach.kind != "service_status" or breach.evidence.get("status") == "degraded":
        return None
    return breach.labels.get(SERVICE)


def hidden_with(breach: Breach) -> str | None:
    """Return the service that hides this alert while it is down, None if none does."""
    return None if breach.kind == "service_status" else breach.labels.get(SERVICE)
