"""Breaches on a topic, and an alert role that decides what a test says."""

import subprocess
import time
from typing import Any

import pytest

from schemas.breaches import Breach
from schemas.notifications import Notification
from tests.integration.command_line import Cli
from tests.unit.messages.samples import breach

NOW_MS = int(time.time() * 1000)
FINGERPRINT = breach().fingerprint
ROUTING = {"channels": ["slack_engineering", "engineering_email"], "cooldown_ms": 600_000}
DELIVERY = {"delivery": "d1", "parcel": "d1"}


def opened(**changed: Any) -> Breach:
    return breach(**({"opened_ms": NOW_MS, "routing": ROUTING} | changed))


def told_of(*breaches: Breach) -> list[dict[str, Any]]:
    return [
        {"value": one.model_dump_json().encode(), "key": one.fingerprint.encode()}
        for one in breaches
    ]


class Role:
    """Decides as the alert role would, record by record."""

    def __init__(self, cli: Cli) -> None:
        self._cli = cli
        self._said = 0

    def decides(self, reason: str, channel: str | None = None, **changed: Any) -> None:
        self._said += 1
        of = opened()
        given = {
            "id": f"decision-{self._said}",
            "fingerprint": FINGERPRINT,
            "breach_id": of.id,
            "rule": of.rule,
            "series": of.series,
            "severity": of.severity,
            "channel": channel,
            "event": "opened",
            "reason": reason,
            "sentence": f"The sentence of {reason}.",
            "now_ms": NOW_MS + self._said * 1000,
            "cause": {"kind": "breach", "topic": "breaches", "offset": 0},
        }
        one = Notification.model_validate(given | changed)
        record = {"value": one.model_dump_json().encode(), "key": one.fingerprint.encode()}
        self._cli.publish("notifications", [record])

    def answers(self, process: "subprocess.Popen[str]", reason: str, **changed: Any) -> Any:
        """Wait for the command that a process publishes, decide, and return the command."""
        before = self.cause["offset"] if self.cause else -1
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up and process.poll() is None:
            new = [one for one in self._cli.topic("commands") if one.offset > before]
            if new:
                self.cause = {"kind": "command", "topic": "commands", "offset": new[0].offset}
                self.decides(reason, **({"cause": self.cause} | changed))
                return new[0]
            time.sleep(0.1)
        pytest.fail(f"no command came: {process.communicate()}")

    cause: dict[str, Any] | None = None
