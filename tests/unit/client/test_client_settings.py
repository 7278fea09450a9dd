"""The environment says where Kafka is, the host may say otherwise, and secrets stay inside."""

import os
import ssl
import subprocess
import sys
from importlib.metadata import requires

import pytest

import opwatch_client as opwatch
from agents.runtime.settings import Settings as WorkerSettings
from opwatch_client import current
from opwatch_client.settings import Settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    for name in list(os.environ):
        if name.startswith("OPWATCH_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)  # no .env
    monkeypatch.setattr(current, "_publisher", None)


def test_defaults_are_the_workers():
    ours, workers = Settings.read(), WorkerSettings()

    assert ours.bootstrap == workers.kafka_bootstrap
    assert ours.topic == workers.topic_prefix + "operations"
    assert ours.kafka() == workers.kafka()


def test_the_environment_means_to_us_what_it_means_to_the_workers(monkeypatch):
    for name, value in {
        "KAFKA_BOOTSTRAP": "a:1, b:2",
        "TOPIC_PREFIX": "x.",
        "SERVICE": "crawler",
        "KAFKA_TLS": "true",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
        "KAFKA_USERNAME": "u",
        "KAFKA_PASSWORD": "p",
    }.items():
        monkeypatch.setenv("OPWATCH_" + name, value)

    ours, workers = Settings.read(), WorkerSettings()
    mine, theirs = ours.kafka(), workers.kafka()

    assert isinstance(mine.pop("ssl_context"), ssl.SSLContext)
    theirs.pop("ssl_context")
    assert mine.pop("bootstrap_servers") == theirs.pop("bootstrap_servers").replace(" ", "")
    assert mine == theirs
    assert (ours.topic, ours.service) == ("x.operations", "crawler")


def test_the_host_may_say_otherwise(monkeypatch):
    monkeypatch.setenv("OPWATCH_KAFKA_BOOTSTRAP", "a:1")
    monkeypatch.setenv("OPWATCH_SERVICE", "env")

    opwatch.configure(bootstrap="b:2", topic="t", limit=5)

    settings = current.publisher().settings
    assert (settings.bootstrap, settings.topic, settings.service) == ("b:2", "t", "env")
    assert settings.limit == 5


@pytest.mark.parametrize("word", ["0", "false", "No", "off", ""])
def test_no_is_no_tls(monkeypatch, word: str):
    monkeypatch.setenv("OPWATCH_KAFKA_TLS", word)

    assert Settings.read().tls is False


def test_mistyped_wish_for_tls_never_means_plain_text(monkeypatch):
    monkeypatch.setenv("OPWATCH_KAFKA_TLS", "ture")

    assert Settings.read().kafka()["security_protocol"] == "SSL"


@pytest.mark.parametrize(
    "wrong",
    [
        {"bootstrap": "nowhere"},
        {"bootstrap": "a:1,b"},
        {"topic": ""},
        {"sasl_mechanism": "MD5", "username": "u", "password": "hidden"},
        {"sasl_mechanism": "PLAIN", "username": "u"},
        {"limit": 0},
    ],
)
def test_configure_refuses_what_can_never_work(wrong: dict):
    with pytest.raises(ValueError, match=next(iter(wrong))) as refusal:
        opwatch.configure(**wrong)

    assert "hidden" not in str(refusal.value)


def test_password_is_not_shown():
    settings = Settings(sasl_mechanism="PLAIN", username="u", password="hidden")

    assert "hidden" not in repr(settings)


def test_wrong_environment_does_not_break_the_first_operation(monkeypatch, caplog):
    monkeypatch.setenv("OPWATCH_KAFKA_BOOTSTRAP", "nowhere")
    monkeypatch.setenv("OPWATCH_KAFKA_SASL_MECHANISM", "MD5")

    with opwatch.operation("a"):
        pass

    assert opwatch.flush(0.3) is False
    assert opwatch.close(0.6) is False
    assert caplog.text.count("'nowhere' is not host:port") == 1
    assert opwatch.stats().dropped == 1


def test_client_needs_nothing_but_aiokafka():
    assert [need.split(">")[0] for need in requires("opwatch-client") or []] == ["aiokafka"]
    code = (
        "import sys; import opwatch_client;"
        "print(*{m.partition('.')[0] for m in sys.modules}"
        " & {'agents', 'schemas', 'streams', 'pydantic', 'faust', 'structlog', 'orjson'})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
