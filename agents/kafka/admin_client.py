"""Reach Kafka before a deadline, or say why not in a sentence."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError

from agents.runtime.masking import masked_urls, masked_value
from agents.runtime.settings import Settings

#: A request that takes longer than this is a broker that does not answer.
REQUEST_S = 15.0
_RETRY_S = 0.25


class Unreachable(Exception):
    """No broker answered before the deadline."""

    def __init__(self, bootstrap: str, why: str) -> None:
        super().__init__(
            f"cannot reach Kafka at {masked_value(bootstrap)}: {masked_urls(why)}. Is it running?"
            " `make up` starts one; OPWATCH_KAFKA_BOOTSTRAP names another."
        )
        self.why = why


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
                    raise Unreachable(settings.kafka_bootstrap, why) from error
                await asyncio.sleep(_RETRY_S)
        try:
            yield client
        except (KafkaConnectionError, TimeoutError) as error:
            why = complaint.why or str(error) or "no answer in time"
            raise Unreachable(settings.kafka_bootstrap, why) from error
        finally:
            await client.close()


class LastComplaint(logging.Handler):
    """Keep aiokafka's last complaint, which says more than its exception does."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.why = ""

    def emit(self, record: logging.LogRecord) -> None:
        last = record.args[-1] if isinstance(record.args, tuple) and record.args else None
        if isinstance(last, OSError) and (last.errno or 0) > 0:
            self.why = os.strerror(last.errno or 0).lower()
        else:
            self.why = str(last if isinstance(last, Exception) else record.getMessage())

    def __enter__(self) -> "LastComplaint":
        logging.getLogger("aiokafka").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("aiokafka").removeHandler(self)
