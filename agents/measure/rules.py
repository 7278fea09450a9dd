"""Drive the rules over this worker's partitions of `aggregates`.

The breaches that follow from a record are published at once, then the rows that rest on them are
written. Each 15 s all rows are written, and the input is acknowledged. What is evaluated again
after a crash gives the same records, byte for byte. What is not in the log, the clock and the rule
file, is written to the table before it has any effect.
"""

import asyncio
import time
from collections.abc import Collection, Iterator, MutableMapping, Sequence
from typing import Any

import structlog
from faust.types import TP

from agents.kafka.fetch_unpacking import Chunk
from agents.kafka.producer import OutgoingRecord, Producer
from agents.kafka.table import TableRows
from agents.rule_file.load import BadRuleFile, parse
from agents.rule_file.reload import RuleSource
from agents.runtime import failpoints, metrics
from agents.runtime.settings import Settings
from schemas.rule_file import RuleFile
from schemas.topics import AGGREGATES, BREACHES
from streams.measure.digests import ENGINES
from streams.rules.aggregate_reader import is_for_others
from streams.rules.breach import state_and_severity
from streams.rules.evaluator import BreachRecord, Evaluator, read_aggregate
from streams.rules.series_state import RULES_PREFIX, RulesInEffect, pack, unpack_rules

log = structlog.get_logger()

BEAT_S = 1.0
#: A row without a breach need not be written at once: what lies between is read again.
WRITE_S = 15.0
#: Records evaluated before their breaches are published and the loop may go on, …
_EVALUATED_TOGETHER = 50
#: … or after this long: where finals are far behind, a record may be some work.
_EVALUATED_S = 0.1
#: Rows packed before the loop may go on.
_WRITTEN_TOGETHER = 200

#: Records that cannot be used, as far as the log names them.
_OFFSETS_SHOWN = 5

_BY_PARTITION = (metrics.firing,)


class _Partition:
    """A partition of `aggregates`."""

    def __init__(self, evaluator: Evaluator, generation: int, read_to: int) -> None:
        self.evaluator = evaluator
        self.generation = generation
        self.read_to = read_to
        self.acknowledged = read_to
        self.write_at_s = time.monotonic() + WRITE_S
        self.lock = asyncio.Lock()


class RulesBeat:
    """The partitions of `aggregates` that are this worker's."""

    def __init__(
        self, settings: Settings, producer: Producer, consumer: Any, rows: TableRows
    ) -> None:
        """Publish through the producer; `consumer` returns the ChunkConsumer."""
        self.source = RuleSource(settings)
        self._settings = settings
        self._producer = producer
        self._consumer = consumer
        self._rows = rows
        self._topic = settings.topic(AGGREGATES)
        self._breaches = settings.topic(BREACHES)
        self._partitions: dict[TP, _Partition] = {}

    def lost(self, tps: Collection[TP]) -> None:
        """Forget partitions at once."""
        for tp in tps:
            if self._partitions.pop(tp, None) is not None:
                metrics.forget(_BY_PARTITION, tp.partition)

    def remarks(self) -> list[str]:
        """Return what an operator should know although the worker is ready."""
        wrong = [
            f"the rule file is wrong, and the rules before it stand: {mistake}"
            for mistake in self.source.mistakes
        ]
        if self.source.no_rules is None or wrong:
            return wrong
        evaluators = [partition.evaluator for partition in self._partitions.values()]
        firing = sum(evaluator.firing for evaluator in evaluators)
        alerts = "1 alert stays" if firing == 1 else f"{firing} alerts stay"
        has_rules = any(evaluator.has_rules for evaluator in evaluators)
        effect = "the rules before it stand" if has_rules else "no rules are in effect"
        return [f"{effect}, and {alerts} open: {self.source.no_rules}"]

    async def read(self, tp: TP, chunk: Chunk) -> None:
        """Evaluate the rules for a chunk of `aggregates`."""
        partition = self._partitions.get(tp) or await self._begin(
            tp, chunk.start, self._rows.of(tp.partition)
        )
        if partition is None:
            return
        records = chunk.records
        start = 0
        while start < len(records):
            async with partition.lock:
                if self._partitions.get(tp) is not partition:
                    return  # another worker's now
                batch = records[start : start + _EVALUATED_TOGETHER]
                breaches, count = _evaluate(tp, partition.evaluator, batch)
                start += count
                await self._publish(tp, partition, breaches)
            await asyncio.sleep(0)
        partition.read_to = chunk.end

    def rehearse(self, tp: TP, records: Sequence[Any]) -> Iterator[None]:
        """Evaluate records and publish nothing; yield after each."""
        for record in records:
            _evaluate(tp, self._partitions[tp].evaluator, [record])
            yield

    async def beat(self) -> None:
        """Look at the clock and at the rule file; write what is due."""
        await self.source.look()
        begins = await self._consumer().begins(self._topic)
        of = self._rows.of
        for tp, start, rows in [(tp, at, of(tp.partition)) for tp, at in begins.items()]:
            await self._begin(tp, start, rows)
        for tp, partition in list(self._partitions.items()):
            async with partition.lock:
                if self._partitions.get(tp) is partition:
                    await self._beat(tp, partition)

    async def _beat(self, tp: TP, partition: _Partition) -> None:
        evaluator = partition.evaluator
        end, confirmed_ms = self._consumer().end_of(tp)
        caught_up = end is not None and partition.read_to >= end
        # A wrong file changes nothing, not even where the worker has read no right one before it.
        # Nor does one that is absent or has no rules: nobody wrote that what fires is well.
        is_right = not self.source.mistakes and self.source.no_rules is None
        changed = is_right and evaluator.rules_hash != self.source.loaded.hash
        if caught_up and changed:
            await self._reload(tp, partition)
        seen_ms = confirmed_ms if caught_up else None
        breaches = evaluator.tick(int(time.time() * 1000), seen_ms=seen_ms)
        await self._publish(tp, partition, breaches)
        if time.monotonic() >= partition.write_at_s or evaluator.wants_written:
            await self._write(tp, partition)
        metrics.firing.labels(tp.partition).set(evaluator.firing)
        metrics.rules_evaluations.inc(evaluator.evaluated)
        evaluator.evaluated = 0

    # ------------------------------------------------------------------ publish, write, commit

    async def _publish(
        self, tp: TP, partition: _Partition, breaches: Sequence[BreachRecord]
    ) -> None:
        """Publish breaches, then write the rows that rest on them."""
        if not breaches:
            return
        await self._producer.publish(
            OutgoingRecord(self._breaches, 0, breach.key, breach.value) for breach in breaches
        )
        failpoints.reached("rules_after_publish")
        for breach in breaches:
            metrics.breaches.labels(*state_and_severity(breach.value)).inc()
        if self._partitions.get(tp) is partition:
            changes = partition.evaluator.take_changes({it.state_key for it in breaches})
            await self._rows.write(tp.partition, changes)
            failpoints.reached("rules_after_rows")

    async def _write(self, tp: TP, partition: _Partition) -> None:
        """Write all rows, then acknowledge the input that they hold."""
        evaluator = partition.evaluator
        await self._publish(tp, partition, evaluator.take_pending())
        partition.write_at_s = time.monotonic() + WRITE_S
        if self._partitions.get(tp) is not partition:
            return
        next_offset = evaluator.next_offset
        dirty = evaluator.dirty
        for start in range(0, len(dirty), _WRITTEN_TOGETHER):
            keys = dirty[start : start + _WRITTEN_TOGETHER]
            await self._rows.write(tp.partition, evaluator.take_changes(keys))
            if self._partitions.get(tp) is not partition:
                return
        await self._rows.write(tp.partition, evaluator.take_changes())
        evaluator.written()
        failpoints.reached("rules_before_commit")
        if next_offset > partition.acknowledged and self._partitions.get(tp) is partition:
            partition.acknowledged = next_offset
            self._consumer().done(tp, next_offset)

    # ------------------------------------------------------------------ rule files

    async def _begin(
        self, tp: TP, start: int, rows: MutableMapping[bytes, bytes]
    ) -> _Partition | None:
        """Go on with the rules that were in effect by the table, else with the file's.

        None if a loss has made the rows void: they are no longer the table's.
        """
        if self._is_begun(tp, rows):
            return self._partitions.get(tp)
        packed = rows.get(_rules_key(tp))
        generation, rules, rules_hash = 0, self.source.loaded.rules, self.source.loaded.hash
        if packed is not None:
            in_effect = unpack_rules(packed)
            generation, rules_hash = in_effect.generation, in_effect.hash
            rules = await self._stored_rules(in_effect) or rules
        else:
            generation = await self._put_in_effect(tp, 0, rows)
        if self._is_begun(tp, rows):
            return self._partitions.get(tp)
        evaluator = Evaluator(
            rules,
            rules_hash,
            partition=tp.partition,
            packed=rows,
            generation=generation,
            engine=ENGINES[self._settings.digest_engine],
        )
        partition = self._partitions[tp] = _Partition(evaluator, generation, start)
        return partition

    def _is_begun(self, tp: TP, rows: MutableMapping[bytes, bytes]) -> bool:
        """Return whether a partition has begun meanwhile, or its rows are void."""
        return tp in self._partitions or self._rows.of(tp.partition) is not rows

    async def _reload(self, tp: TP, partition: _Partition) -> None:
        """Judge by the file as it is now, from a point on at which all rows are written."""
        loaded = self.source.loaded
        await self._write(tp, partition)
        rows = self._rows.of(tp.partition)
        partition.generation = await self._put_in_effect(tp, partition.generation, rows)
        if self._partitions.get(tp) is not partition:
            return
        evaluator = partition.evaluator
        breaches = evaluator.reload(loaded.rules, loaded.hash, partition.generation)
        await self._publish(tp, partition, breaches)
        await self._write(tp, partition)
        log.info("rules in effect", partition=tp.partition, hash=loaded.hash)

    async def _put_in_effect(
        self, tp: TP, generation: int, rows: MutableMapping[bytes, bytes]
    ) -> int:
        """Write which rules are in effect from here on; return their generation."""
        in_effect = RulesInEffect(generation + 1, self.source.loaded.hash, self.source.text)
        packed = pack(in_effect)
        key = _rules_key(tp)
        await self._rows.write(tp.partition, [(key, packed)])
        rows[key] = packed
        return in_effect.generation

    async def _stored_rules(self, in_effect: RulesInEffect) -> RuleFile | None:
        """Return the rules that the table says are in effect; None if they cannot be parsed."""
        if in_effect.hash == self.source.loaded.hash:
            return self.source.loaded.rules
        try:
            return (await asyncio.to_thread(parse, in_effect.text)).rules
        except BadRuleFile as bad:
            log.warning(
                "stored rules cannot be parsed by this version; using the rule file",
                mistakes=bad.sentences,
            )
            return None


def _evaluate(
    tp: TP, evaluator: Evaluator, records: Sequence[Any]
) -> tuple[list[BreachRecord], int]:
    """Evaluate records, for a while; return the breaches, and how many records it were."""
    breaches: list[BreachRecord] = []
    refused: list[int] = []
    count, until_s = 0, time.monotonic() + _EVALUATED_S
    for record in records:
        if time.monotonic() > until_s:
            break
        count += 1
        aggregate = read_aggregate(record.value, record.timestamp)
        if aggregate is None and record.value and not is_for_others(record.value):
            refused.append(record.offset)
        breaches += evaluator.evaluate(record.offset, record.timestamp, aggregate)
    if refused:
        metrics.aggregates_refused.inc(len(refused))
        log.error(
            "invalid records on the aggregates topic: rules leave them out",
            partition=tp.partition,
            offsets=refused[:_OFFSETS_SHOWN],
            records=len(refused),
        )
    return breaches, count


def _rules_key(tp: TP) -> bytes:
    return RULES_PREFIX + str(tp.partition).encode()
