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
SERVICES = COMPOSE["services"]


def specification() -> dict:
    """The compose specification's own schema, as the check-jsonschema distribution carries it."""
    package = importlib.util.find_spec("check_jsonschema")
    assert package is not None
    assert package.origin is not None
    folder = Path(package.origin).parent / "builtin_schemas" / "vendor"
    return json.loads((folder / "compose-spec.json").read_text())


def test_the_file_is_valid_by_the_compose_specification():
    schema = specification()

    jsonschema.validators.validator_for(schema)(schema).validate(COMPOSE)


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
def test_every_port_is_on_loopback_and_set_by_a_variable(name: str):
    for port in SERVICES[name]["ports"]:
        assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z_]+:-\d+\}:\d+", port)


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

    assert SERVICES["kafka"]["image"] == f"apache/kafka:{pinned[1]}"


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
