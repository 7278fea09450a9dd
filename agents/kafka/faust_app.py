"""Make a role's Faust app: connect to Kafka, and switch off what we do not use."""

from typing import Any

import faust

from agents.runtime.settings import Settings
from agents.runtime.worker_name import claim

#: Topics' numbers of partitions are asked this often, and twice in a grace, OPWATCH_GRACE_S.
_METADATA_S = 5.0
_METADATA_LEAST_S = 1.0
#: Keys and values stay as the transport delivers them: agents decode.
_RAW = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}


class _Raw(faust.Schema):
    """Passes on what the transport delivers."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's form
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's form
        return message.value


class _App(faust.App):
    """Writes no file: tables are in memory, so their folders would stay empty."""

    def _create_directories(self) -> None:
        pass


def raw_schema() -> faust.Schema:
    """Return a schema that leaves chunks as they are."""
    return _Raw(**_RAW)


def make(settings: Settings, role: str, partitions: int) -> faust.App:
    """Return the app of a role, whose consumer group is named after it.

    Args:
        settings: the worker's.
        role: such as `measure`.
        partitions: of the measuring plane.
    """
    return _App(
        settings.topic_prefix + role,
        broker=";".join(f"kafka://{host}" for host in settings.kafka_bootstrap.split(",")),
        broker_credentials=_credentials(settings),
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 4,
        broker_request_timeout=max(40.0, settings.session_timeout_s + 5),
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        # A new partition must be known before windows with its operations are final.
        consumer_metadata_max_age_ms=int(
            1000 * max(_METADATA_LEAST_S, min(_METADATA_S, settings.grace_s / 2))
        ),
        consumer_group_instance_id=claim(settings, role),
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        store="memory://",
        table_standby_replicas=0,
        topic_partitions=partitions,
        topic_replication_factor=settings.replication,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
    )


def _credentials(settings: Settings) -> Any:
    tls = settings.tls_context() if settings.kafka_tls else None
    if settings.kafka_sasl_mechanism and settings.kafka_password:
        return faust.SASLCredentials(
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=tls,
        )
    return faust.SSLCredentials(tls) if tls else None
