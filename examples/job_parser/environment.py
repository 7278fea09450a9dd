"""What the environment asks of a demo: how long, with trouble or without, and which Kafka."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from stack import bringup
from stack.state import FOLDER, KAFKA_VARIABLE, POSTGRES_VARIABLE

_FOR_S = 60.0
#: With DEGRADE=1 the demo ends when the breaches are resolved, at the latest after this.
_DEGRADED_FOR_S = 200.0
#: The trouble of DEGRADE=1, and its share of a short demo.
_TROUBLE_AFTER_S = 20.0
_TROUBLE_FOR_S = 18.0
_TROUBLE_SHARE = 0.3
_ROOT = Path(__file__).parents[2]
#: What a shell beside the demo reads.
_SHELL = FOLDER / "demo"
_NO = {"", "0", "no", "off", "false"}
#: What says how to reach servers that are not ours. All other OPWATCH_… would change the demo.
_TO_KAFKA = ("OPWATCH_KAFKA_", "OPWATCH_REPLICATION")
_TO_POSTGRES = ("OPWATCH_DB_CA_FILE", "OPWATCH_DB_PASSWORD_FILE", "OPWATCH_DB_PREPARED")
_ALWAYS = (KAFKA_VARIABLE, "OPWATCH_STACK_")


def degrades(environment: Mapping[str, str]) -> bool:
    """Return whether the sites are to get into trouble."""
    return environment.get("DEGRADE", "").lower() not in _NO


def duration_s(environment: Mapping[str, str]) -> float | None:
    """Return how long to run; None if FOR is not a positive number."""
    default_s = _DEGRADED_FOR_S if degrades(environment) else _FOR_S
    try:
        seconds = float(environment.get("FOR") or default_s)
    except ValueError:
        return None
    return seconds if 0 < seconds < float("inf") else None


def trouble(environment: Mapping[str, str], for_s: float) -> list[str]:
    """Return the options of the job parser that bring the trouble of a demo of `for_s`."""
    if not degrades(environment):
        return []
    after_s = min(_TROUBLE_AFTER_S, for_s * _TROUBLE_SHARE)
    lasts_s = min(_TROUBLE_FOR_S, for_s * _TROUBLE_SHARE)
    return [f"--trouble-after={after_s:g}", f"--trouble-for={lasts_s:g}"]


def for_demo(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the settings that would change the demo."""
    ours = bringup.recorded()
    passed_on: tuple[str, ...] = _ALWAYS
    if ours.kafka is None or ours.kafka.address != environment.get(KAFKA_VARIABLE):
        passed_on += _TO_KAFKA
    if ours.postgres is None or ours.postgres.address != environment.get(POSTGRES_VARIABLE):
        passed_on += _TO_POSTGRES
    # Processes of the demo run elsewhere, where no `.env` is.
    return {"PYTHONPATH": str(_ROOT)} | {
        name: value
        for name, value in environment.items()
        if not name.upper().startswith("OPWATCH_") or name.upper().startswith(passed_on)
    }


def write_for_shells(kafka: str, prefix: str) -> str:
    """Write where a demo is, and return the line that tells it to a shell in the project's root."""
    _SHELL.parent.mkdir(exist_ok=True)
    variables = {KAFKA_VARIABLE: kafka, "OPWATCH_TOPIC_PREFIX": prefix}
    _SHELL.write_text("".join(f"export {k}={shlex.quote(v)}\n" for k, v in variables.items()))
    return f". {os.path.relpath(_SHELL, _ROOT)}"


def is_mocked(bootstrap: str) -> bool:
    """Return whether this Kafka is the mock cluster that the stack started."""
    kafka = bringup.recorded().kafka
    return kafka is not None and kafka.by == "mock" and kafka.address == bootstrap
