"""Drive the rules over this worker's partitions of `aggregates`.

What a record makes us say is published at once, then the rows that rest on it are written. Each
15 s all rows are written, and the input is said to be done. Whatever is killed in between is said
again, byte for byte. What is not in the log, the clock and the rule file, is written to the table
before anything is said of it.
"""

import asyncio
import time
from collections.abc import Collection, Iterator, MutableMapping, Sequence
from typing import Any

import structlog
from faust.types import TP

from agents.kafka.chunks import Chunk
from agents.kafka.producer import OutgoingRecord, Producer
from agents.kafka.table import TableRows
from agents.rule_file.load import BadRuleFile, parse
from agents.rule_file.reload import RuleSource
from agents.runtime import failpoints, metrics
from agents.runtime.settings import Settings
from schemas.rule_file import RuleFile
from schemas.topics import AGGREGATES, BREACHES
from streams.measure.digests import ENGINES
from streams.rules.breach import word_of
from streams.rules.evaluator import BreachRecord, Evaluator, read_aggregate
from streams.rules.series_state import IN_EFFECT_PREFIX, RulesInEffect, pack, unpack_rules

log = structlog.get_logger()

BEAT_S = 1.0
#: What is not said needs no row at once: what lies between is read again.
WRITE_S = 15.0
#: Records taken in before what they say is published and the loop is let go, …
_TAKEN_TOGETHER = 50
#: … or after so long: where finals are far behind, a record may be some work.
_HELD_S = 0.1
#: Rows packed before the loop is let go.
_WRITTEN_TOGETHER = 200

#: Records that are no use, as far as the log names them.
_OFFSETS_SHOWN = 5

_BY_PARTITION = (metrics.firing,)


class _Partition:
    """A partition of `aggregates`."""

    def __init__(self, evaluation: Evaluator, generation: int, read_to: int) -> None:
        self.evaluation = evaluation
        self.generation = generation
        self.read_to = read_to
        self.done = read_to
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
        stands = [known.evaluation for known in self._partitions.values()]
        firing = sum(one.firing for one in stands)
        alerts = "1 alert stays" if firing == 1 else f"{firing} alerts stay"
        effect = "the rules before it stand" if any(one.has_rules for one in stands) else ""
        effect = effect or "no rules are in effect"
        return [f"{effect}, and {alerts} open: {self.source.no_rules}"]

    async def read(self, tp: TP, chunk: Chunk) -> None:
        """Take a chunk of `aggregates` in."""
        known = self._partitions.get(tp) or await self._begin(
            tp, chunk.start, self._rows.of(tp.partition)
        )
        if known is None:
            return
        records = chunk.records
        start = 0
        while start < len(records):
            async with known.lock:
                if self._partitions.get(tp) is not known:
                    return  # another worker's now
                some = records[start : start + _TAKEN_TOGETHER]
                said, count = _taken(tp, known.evaluation, some)
                start += count
                await self._speak(tp, known, said)
            await asyncio.sleep(0)
        known.read_to = chunk.end

    def rehearse(self, tp: TP, records: Sequence[Any]) -> Iterator[None]:
        """Judge records and nothing else; yield after each."""
        for record in records:
            _taken(tp, self._partitions[tp].evaluation, [record])
            yield

    async def beat(self) -> None:
        """Look at the clock and at the rule file; write what is due."""
        self.source.look()
        begins = await self._consumer().begins(self._topic)
        of = self._rows.of
        for tp, start, rows in [(tp, at, of(tp.partition)) for tp, at in begins.items()]:
            await self._begin(tp, start, rows)
        for tp, known in list(self._partitions.items()):
            async with known.lock:
                if self._partitions.get(tp) is known:
                    await self._beat(tp, known)

    async def _beat(self, tp: TP, known: _Partition) -> None:
        evaluation = known.evaluation
        end, told_at_ms = self._consumer().end_of(tp)
        caught_up = end is not None and known.read_to >= end
        # A wrong file changes nothing, not even where the worker has read no right one before it.
        # Nor does one that is absent or has no rules: nobody wrote that what fires is well.
        is_right = not self.source.mistakes and self.source.no_rules is None
        changed = is_right and evaluation.rules_hash != self.source.loaded.hash
        if caught_up and changed:
            await self._reload(tp, known)
        seen_ms = told_at_ms if caught_up else None
        said = evaluation.tick(int(time.time() * 1000), seen_ms=seen_ms)
        await self._speak(tp, known, said)
        if time.monotonic() >= known.write_at_s or evaluation.wants_written:
            await self._write(tp, known)
        metrics.firing.labels(tp.partition).set(evaluation.firing)
        metrics.rules_evaluations.inc(evaluation.evaluated)
        evaluation.evaluated = 0

    # ------------------------------------------------------------------ publish, write, commit

    async def _speak(self, tp: TP, known: _Partition, said: list[BreachRecord]) -> None:
        """Publish breaches, then write the rows that rest on them."""
        if not said:
            return
        await self._producer.publish(
            OutgoingRecord(self._breaches, 0, one.key, one.value) for one in said
        )
        failpoints.reached("rules_after_publish")
        for one in said:
            metrics.breaches.labels(*word_of(one.value)).inc()
        if self._partitions.get(tp) is known:
            await self._rows.write(
                tp.partition, known.evaluation.take_changes({one.row for one in said})
            )
            failpoints.reached("rules_after_rows")

    async def _write(self, tp: TP, known: _Partition) -> None:
        """Write all rows, then say that the input they hold is done."""
        await self._speak(tp, known, known.evaluation.take_pending())
        known.write_at_s = time.monotonic() + WRITE_S
        if self._partitions.get(tp) is not known:
            return
        evaluation = known.evaluation
        next_offset = evaluation.next_offset
        dirty = evaluation.dirty
        for start in range(0, len(dirty), _WRITTEN_TOGETHER):
            some = dirty[start : start + _WRITTEN_TOGETHER]
            await self._rows.write(tp.partition, evaluation.take_changes(some))
            if self._partitions.get(tp) is not known:
                return
        await self._rows.write(tp.partition, evaluation.take_changes())
        evaluation.written()
        failpoints.reached("rules_before_commit")
        if next_offset > known.done and self._partitions.get(tp) is known:
            known.done = next_offset
            self._consumer().done(tp, next_offset)

    # ------------------------------------------------------------------ rule files

    async def _begin(
        self, tp: TP, start: int, rows: MutableMapping[bytes, bytes]
    ) -> _Partition | None:
        """Go on with the rules that the table says were in effect, else with the file's.

        None if a loss has made the rows void: they are no longer the table's.
        """
        if tp in self._partitions or self._rows.of(tp.partition) is not rows:
            return self._partitions.get(tp)
        packed = rows.get(_in_effect_key(tp))
        generation, rules, rules_hash = 0, self.source.loaded.rules, self.source.loaded.hash
        if packed is not None:
            in_effect = unpack_rules(packed)
            generation, rules_hash = in_effect.generation, in_effect.hash
            rules = self._parsed(in_effect) or rules
        else:
            generation = await self._put_in_effect(tp, 0, rows)
            if tp in self._partitions or self._rows.of(tp.partition) is not rows:
                return self._partitions.get(tp)
        evaluation = Evaluator(
            rules,
            rules_hash,
            partition=tp.partition,
            packed=rows,
            generation=generation,
            engine=ENGINES[self._settings.digest_engine],
        )
        known = self._partitions[tp] = _Partition(evaluation, generation, start)
        return known

    async def _reload(self, tp: TP, known: _Partition) -> None:
        """Judge by the file as it is now, from a point on at which all rows are written."""
        loaded = self.source.loaded
        await self._write(tp, known)
        rows = self._rows.of(tp.partition)
        known.generation = await self._put_in_effect(tp, known.generation, rows)
        if self._partitions.get(tp) is not known:
            return
        said = known.evaluation.reload(loaded.rules, loaded.hash, known.generation)
        await self._speak(tp, known, said)
        await self._write(tp, known)
        log.info("rules in effect", partition=tp.partition, hash=loaded.hash)

    async def _put_in_effect(
        self, tp: TP, generation: int, rows: MutableMapping[bytes, bytes]
    ) -> int:
        """Write which rules are in effect from here on; return their generation."""
        in_effect = RulesInEffect(generation + 1, self.source.loaded.hash, self.source.text)
        packed = pack(in_effect)
        key = _in_effect_key(tp)
        await self._rows.write(tp.partition, [(key, packed)])
        rows[key] = packed
        return in_effect.generation

    def _parsed(self, in_effect: RulesInEffect) -> RuleFile | None:
        try:
            return parse(in_effect.text).rules
        except BadRuleFile as bad:
            log.warning(
                "the rules that were in effect are none to this version, the file's are taken",
                mistakes=bad.sentences,
            )
            return None


def _taken(tp: TP, evaluation: Evaluator, records: Sequence[Any]) -> tuple[list[BreachRecord], int]:
    """Take records in, for a while; return what is said, and how many were taken in."""
    said: list[BreachRecord] = []
    refused: list[int] = []
    count, until_s = 0, time.monotonic() + _HELD_S
    for record in records:
        if time.monotonic() > until_s:
            break
        count += 1
        told = read_aggregate(record.value, record.timestamp)
        if told is None and record.value:
            refused.append(record.offset)
        said += evaluation.evaluate(record.offset, record.timestamp, told)
    if refused:
        metrics.aggregates_refused.inc(len(refused))
        log.error(
            "rules cannot use what somebody wrote to the aggregates: left out",
            partition=tp.partition,
            offsets=refused[:_OFFSETS_SHOWN],
            records=len(refused),
        )
    return said, count


def _in_effect_key(tp: TP) -> bytes:
    return IN_EFFECT_PREFIX + str(tp.partition).encode()
