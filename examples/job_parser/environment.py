"""What the environment asks of a demo: how long, with trouble or without, and which Kafka."""

from collections.abc import Mapping

from stack import bringup

_FOR_S = 60.0
#: With DEGRADE=1 the demo ends when the breaches are resolved, at the latest after this.
_DEGRADED_FOR_S = 200.0
#: The trouble of DEGRADE=1, and its share of a short demo.
_TROUBLE_AFTER_S = 20.0
_TROUBLE_FOR_S = 18.0
_TROUBLE_SHARE = 0.3
_NO = {"", "0", "no", "off", "false"}
#: The settings that say how to reach Kafka. All other OPWATCH_… would change the demo.
_PASSED_ON = ("OPWATCH_KAFKA_", "OPWATCH_REPLICATION", "OPWATCH_STACK_")


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


def for_workers(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the settings that would change the demo."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith("OPWATCH_") or name.startswith(_PASSED_ON)
    }


def is_mocked(bootstrap: str) -> bool:
    """Return whether this Kafka is the mock cluster that the stack started."""
    kafka = bringup.recorded().kafka
    return kafka is not None and kafka.by == "mock" and kafka.address == bootstrap
