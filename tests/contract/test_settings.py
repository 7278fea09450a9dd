"""Hold docs/settings.md to the settings, and the settings to what they promise."""

from pathlib import Path

import pytest
import trustme
from pydantic import ValidationError

from agents.channels.http import tls_context
from agents.channels.proxy import proxy_of
from agents.channels.registry import guard
from agents.cli.config import markdown, source_of, unknown_variables
from agents.runtime import channel_variables
from agents.runtime.database_settings import retention_ms
from agents.runtime.settings import Settings, mistakes, variable

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


# ---------------------------------------------------------------- whatever is written

WRONG = [
    "", " ", "0", "-1", "1e400", "nan", "inf", "9" * 400, "yes", "loud", "a b", "x" * 5000, "ä",
    "\x1b[31m", "../..", "/nonexistent/file.pem", "/", "{folder}", "{junk}", "{binary}", "host",
    "host:", ":9092", "host:0", "host:99999", "http://host:9092", "a,b", ",", "[::1]:9092", "%",
    "https://", "http://[", "10.0.0.0/33", "*", "OPWATCH_*", "1m=", "1m=1h", "${{HOME}}",
]  # fmt: skip


def wrong_values(folder: Path) -> list[str]:
    (folder / "junk.pem").write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    (folder / "binary.pem").write_bytes(bytes(range(256)))
    names = {"folder": folder, "junk": folder / "junk.pem", "binary": folder / "binary.pem"}
    return [value.format(**names) for value in WRONG]


@pytest.mark.parametrize("field", Settings.model_fields)
def test_whatever_a_setting_is_it_works_or_the_mistake_names_the_variable(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """No value ends in a traceback: neither where it is read nor where it is used first."""
    name = variable(field)
    for value in wrong_values(tmp_path):
        monkeypatch.setenv(name, value)
        try:
            chosen = Settings(_env_file=None)
        except ValidationError as error:
            told = mistakes(error)
            assert told
            assert all(name in sentence for sentence in told), told
            assert all(len(sentence) < 700 and sentence.endswith(".") for sentence in told)
            continue
        chosen.kafka()
        guard(chosen)
        channel_variables.patterns(chosen.channel_variables)
        if chosen.receivers_proxy is not None:
            assert proxy_of(chosen.receivers_proxy.get_secret_value()).host
        if chosen.receivers_ca_file is not None:
            tls_context(chosen.receivers_ca_file)
        assert chosen.time_limits.grace_ms >= 0
        retention_ms(chosen.db_retention)


@pytest.mark.parametrize("setting", ["KAFKA_CA_FILE", "RECEIVERS_CA_FILE"])
def test_a_file_of_certificates_is_read_when_it_is_named(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    name = f"OPWATCH_{setting}"
    told = {}
    _, junk, binary = tmp_path, tmp_path / "junk.pem", tmp_path / "binary.pem"
    wrong_values(tmp_path)
    for path in (tmp_path / "gone.pem", tmp_path, junk, binary):
        monkeypatch.setenv(name, str(path))
        with pytest.raises(ValidationError) as caught:
            Settings(_env_file=None)
        (told[path.name],) = mistakes(caught.value)
    assert (
        told["gone.pem"]
        == f"{name} is '{tmp_path}/gone.pem': cannot be read: no such file or directory."
    )
    assert told[tmp_path.name].endswith("cannot be read: is a directory.")
    assert told["junk.pem"].endswith("holds no certificate: it must be PEM.")
    assert told["binary.pem"].endswith("holds no certificate: it must be PEM.")


def test_a_key_of_another_certificate_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    authority = trustme.CA()
    for name in ("a", "b"):
        certificate = authority.issue_cert(f"{name}.example.com")
        certificate.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        certificate.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    monkeypatch.setenv("OPWATCH_KAFKA_CERT_FILE", str(tmp_path / "a.pem"))
    for key, fits in (("a.key", True), ("b.key", False), ("", False)):
        monkeypatch.setenv("OPWATCH_KAFKA_KEY_FILE", str(tmp_path / key) if key else "")
        if fits:
            Settings(_env_file=None)
            continue
        with pytest.raises(ValidationError) as caught:
            Settings(_env_file=None)
        assert "OPWATCH_KAFKA_" in " ".join(mistakes(caught.value))
