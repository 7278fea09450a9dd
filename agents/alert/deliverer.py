"""Deliver the messages of one channel: take a lease, write, request, apply the response, write.

A channel has a task of its own, so that a dead receiver delays nobody else. A worker that is killed
leaves an open lease; its successor waits until it ends.
"""

import asyncio
import random
from collections.abc import Callable

import structlog

from agents.alert import metrics
from agents.alert.clock import Alarm, now_ms
from agents.alert.writer import AlertWriter
from agents.channels.sender import Sender
from agents.runtime import failpoints
from streams.alerting.engine import AlertEngine
from streams.alerting.inputs import Attempt, AttemptResult
from streams.channels.response_meaning import Answer, Retry, Sent

log = structlog.get_logger()

#: A request ends this long before its lease does.
_MARGIN_S = 2.0
#: No request gets longer than this...
_REQUEST_S = 10.0
#: ...and none begins with less.
_LEAST_S = 1.0
#: An adapter that does not keep its deadline gets this much more.
_OVERTIME_S = 0.5
#: When an attempt is due and there is none, the engine is asked again after this.
_AGAIN_MS = 50


class Deliverer:
    """The task of one channel."""

    def __init__(
        self,
        name: str,
        alerting: AlertEngine,
        writer: AlertWriter,
        alarm: Alarm,
        turned: Callable[[], None],
    ) -> None:
        """Deliver to the channel of this name.

        Args:
            name: the channel's.
            alerting: has the outbox.
            writer: writes leases and results.
            alarm: rings when something changed.
            turned: ends a process that stood still; called right before a request.
        """
        self.sender: Sender | None = None
        """Makes the requests; None while the channel cannot be used."""
        self._name = name
        self._alerting = alerting
        self._writer = writer
        self._alarm = alarm
        self._turned = turned
        self._stopping = False
        self._request: asyncio.Future[Answer] | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Deliver until `stop`, or cancelled: then the request is cancelled at once."""
        while not self._stopping:
            rung = self._alarm.rung
            now = now_ms()
            sender = self.sender
            due_ms = self._alerting.next_attempt_ms(self._name) if sender is not None else None
            if sender is None or due_ms is None or due_ms > now:
                await self._alarm.wait(rung, due_ms)
                continue
            attempt = self._alerting.next_attempt(self._name, now)
            if attempt is None:
                self._writer.begin()  # a batch may have been dropped, and a fallback notified
                await self._alarm.wait(rung, now + _AGAIN_MS)
                continue
            self._idle.clear()
            await self._deliver(attempt, sender)
            self._idle.set()

    async def stop(self, seconds: float) -> None:
        """Begin no more requests; give the one in flight this long, then cancel it."""
        self._stopping = True
        self._alarm.ring()
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            if self._request is not None:
                self._request.cancel()
            await self._idle.wait()

    async def _deliver(self, attempt: Attempt, sender: Sender) -> None:
        await self._writer.written()
        failpoints.reached("alert_after_lease")
        answer = await self._ask(attempt, sender)
        failpoints.reached("alert_after_send")
        now = now_ms()
        self._alerting.apply(
            AttemptResult(attempt=attempt, response=answer, jitter=random.random()), now
        )
        self._show(attempt, answer, now)
        self._alarm.ring()
        failpoints.reached("alert_before_row")
        await self._writer.written()

    async def _ask(self, attempt: Attempt, sender: Sender) -> Answer:
        """Make the request, in time for the lease."""
        left_s = (attempt.lease_until_ms - now_ms()) / 1000 - _MARGIN_S
        if self._stopping:
            return _not_sent("this worker stops")
        if left_s < _LEAST_S:
            return _not_sent("the lease ended before the attempt was recorded", after_ms=None)
        if not self._alerting.may_send(attempt, now_ms()):
            return _not_sent("an alert in it was decided otherwise meanwhile")
        self._turned()
        deadline_s = min(_REQUEST_S, left_s)
        request = asyncio.ensure_future(sender.send(attempt.message, attempt.attempt, deadline_s))
        self._request = request
        try:
            with metrics.delivery_seconds.labels(self._name).time():
                await asyncio.wait({request}, timeout=deadline_s + _OVERTIME_S)
            return _answer(request)
        finally:
            self._request = None
            request.cancel()  # of no effect once it is done

    def _show(self, attempt: Attempt, answer: Answer, now: int) -> None:
        outcome = type(answer).__name__.lower()
        metrics.deliveries.labels(self._name, outcome).inc()
        if isinstance(answer, Sent):
            seconds = (now - attempt.message.created_ms) / 1000
            metrics.notification_seconds.labels(self._name).observe(max(seconds, 0))
            return
        log.warning(
            "not delivered",
            channel=self._name,
            outcome=outcome,
            attempt=attempt.attempt,
            answer=answer.answer,
            delivery=attempt.delivery,
        )


def _not_sent(why: str, after_ms: int | None = 0) -> Retry:
    return Retry(answer=f"Not sent: {why}.", after_ms=after_ms, requested=False)


def _answer(request: "asyncio.Future[Answer]") -> Answer:
    """Return what came of a request, for the engine."""
    if not request.done():
        return Retry(answer="No answer in time.", ambiguous=True)
    if request.cancelled():
        why = "This worker was stopped before the receiver answered."
        return Retry(answer=why, after_ms=0, ambiguous=True)
    error = request.exception()
    if error is not None:
        log.error("a channel's adapter failed", exc_info=error)
        return Retry(answer=f"Our adapter failed: {type(error).__name__}.", ambiguous=True)
    return request.result()
