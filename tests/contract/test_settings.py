"""Hold docs/settings.md to the settings, and the settings to what they promise."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from agents.cli.config import markdown, source_of, unknown_variables
from agents.runtime.settings import Settings, mistakes

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
PASSWORD = "hunter2-is-secret"


def test_the_page_is_what_the_settings_say():
    assert PAGE.read_text(encoding="utf-8") == markdown(), (
        "run `opwatch config table > docs/settings.md`"
    )


def test_every_setting_says_what_it_is_for():
    assert [name for name, info in Settings.model_fields.items() if not info.description] == []


def test_every_mistake_is_told_at_once_and_no_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPWATCH_PARTITIONS", "0")
    monkeypatch.setenv("OPWATCH_LOG_LEVEL", "loud")
    monkeypatch.setenv("OPWATCH_KAFKA_BOOTSTRAP", "nowhere")
    monkeypatch.setenv("OPWATCH_KAFKA_PASSWORD", PASSWORD)
    with pytest.raises(ValidationError) as caught:
        Settings(_env_file=None)
    told = mistakes(caught.value)
    assert sorted(told) == [
        "OPWATCH_KAFKA_BOOTSTRAP is 'nowhere': 'nowhere' is not host:port.",
        "OPWATCH_LOG_LEVEL is 'loud': Input should be 'debug', 'info', 'warning' or 'error'.",
        "OPWATCH_PARTITIONS is '0': Input should be greater than or equal to 1.",
    ]


def test_a_mechanism_needs_a_user_and_a_password(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPWATCH_KAFKA_SASL_MECHANISM", "PLAIN")
    with pytest.raises(ValidationError) as caught:
        Settings(_env_file=None)
    assert mistakes(caught.value) == [
        "OPWATCH_KAFKA_SASL_MECHANISM needs OPWATCH_KAFKA_USERNAME and OPWATCH_KAFKA_PASSWORD."
    ]


def test_secrets_do_not_show():
    chosen = Settings(
        _env_file=None,
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_username="svc",
        kafka_password=PASSWORD,
    )
    assert PASSWORD not in str(chosen) + repr(chosen) + str(chosen.model_dump())
    assert chosen.kafka()["sasl_plain_password"] == PASSWORD
    assert chosen.kafka()["security_protocol"] == "SASL_PLAINTEXT"


def test_tls_is_verified():
    chosen = Settings(_env_file=None, kafka_tls=True)
    assert chosen.kafka()["security_protocol"] == "SSL"
    assert chosen.tls_context().check_hostname


def test_dotenv_may_hold_what_is_not_ours(tmp_path: Path):
    dotenv = tmp_path / ".env"
    dotenv.write_text("POSTGRES_PORT=5432\nOPWATCH_PARTITIONS=4\nOPWATCH_PARTITION=5\n")
    assert Settings(_env_file=dotenv).partitions == 4
    assert unknown_variables({}, str(dotenv)) == [("OPWATCH_PARTITION", "OPWATCH_PARTITIONS")]


def test_misspelt_variables_are_noticed(tmp_path: Path):
    given = {
        "OPWATCH_KAFKA_BOOTSRAP": "x:1",
        "OPWATCH_ZZZ": "1",
        "HOME": "/",
        "opwatch_grace_s": "",
    }
    assert unknown_variables(given, str(tmp_path / "none")) == [
        ("OPWATCH_KAFKA_BOOTSRAP", "OPWATCH_KAFKA_BOOTSTRAP"),
        ("OPWATCH_ZZZ", None),
    ]


def test_the_source_of_a_setting_is_told(tmp_path: Path):
    dotenv = tmp_path / ".env"
    dotenv.write_text("OPWATCH_PARTITIONS=4\nOPWATCH_GRACE_S=4\n")
    given = {"OPWATCH_PARTITIONS": "5"}
    assert source_of("partitions", given, str(dotenv)) == "environment"
    assert source_of("grace_s", given, str(dotenv)) == ".env"
    assert source_of("replication", given, str(dotenv)) == "default"
