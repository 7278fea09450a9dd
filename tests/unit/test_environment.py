"""opwatch lives in an environment of its own, because other distributions hold an `agents` too."""

import importlib
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ["agents", "schemas", "streams"]


def test_we_run_in_a_virtual_environment():
    assert sys.prefix != sys.base_prefix, "run the tests with .venv/bin/python (make .venv)"


@pytest.mark.parametrize("name", OURS)
def test_the_package_that_imports_is_ours(name: str):
    module = importlib.import_module(name)

    assert [Path(place).resolve() for place in module.__path__] == [ROOT / name], (
        f"another distribution's `{name}` shadows ours: install opwatch into its own environment"
    )


@pytest.mark.parametrize("name", OURS)
def test_no_other_distribution_brings_a_package_of_our_name(name: str):
    assert set(packages_distributions().get(name, [])) <= {"opwatch"}


def test_opwatch_is_installed_with_its_command():
    commands = {entry.name: entry.value for entry in distribution("opwatch").entry_points}

    assert commands == {"opwatch": "agents.cli:main"}
    assert (Path(sys.prefix) / "bin" / "opwatch").exists()


def test_the_locks_name_no_registry_and_pin_every_file_by_hash():
    for lock in sorted(ROOT.glob("requirements*.lock")):
        text = lock.read_text()
        pins = [line for line in text.splitlines() if line and line[0].isalnum()]

        assert "://" not in text, f"{lock.name} names a host"
        assert pins
        assert all("==" in pin and pin.endswith("\\") for pin in pins), lock.name
        assert text.count("--hash=sha256:") >= len(pins)
