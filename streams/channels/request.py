"""What is posted to a receiver: the exact bytes."""

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
    """Return a POST of the body; a header is an argument such as `webhook_id`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(url=url, headers={"content-type": kind, "user-agent": AGENT, **named}, body=body)


def shown(*requests: Request) -> bytes:
    """Return each POST as text: where to, headers, an empty line, the body; signatures masked."""
    return b"\n\n".join(_shown(request) for request in requests) + b"\n"


def _shown(request: Request) -> bytes:
    secret = {"authorization": f"Basic {MASK}", "webhook-signature": f"v1,{MASK}"}
    headers = [f"{name}: {secret.get(name, value)}" for name, value in request.headers.items()]
    length = f"content-length: {len(request.body)}"
    head = "\n".join([f"POST {request.url}", *headers, length])
    return head.encode() + b"\n\n" + request.body
