"""Return where reading of each partition is, and where its log starts and ends.

Offsets are named as agents/kafka/restart_count.py does: where a log was cut, Kafka's own are
smaller. This leans on internals of aiokafka and Faust, whose versions are pinned.
"""

from typing import Any

from faust.types import TP

from agents.kafka.restart_count import Starts


class LogPositions:
    """The part of a Faust consumer that knows the positions; see ChunkConsumer for the rest."""

    starts: Starts
    earliest_offsets: Any
    highwaters: Any
    seek: Any
    assignment: Any
    _thread: Any
    _assigned: tuple[Any, dict[str, list[TP]]] = (None, {})

    def _assignment(self) -> Any:
        """Return aiokafka's assignment; None while there is none."""
        aiokafka_consumer = self._thread._ensure_consumer()  # noqa: SLF001 - as above
        subscription = aiokafka_consumer._subscription.subscription  # noqa: SLF001 - as above
        return None if subscription is None else subscription.assignment

    def assigned(self, topic: str) -> list[TP]:
        """Return our partitions of a topic."""
        assignment = self._assignment()
        before, by_topic = self._assigned
        if before is not assignment:
            by_topic = {}
            for tp in sorted(assignment.tps if assignment else ()):
                by_topic.setdefault(tp.topic, []).append(TP(*tp))
            self._assigned = assignment, by_topic
        return by_topic.get(topic, [])

    def count_of(self, topic: str) -> int:
        """Return how many partitions a topic has, by Kafka's last answer; 0 while there is none."""
        aiokafka_consumer = self._thread._ensure_consumer()  # noqa: SLF001 - as above
        cluster = aiokafka_consumer._client.cluster  # noqa: SLF001 - as above
        return len(cluster.partitions_for_topic(topic) or ())

    def _state_of(self, tp: TP) -> Any:
        assignment = self._assignment()
        return assignment and assignment.state_value(tp)

    def end_of(self, tp: TP) -> tuple[int | None, int | None]:
        """Return the last known end of a partition's log, and when the broker answered (epoch ms).

        What an open transaction holds back is before the end, and not read.
        """
        state = self._state_of(tp)
        if state is None:
            return None, None
        seen_ms = state.timestamp  # before highwater, since the other thread sets it last
        return self._named(tp, state.highwater), seen_ms

    def position_of(self, tp: TP) -> int | None:
        """Return which offset of a partition is fetched next; None while that is not known."""
        state = self._state_of(tp)
        # Read once: the other thread may remove it.
        return None if state is None else self._named(tp, state._position)  # noqa: SLF001

    def readable_end_of(self, tp: TP) -> int | None:
        """Return how far a partition can be read: an open transaction may hold the rest back."""
        state = self._state_of(tp)
        return None if state is None else self._named(tp, state.lso)

    def _named(self, tp: TP, kafka_offset: int | None) -> int | None:
        """Return our offset for one of Kafka's, see agents/kafka/restart_count.py."""
        return None if kafka_offset is None else kafka_offset + self.starts.of(tp).moved

    def corrupt_since(self) -> dict[TP, float]:
        """Return since when the broker cannot read partitions of ours (monotonic clock)."""
        found = self._thread._ensure_consumer()._fetcher.corrupt_since  # noqa: SLF001 - as above
        ours = self.assignment()
        return {tp: since for place, since in list(found.items()) if (tp := TP(*place)) in ours}

    def held_at(self) -> dict[TP, int]:
        """Return Kafka's offsets at which open transactions block our partitions."""
        held = {}
        for tp in self.assignment():
            state = self._state_of(tp)
            if state is None or state.lso is None or state.highwater is None:
                continue
            if 0 <= state.lso < state.highwater:
                held[tp] = state.lso
        return held

    async def earliest(self, tp: TP) -> int:
        """Return where a partition's log starts.

        Raises:
            KafkaError: the broker does not answer.
        """
        return int((await self.earliest_offsets(tp))[tp]) + self.starts.of(tp).moved

    async def end_now(self, tp: TP) -> int:
        """Return where a partition's log ends, by its leader's answer now.

        Raises:
            KafkaError: the broker does not answer.
        """
        return int((await self.highwaters(tp))[tp]) + self.starts.of(tp).moved

    async def go_to(self, tp: TP, offset: int) -> None:
        """Continue reading of a partition at an offset."""
        await self.seek(tp, offset - self.starts.of(tp).moved)
