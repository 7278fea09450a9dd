"""docker-compose.yml keeps to the compose specification, and to what we promise of it."""

import importlib.util
import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SECURED = yaml.safe_load((ROOT / "docker-compose.secured.yml").read_text())
SERVICES = COMPOSE["services"]
WORKERS = [name for name, service in SERVICES.items() if service["image"] == "opwatch"]


def specification() -> dict:
    """The compose specification's own schema, as the check-jsonschema distribution carries it."""
    package = importlib.util.find_spec("check_jsonschema")
    assert package is not None
    assert package.origin is not None
    folder = Path(package.origin).parent / "builtin_schemas" / "vendor"
    return json.loads((folder / "compose-spec.json").read_text())


@pytest.mark.parametrize("file", [COMPOSE, SECURED])
def test_the_files_are_valid_by_the_compose_specification(file: dict):
    schema = specification()

    jsonschema.validators.validator_for(schema)(schema).validate(file)


def test_the_secured_kafka_asks_others_for_tls_and_a_password_that_has_no_default():
    kafka = SECURED["services"]["kafka"]["environment"]

    doors = kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    assert doors == ["HOST:SASL_SSL", "CONTROLLER:PLAINTEXT", "INSIDE:PLAINTEXT"]
    assert "${KAFKA_PASSWORD:?" in kafka["KAFKA_LISTENER_NAME_HOST_PLAIN_SASL_JAAS_CONFIG"]


def test_the_specification_would_refuse_a_wrong_file():
    schema = specification()
    wrong = {"services": {"kafka": {"image": "x", "helthcheck": {}}}}

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validators.validator_for(schema)(schema).validate(wrong)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_watched_and_comes_back(name: str):
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_every_port_is_on_loopback_unless_told_and_set_by_a_variable(name: str):
    for port in SERVICES[name]["ports"]:
        loopback = r"(127\.0\.0\.1|\$\{[A-Z_]+:-127\.0\.0\.1\})"
        assert re.fullmatch(loopback + r":\$\{[A-Z_]+:-\d+(-\d+)?\}:\d+", port)


@pytest.mark.parametrize("name", SERVICES)
def test_logs_and_memory_end_and_no_process_gets_more_rights(name: str):
    service = SERVICES[name]

    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["mem_limit"]
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_writes_nowhere_and_has_no_capability(name: str):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", WORKERS)
def test_every_setting_can_reach_a_worker_and_what_channels_read_the_alert_worker_alone(name: str):
    files = [file["path"] for file in SERVICES[name]["env_file"]]

    assert files == ["opwatch.env", *(["alert.env"] if name == "alert" else [])]
    assert not any(file["required"] for file in SERVICES[name]["env_file"])


def test_measure_can_be_more_than_one():
    (ports,) = SERVICES["measure"]["ports"]

    assert re.search(r":-\d+-\d+\}:8080", ports)
    assert "OPWATCH_INSTANCE" not in SERVICES["measure"]["environment"]
    assert "container_name" not in SERVICES["measure"]


def test_prometheus_scrapes_every_worker():
    scraped = yaml.safe_load((ROOT / "config" / "prometheus.yml").read_text())["scrape_configs"]

    names = {name for job in scraped for it in job["dns_sd_configs"] for name in it["names"]}
    assert names == set(WORKERS) - {"dashboard"}


def test_every_variable_is_in_the_example_with_its_default():
    used = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", (ROOT / "docker-compose.yml").read_text()))
    told = dict(re.findall(r"(?m)^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text()))

    assert used == told


@pytest.mark.parametrize("name", ["kafka", "postgres"])
def test_what_holds_data_holds_it_in_a_named_volume(name: str):
    volume, _, target = SERVICES[name]["volumes"][0].partition(":")

    assert volume in COMPOSE["volumes"]
    assert target.startswith("/var/lib/")


def test_kafka_is_the_release_the_jars_are():
    pinned = re.search(
        r"kafka_2\.13</artifactId>\s*<version>(.+?)<", (ROOT / "stack" / "pom.xml").read_text()
    )
    assert pinned is not None

    assert SERVICES["kafka"]["image"].startswith(f"apache/kafka:{pinned[1]}@")


def test_images_of_others_are_pinned_by_release_and_digest():
    dockerfile = (ROOT / "Dockerfile").read_text()
    (python,) = re.findall(r"^ARG PYTHON=(\S+)$", dockerfile, re.MULTILINE)
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    others = {service["image"] for service in SERVICES.values()} - {"opwatch"}

    assert set(bases) == {"python:${PYTHON}"}
    for image in (*others, f"python:{python}"):
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+(\.\d+)?(-[a-z-]+)?@sha256:[0-9a-f]{64}", image)


@pytest.mark.parametrize("name", ["measure", "quality", "alert"])
def test_a_worker_waits_for_a_healthy_broker_and_reaches_it_inside(name: str):
    kafka = SERVICES["kafka"]["environment"]
    worker = SERVICES[name]

    assert worker["command"] == f"worker {name}"
    assert worker["depends_on"]["kafka"] == {"condition": "service_healthy"}
    bootstrap = worker["environment"]["OPWATCH_KAFKA_BOOTSTRAP"]
    assert f"INSIDE://{bootstrap}" in kafka["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_the_image_does_not_run_as_root():
    lines = (ROOT / "Dockerfile").read_text().splitlines()

    assert 'ENTRYPOINT ["opwatch"]' in lines
    assert lines.index("USER opwatch") < lines.index('ENTRYPOINT ["opwatch"]')
