"""Connect to Kafka before a deadline, and ask for its topics.

aiokafka's own question is too old for the answer to have a topic's id, which a topic that was
deleted and made again does not keep, and the operations that the user is allowed.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    KafkaConnectionError,
    NodeNotReadyError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol import metadata as old
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from agents.kafka.topic_fit import FORBIDDEN, ExistingTopic
from agents.kafka.unreachable import LastComplaint, Unreachable, reason
from agents.runtime.settings import Settings

#: A request that takes longer than this is a broker that does not answer.
REQUEST_S = 15.0
_RETRY_S = 0.25


@asynccontextmanager
async def admin(settings: Settings, *, deadline_s: float) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield an admin client that a broker has answered.

    Raises:
        Unreachable: none did for deadline_s, or the one in use went silent.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + deadline_s
    with LastComplaint() as complaint:
        while True:
            client = AIOKafkaAdminClient(
                **settings.kafka(), request_timeout_ms=int(REQUEST_S * 1e3)
            )
            try:
                await asyncio.wait_for(client.start(), max(give_up - loop.time(), 0.1))
                break
            except (KafkaConnectionError, TimeoutError, OSError) as error:
                await client.close()
                if loop.time() + _RETRY_S > give_up:
                    why = complaint.why or f"no answer within {deadline_s:g} s"
                    raise await _unreachable(settings, complaint, client, why) from error
                await asyncio.sleep(_RETRY_S)
        try:
            yield client
        except (KafkaConnectionError, NodeNotReadyError, TimeoutError) as error:
            why = complaint.why or str(error) or "no answer in time"
            raise await _unreachable(settings, complaint, client, why) from error
        finally:
            await client.close()


async def _unreachable(
    settings: Settings, complaint: LastComplaint, client: AIOKafkaAdminClient, why: str
) -> Unreachable:
    found = await reason(settings, complaint, client._client.cluster)  # noqa: SLF001 - no other way
    return Unreachable(settings.kafka_bootstrap, *(found or (why,)))


#: https://kafka.apache.org/protocol: of org.apache.kafka.common.acl.AclOperation.
_OPERATIONS = {3: "READ", 4: "WRITE", 5: "CREATE", 8: "DESCRIBE", 10: "DESCRIBE_CONFIGS"}
_NO_ANSWER = -(2**31)
_UNKNOWN_TOPIC = 3
_PASSING = 5  # a new topic's leader is being chosen
_NO_ID = uuid.UUID(int=0)


async def describe_topics(
    client: AIOKafkaAdminClient, names: Collection[str]
) -> dict[str, ExistingTopic]:
    """Return those of the topics that exist, or that the user has no right to describe.

    Their configuration is left out.

    Raises:
        KafkaError: no answer, or a broker cannot tell.
    """
    answer = await client._send_request(_Ask(sorted(names)))  # noqa: SLF001 - it has no such method
    found = {}
    for topic in answer.to_object()["topics"]:
        code, partitions = topic["error_code"], topic["partitions"]
        if code == TopicAuthorizationFailedError.errno:
            found[topic["topic"]] = FORBIDDEN
        elif code in (0, _PASSING) and partitions:
            topic_id = topic.get("id", _NO_ID)
            found[topic["topic"]] = ExistingTopic(
                len(partitions),
                None,
                str(topic_id) if topic_id != _NO_ID else None,
                _rights(topic.get("rights", _NO_ANSWER)),
                tuple(part["partition"] for part in partitions if part["leader"] < 0),
            )
        elif code not in (0, _UNKNOWN_TOPIC, _PASSING):
            raise for_code(code)(topic["topic"])
    return found


def _rights(bits: int) -> frozenset[str] | None:
    if bits == _NO_ANSWER:
        return None
    return frozenset(name for code, name in _OPERATIONS.items() if bits >> code & 1)


class _Uuid(AbstractType[uuid.UUID]):
    @classmethod
    def encode(cls, value: uuid.UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> uuid.UUID:
        return uuid.UUID(bytes=data.read(16))


class _Answer(Response):
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString()),
                ("port", Int32),
                ("rack", CompactString()),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString()),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString()),
                ("id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("rights", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _Ask12(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        ("topics", CompactArray(("id", _Uuid), ("name", CompactString()), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _Ask(Request[old.MetadataRequest_v5 | _Ask12]):
    """Asks by name, and lets the broker make no topic."""

    API_KEY = 3

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def build(self, request_struct_class: Any) -> Any:
        if request_struct_class is _Ask12:
            topics: list[Any] = [(_NO_ID, name, {}) for name in self._names]
            return _Ask12(topics, False, True, {})
        return request_struct_class(self._names, False)
