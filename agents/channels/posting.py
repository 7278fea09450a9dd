"""Post a request and turn whatever comes of it into an answer."""

import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from agents.channels.addresses import AddressRefused
from agents.channels.outside import Heard, NotARequest, NotHeard, Outside
from agents.channels.retry_after import retry_after_ms
from agents.channels.sender import Answer
from streams.alerting.inputs import Rejected, Retry
from streams.channels.plain import fit, one_line
from streams.channels.request import Request

MAX_ANSWER = 300
#: https://www.rfc-editor.org/rfc/rfc9110: try again as it is, later.
RETRIED = (408, 425, 429)
#: A gateway heard nothing from what may have taken the request.
GATEWAY = (502, 504)

_log = structlog.get_logger(__name__)

Mask = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Post:
    """What the adapters that post share: the way out, and what hides the channel's secrets."""

    outside: Outside
    mask: Mask
    clock: Callable[[], float] = time.time

    async def answer(
        self, request: Request, deadline_s: float, judge: Callable[["Post", Heard], Answer]
    ) -> Answer:
        """Post once and let `judge` read the receiver's answer."""
        try:
            heard = await self.outside.post(request, deadline_s)
        except (AddressRefused, NotARequest) as error:
            return Rejected(answer=said(self.mask, str(error)))
        except NotHeard as error:
            return Retry(answer=said(self.mask, str(error)), ambiguous=error.ambiguous)
        return judge(self, heard)

    def by_status(self, heard: Heard, text: str | None = None) -> Answer:
        """Answer what every receiver means by a status that is not success."""
        told = self.told(heard, text)
        if heard.status in RETRIED or heard.status >= 500:
            return Retry(
                answer=told,
                after_ms=retry_after_ms(heard.headers.get("retry-after"), self.now_ms()),
                ambiguous=heard.status in GATEWAY,
            )
        if 300 <= heard.status < 400:
            return Rejected(answer=f"{told}: redirects are not followed")
        if 400 <= heard.status < 500:
            return Rejected(answer=told)
        return Retry(answer=told, ambiguous=True)

    def told(self, heard: Heard, text: str | None = None) -> str:
        """Return the status and what was said, without secrets and in one short line."""
        words = heard.body.decode("utf-8", "replace") if text is None else text
        return said(self.mask, f"{heard.status} {words}")

    def now_ms(self) -> int:
        """Return the clock, epoch milliseconds UTC."""
        return int(self.clock() * 1000)


def said(mask: Mask, text: str) -> str:
    """Return what was said, masked before it is cut: half a secret is none the less one."""
    return fit(one_line(mask(text)), MAX_ANSWER)


async def always(mask: Mask, channel: str, attempt: Awaitable[Answer]) -> Answer:
    """Return the attempt's answer; a failure of ours is one too, logged without secrets."""
    try:
        return await attempt
    except Exception as error:  # noqa: BLE001 - the adapter's edge: a page is never lost to a bug
        _log.error("sending_failed", channel=channel, error=mask(traceback.format_exc(limit=-4)))
        told = said(mask, f"A failure of opwatch: {type(error).__name__}: {error}")
        return Retry(answer=told, ambiguous=True)
