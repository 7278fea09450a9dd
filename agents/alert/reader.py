"""Read `breaches` and `commands`: decide on each record, write, publish, and commit."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import structlog
from faust.types import TP

from agents.alert.assignment import Assignment
from agents.alert.writer import Lost
from agents.kafka.dead_letters import DeadLetterBuffer
from agents.kafka.fetch_unpacking import Chunk
from agents.kafka.producer import Producer
from agents.runtime import failpoints
from agents.runtime.pacing import Pace
from agents.runtime.settings import Settings
from schemas.dead_letters import Reason
from schemas.topics import BREACHES, DEAD_LETTERS
from streams.alerting.inputs import BreachInput, CommandInput, Input, read_breach, read_command
from streams.record_limits import RefusedRecord
from streams.validation import NotFit, cut

log = structlog.get_logger()

#: The writer begins to write once this many records are decided on; more follow meanwhile.
_WRITTEN_TOGETHER = 200


class AlertReader:
    """Reads breaches and commands, and has them decided on."""

    def __init__(
        self,
        settings: Settings,
        producer: Producer,
        consumer: Any,
        assignment: Callable[[], Assignment],
    ) -> None:
        """Read for the present assignment.

        Args:
            settings: the worker's.
            producer: publishes dead letters.
            consumer: returns the ChunkConsumer.
            assignment: returns the present one.
        """
        self._breaches = settings.topic(BREACHES)
        self._dead_letters = settings.topic(DEAD_LETTERS)
        self._producer = producer
        self._consumer = consumer
        self._assignment = assignment

    async def read(self, tp: TP, chunk: Chunk) -> None:
        """Decide on a chunk; what another worker took over meanwhile is left to it."""
        assignment = self._assignment()
        letters = DeadLetterBuffer(self._dead_letters, tp.topic, tp.partition)
        pace = Pace()
        try:
            for i, record in enumerate(chunk.records, 1):
                self._take(assignment, tp, record, letters)
                if i % _WRITTEN_TOGETHER == 0:
                    assignment.writer.begin()
                    assignment.ring()
                await pace.rest()
                if letters.are_many:
                    await letters.take().publish(self._producer)
            assignment.ring()
            await letters.publish(self._producer)
            await assignment.writer.written()
        except Lost:
            return
        failpoints.reached("alert_before_commit")
        if not assignment.writer.lost:
            self._consumer().done(tp, chunk.end)

    def rehearse(self, tp: TP, records: Sequence[Any]) -> Iterator[None]:
        """Decide on records and nothing else; yield after each."""
        letters = DeadLetterBuffer(self._dead_letters, tp.topic, tp.partition)
        for record in records:
            self._take(self._assignment(), tp, record, letters)
            yield

    def _take(self, assignment: Assignment, tp: TP, record: Any, letters: DeadLetterBuffer) -> None:
        arrived = self._parse(tp, record)
        if isinstance(arrived, RefusedRecord):
            letters.add(arrived)
        elif not assignment.writer.lost:
            try:  # what raises would end us again and again
                assignment.apply(arrived)
            except Exception as error:
                log.exception("record failed evaluation", topic=tp.topic)
                unfit: Reason = (
                    "invalid_breach" if isinstance(arrived, BreachInput) else "invalid_command"
                )
                detail = f"{type(error).__name__}: {error}"
                letters.add(self._refuse(tp, record, unfit, detail))

    def _parse(self, tp: TP, record: Any) -> Input | RefusedRecord:
        is_breach = tp.topic == self._breaches
        if record.value is None:
            detail = "a breach has a value" if is_breach else "a command has a value"
            return self._refuse(tp, record, "null_value", detail)
        value = bytes(record.value)
        try:
            if is_breach:
                return BreachInput(breach=read_breach(value), raw=value, offset=record.offset)
            return CommandInput(command=read_command(value), offset=record.offset)
        except NotFit as unfit:
            reason: Reason = "invalid_breach" if is_breach else "invalid_command"
            if unfit.kind == "size":
                reason = "too_large"
            return self._refuse(tp, record, reason, str(unfit))

    def _refuse(self, tp: TP, record: Any, reason: Reason, detail: str) -> RefusedRecord:
        detail = cut(detail)
        log.warning("refused", topic=tp.topic, offset=record.offset, reason=reason, detail=detail)
        return RefusedRecord(record, None, reason, detail, bytes(record.value or b""))
