"""Join a consumer group; end the worker when the group refuses it for good.

aiokafka keeps such errors for whoever polls next; before the first assignment nobody does. And a
member that another one with its name has replaced joins again under a new id, by which it throws
the other one out in turn. Here it asks with its old id first: Kafka says then whether the name has
become another's.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import aiokafka.consumer.consumer as consumer
from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InconsistentGroupProtocolError,
    InvalidSessionTimeoutError,
    KafkaError,
    UnknownMemberIdError,
)
from aiokafka.protocol.admin import DescribeConfigsRequest
from aiokafka.protocol.group import JoinGroupRequest

from agents.runtime import refusals
from agents.runtime.refusals import Refusal

#: https://kafka.apache.org/protocol#protocol_error_codes; aiokafka does not know it.
FENCED_INSTANCE_ID = 82
_LIMITS = ("group.min.session.timeout.ms", "group.max.session.timeout.ms")


class GroupMember(GroupCoordinator):
    """A member that ends its worker when the group refuses it."""

    on_refused: Callable[[Refusal], object]
    _is_unknown = False
    """Whether the group answered that it has no member with our id and name."""

    def reset_generation(self) -> None:
        """Join again with the same id, until the group answers that no member has it."""
        if self._group_instance_id is None or self._is_unknown:
            self._is_unknown = False
            super().reset_generation()
        else:
            self.generation = -1
            self.request_rejoin()

    async def _send_req(self, request: Any) -> Any:
        response = await super()._send_req(request)
        code = getattr(response, "error_code", 0)
        if code == FENCED_INSTANCE_ID:
            self.on_refused(
                Refusal(
                    f"another worker of {self.group_id} has taken this one's name,"
                    f" {self._group_instance_id!r}: set OPWATCH_INSTANCE to a name that no other"
                    " worker has, or leave it out."
                )
            )
        elif isinstance(request, JoinGroupRequest):
            self._is_unknown = code == UnknownMemberIdError.errno
        return response

    async def _push_error_to_user(self, exc: Exception) -> None:
        """End the worker, and leave the group alone until it has ended."""
        if not isinstance(exc, KafkaError):
            await super()._push_error_to_user(exc)
            return
        self.on_refused(Refusal(await self._sentence(exc)))
        await asyncio.wait([self._closing])

    async def _sentence(self, error: KafkaError) -> str:
        group = f"the consumer group {self.group_id}"
        match error:
            case InvalidSessionTimeoutError():
                return (
                    f"OPWATCH_SESSION_TIMEOUT_S is {self._session_timeout_ms / 1000:g}, and the"
                    f" brokers allow {await self._limits()}: set it to a value between them."
                )
            case GroupAuthorizationFailedError():
                return refusals.lacks(["READ"], group)
            case InconsistentGroupProtocolError():
                return (
                    f"{group} has members that are no opwatch workers of this role: end them, or"
                    " choose another OPWATCH_TOPIC_PREFIX."
                )
        return f"{group} does not take this worker: {error!r}."

    async def _limits(self) -> str:
        """Return the session timeouts that the coordinator allows, if it answers."""
        resource = (int(ConfigResourceType.BROKER), str(self.coordinator_id), list(_LIMITS))
        try:
            answer = await self._client.send(
                self.coordinator_id, DescribeConfigsRequest([resource])
            )
            found = {entry[0]: entry[1] for res in answer.resources for entry in res[4]}
            low, high = (f"{int(found[name]) / 1000:g}" for name in _LIMITS)
        except (KafkaError, KeyError, ValueError):  # no right to know it
            return f"what {_LIMITS[0]} and {_LIMITS[1]} say, by default 6 to 1800"
        return f"{low} to {high} ({_LIMITS[0]}, {_LIMITS[1]})"


def use(on_refused: Callable[[Refusal], object]) -> None:
    """Make this process's consumers such members.

    Args:
        on_refused: ends the worker; called in the consumer's thread.
    """
    members = {"on_refused": staticmethod(on_refused)}
    consumer.GroupCoordinator = type("GroupMember", (GroupMember,), members)
