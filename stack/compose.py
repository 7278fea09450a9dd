"""Run Kafka and PostgreSQL with docker compose, where a Docker engine answers."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from stack.errors import StackError
from stack.net import LOOPBACK, free_port
from stack.progress import step
from stack.state import FOLDER

FILE = Path(__file__).parent.parent / "docker-compose.yml"
_ENGINE_DEADLINE_S = 10
_UP_DEADLINE_S = 600
_PASSWORD = "opwatch"  # noqa: S105 -- a throwaway server on loopback


def missing() -> str | None:
    """Return why docker compose cannot be used here, or None when it can."""
    if shutil.which("docker") is None:
        return "no Docker (docker is not on PATH)"
    try:
        for command in (["docker", "info"], ["docker", "compose", "version"]):
            done = subprocess.run(
                command, capture_output=True, check=False, timeout=_ENGINE_DEADLINE_S
            )
            if done.returncode != 0:
                what = "engine that answers" if command[1] == "info" else "compose plugin"
                return f"no Docker {what}"
    except subprocess.TimeoutExpired:
        return f"no Docker engine that answers within {_ENGINE_DEADLINE_S} s"
    return None


def up(service: str, *, scratch: bool) -> str:
    """Start `kafka` or `postgres` under a project of our own; return its address."""
    preferred = {"kafka": 9092, "postgres": 5432}[service]
    port = free_port(preferred)
    with step(f"starting {service} with docker compose"):
        ports = {f"{service.upper()}_PORT": str(port)}
        _compose(_project(scratch=scratch), ports, "up", "--detach", "--wait", service)
    if service == "kafka":
        return f"{LOOPBACK}:{port}"
    return f"postgresql://opwatch:{_PASSWORD}@{LOOPBACK}:{port}/opwatch"


def down(*, scratch: bool, volumes: bool) -> None:
    """End our project, with its volumes or without."""
    _compose(_project(scratch=scratch), {}, "down", *(["--volumes"] if volumes else []))


def _project(*, scratch: bool) -> str:
    """Return a name of this clone's own: what was started by hand or elsewhere is never ended."""
    mark = hashlib.sha256(str(FOLDER.resolve()).encode()).hexdigest()[:8]
    return f"opwatch-{'scratch' if scratch else 'stack'}-{mark}"


def _compose(project: str, ports: dict[str, str], *arguments: str) -> None:
    command = ["docker", "compose", "--file", str(FILE), "--project-name", project]
    done = subprocess.run(
        [*command, *arguments],
        env=os.environ | ports | {"POSTGRES_PASSWORD": _PASSWORD},
        capture_output=True,
        text=True,
        check=False,
        timeout=_UP_DEADLINE_S,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise StackError(f"docker compose failed: {done.stderr.strip()[-400:]}")
