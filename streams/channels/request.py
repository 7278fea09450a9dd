"""Hold what is posted to a receiver: the exact bytes."""

from dataclasses import dataclass, field

MASK = "**********"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
AGENT = "opwatch"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One POST. Its repr shows neither URL nor headers nor body: each may hold a secret."""

    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def posted(url: str, body: bytes, kind: str, **headers: str) -> Request:
    """Return a POST of the body, with headers given as `content_type` or `webhook_id`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(url=url, headers={"content-type": kind, "user-agent": AGENT, **named}, body=body)
