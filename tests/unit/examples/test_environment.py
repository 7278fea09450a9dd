"""Settings that stand in the environment do not change the demo."""

import pytest

from examples.job_parser.environment import for_demo
from stack import bringup
from stack.state import Service, State

HOSTILE = {
    "OPWATCH_GRACE_S": "often",
    "OPWATCH_TOPIC_PREFIX": "mine.",
    "opwatch_rule_file": "nowhere",
    "OPWATCH_DB_SCHEMA": "mine",
    "OPWATCH_CHANNEL_VARIABLES": "*",
}
SERVERS = {"OPWATCH_KAFKA_BOOTSTRAP": "k:1", "METRICS_DATABASE_URL": "postgresql://p/d"}
OF_KAFKA = {"OPWATCH_KAFKA_TLS": "true", "OPWATCH_REPLICATION": "3"}
OF_POSTGRES = {"OPWATCH_DB_PASSWORD_FILE": "/run/secrets/db"}
ALL = HOSTILE | SERVERS | OF_KAFKA | OF_POSTGRES | {"FOR": "30"}


def recorded(monkeypatch: pytest.MonkeyPatch, **addresses: str) -> None:
    services = {name: Service(by="local", address=it) for name, it in addresses.items()}
    monkeypatch.setattr(bringup, "recorded", lambda: State(**services))


def names_of(environment: dict[str, str]) -> set[str]:
    return set(environment) - {"PYTHONPATH"}


def test_servers_of_others_are_reached_as_the_environment_says(monkeypatch: pytest.MonkeyPatch):
    recorded(monkeypatch)
    assert names_of(for_demo(ALL)) == {"FOR", *SERVERS, *OF_KAFKA, *OF_POSTGRES}


def test_our_own_servers_are_reached_whatever_stands_there(monkeypatch: pytest.MonkeyPatch):
    recorded(monkeypatch, kafka="k:1", postgres="postgresql://p/d")
    assert names_of(for_demo(ALL)) == {"FOR", *SERVERS}
