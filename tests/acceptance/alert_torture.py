"""Kill and pause the alert role over many short alerts that people acknowledge; then count.

python -m tests.acceptance.alert_torture --kills 200
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from stack.kafka import LocalKafka
from tests.acceptance import oracle
from tests.acceptance.alert_figures import COOLDOWN_MS, figures, open_deliveries
from tests.acceptance.alert_scene import CHANNELS, Breaches, Receivers, acknowledgement, breach
from tests.acceptance.cluster import Workers
from tests.receivers.says import Status

SESSION_S = 6.0
FAILPOINTS = (
    "alert_after_lease",
    "alert_after_send",
    "alert_before_row",
    "alert_before_publish",
    "alert_after_publish",
    "alert_before_commit",
)
ACTIONS = ("kill", "kill", "stop", "nap", *FAILPOINTS)
#: This share of the episodes is acknowledged, most of them while a receiver refuses.
ACKNOWLEDGED = 0.6
#: A worker that is to die at a failpoint starts, and gets there, within this.
_REACH_S = 15.0
#: Holds of storms (30 s), leases (15 s) and backoff come to their end within this.
_DRAIN_S = 150.0


class Alerts(threading.Thread):
    """Opens, raises, acknowledges and resolves alerts; some come back within their cooldown."""

    def __init__(self, breaches: Breaches, rng: random.Random, pause_s: float) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.opened: list[dict[str, Any]] = []
        self._breaches = breaches
        self._rng = rng
        self._pause_s = pause_s
        self._due: list[tuple[float, dict[str, Any]]] = []

    def run(self) -> None:
        number = 0
        while not self.ended.wait(self._pause_s * self._rng.uniform(0.2, 1.8)):
            number += 1
            self._plan(number)
            self._tell(time.monotonic())
        while self._due:
            self._tell(time.monotonic())
            time.sleep(0.2)

    def _plan(self, number: int) -> None:
        rng, at = self._rng, time.monotonic()
        severity = rng.choice(("medium", "high", "critical"))
        for episode in range(rng.choice((1, 1, 2))):
            # A time of its own tells episodes apart where a receiver sees no more of them.
            same = {
                "episode": episode,
                "since_ms": int(time.time() * 1000) - 60_000 + episode,
                "routing": {"channels": list(CHANNELS), "cooldown_ms": COOLDOWN_MS},
            }
            opened = breach(number, 1, "opened", severity=severity, **same)
            self._due.append((at, opened))
            if rng.random() < ACKNOWLEDGED:
                self._due.append((at + rng.uniform(0.02, 6), acknowledgement(opened)))
            at += rng.uniform(0.05, 12)
            raised = severity != "critical" and rng.random() < 0.2
            if raised:
                severity = "critical"
                self._due.append((at, breach(number, 2, "updated", severity=severity, **same)))
                at += rng.uniform(0.05, 5)
            self._due.append(
                (at, breach(number, 2 + raised, "resolved", severity=severity, **same))
            )
            at += rng.uniform(0.5, 12)

    def _tell(self, now: float) -> None:
        due = [one for one in self._due if one[0] <= now]
        self._due = [one for one in self._due if one[0] > now]
        told = [one for _, one in sorted(due, key=lambda one: one[0])]
        self.opened += [one for one in told if one.get("state") == "opened"]
        self._breaches.publish(*told)


class Torture:
    """One run: two workers, three receivers, and a number of kills."""

    def __init__(self, bootstrap: str, seed: int, folder: Path, *, pause_s: float = 0.7) -> None:
        self._bootstrap = bootstrap
        self._prefix = f"alerts{seed}-{time.time_ns() % 10**9}."
        self._rng = random.Random(seed)
        self._folder = folder
        self._pause_s = pause_s
        self._done: Counter[str] = Counter()

    def run(self, kills: int) -> dict[str, Any]:
        """Kill so often while alerts come and go; return the figures."""
        with Receivers() as receivers:
            self._workers = Workers(
                self._bootstrap,
                self._prefix,
                2,
                self._folder,
                role="alert",
                OPWATCH_SESSION_TIMEOUT_S=str(SESSION_S),
                **receivers.settings(self._folder),
            )
            breaches = Breaches(self._bootstrap, self._prefix)
            alerts = Alerts(breaches, self._rng, self._pause_s)
            try:
                for name in ("w0", "w1"):
                    self._workers.start(name)
                alerts.start()
                self._wait(8)
                for action in self._deck(kills):
                    self._trouble(receivers)
                    self._act(action)
                    self._wait(self._rng.uniform(1, 5))
                alerts.ended.set()
                while alerts.is_alive():
                    self._wait(0.5)
                for receiver in receivers.by_name.values():
                    receiver.script.clear()
                self._drain()
                notifications = self.notifications()
            finally:
                alerts.ended.set()
                self._workers.close()
            told = figures(alerts.opened, notifications, receivers)
        killed = [status for _, status in self._workers.ended]
        by_itself = Counter(str(one) for one in killed if one != -signal.SIGKILL)
        return {
            "kills": kills,
            **told,
            "actions": dict(self._done),
            "failpoints reached": killed.count(-signal.SIGKILL),
            "ended by themselves": dict(by_itself),
        }

    def _deck(self, kills: int) -> list[str]:
        """Return so many actions, each kind as often as the others, in a random order."""
        deck = [ACTIONS[i % len(ACTIONS)] for i in range(kills)]
        self._rng.shuffle(deck)
        return deck

    def _act(self, action: str) -> None:
        name = self._on_duty() if self._rng.random() < 0.8 else self._rng.choice(("w0", "w1"))
        if action == "kill":
            self._workers.kill(name)
        elif action in ("stop", "nap"):
            self._workers.signal(name, signal.SIGSTOP)
            self._wait(SESSION_S + 4 if action == "stop" else self._rng.uniform(0.5, 4))
            self._workers.signal(name, signal.SIGCONT)
        else:
            self._workers.restart(name, f"{action}:{self._rng.randrange(1, 4)}")
            self._await_end()
        self._done[action] += 1

    def _await_end(self) -> None:
        """Wait until a worker has died at its failpoint."""
        dead, end = len(self._workers.ended), time.monotonic() + _REACH_S
        while len(self._workers.ended) == dead and time.monotonic() < end:
            self._wait(0.2)

    def _on_duty(self) -> str:
        """Return the worker that took the alerts over last."""
        newest = ("", "w0")
        for name in ("w0", "w1"):
            for line in (self._folder / f"{name}.log").read_text().splitlines():
                if "alerts taken over" in line and line.startswith("{"):
                    newest = max(newest, (json.loads(line)["timestamp"], name))
        return newest[1]

    def _trouble(self, receivers: Receivers) -> None:
        """Let receivers refuse now and then, without leaving a doubt."""
        name = self._rng.choice(CHANNELS)
        waits = str(self._rng.randrange(1, 4))
        refusal = self._rng.choice(
            (Status(status=503), Status(status=429, headers={"retry-after": waits}))
        )
        receiver = receivers.by_name[name]
        if not receiver.script:  # else its circuit would stay open for ever
            receiver.says(*[refusal] * self._rng.randrange(5))

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._workers.supervise()
            time.sleep(0.2)

    def _drain(self) -> None:
        """Wait until nothing is owed any more."""
        end = time.monotonic() + _DRAIN_S
        calm = 0
        while time.monotonic() < end and calm < 2:
            self._wait(3)
            calm = 0 if open_deliveries(self.notifications()) else calm + 1

    def notifications(self) -> list[dict[str, Any]]:
        """Return the decisions, each once, in their order."""
        records = oracle.read_topic(self._bootstrap, self._prefix + "notifications")
        decisions = [json.loads(record.value()) for record in records]
        return list({one["id"]: one for one in decisions}.values())


def is_right(told: dict[str, Any]) -> bool:
    """Return whether the figures keep the promise."""
    wrong = (
        "undelivered",
        "cooldown violations",
        "incidents left open",
        "duplicates without an open claim",
        "refused by receivers",
        "pages after an acknowledgement",
    )
    return all(told[name] == 0 for name in wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="kills, pauses and failpoints")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="opwatch-alert-torture-"))
    with LocalKafka(folder / "kafka") as kafka:
        told = Torture(kafka.bootstrap, options.seed, folder).run(options.kills)
    print(json.dumps(told), flush=True)
    if not is_right(told):
        print(f"the workers' logs are in {folder}", file=sys.stderr)
    return 0 if is_right(told) else 1


if __name__ == "__main__":
    sys.exit(main())
