"""Run workers as processes, restart those that end, kill and pause them."""

import os
import signal
import subprocess
from pathlib import Path

from tests import preloaded


class Workers:
    """Processes of `opwatch worker` under one prefix, each with a name of its own."""

    def __init__(
        self,
        bootstrap: str,
        prefix: str,
        partitions: int,
        folder: Path,
        *,
        role: str = "measure",
        **settings: str,
    ) -> None:
        self._role = role
        no_rules = folder / "no-rules.yaml"
        no_rules.write_text("version: 1\n")
        self._environment = os.environ | {
            "OPWATCH_KAFKA_BOOTSTRAP": bootstrap,
            "OPWATCH_TOPIC_PREFIX": prefix,
            "OPWATCH_PARTITIONS": str(partitions),
            "OPWATCH_HTTP_PORT": "0",
            "OPWATCH_LOG_FORMAT": "json",
            "OPWATCH_RULE_FILE": str(no_rules),
            **settings,
        }
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ended: list[tuple[str, int]] = []

    def start(self, name: str, failpoint: str = "") -> None:
        environment = self._environment | {"OPWATCH_INSTANCE": name, "OPWATCH_FAILPOINT": failpoint}
        log = self._folder / f"{name}.log"
        self._processes[name] = preloaded.start(
            ["worker", self._role], environment, Path.cwd(), log
        )

    def supervise(self) -> None:
        """Start anew whoever ended, as compose or systemd would."""
        for name, process in list(self._processes.items()):
            status = process.poll()
            if status is not None:
                self.ended.append((name, status))
                self.start(name)

    def is_running(self, name: str) -> bool:
        return self._processes[name].poll() is None

    def signal(self, name: str, number: int) -> None:
        self._processes[name].send_signal(number)

    def kill(self, name: str) -> None:
        self.restart(name)

    def restart(self, name: str, failpoint: str = "") -> None:
        """Kill a worker and start it anew, to die again at a failpoint."""
        self.signal(name, signal.SIGKILL)
        self._processes[name].wait()
        self.start(name, failpoint)

    def end(self, name: str, number: int) -> None:
        """End a worker by a signal and leave it so."""
        process = self._processes.pop(name)
        process.send_signal(number)
        process.wait()

    def terminate(self, name: str, within_s: float = 10) -> int:
        """End a worker; return its exit status, which must come in time."""
        process = self._processes.pop(name)
        process.terminate()
        return process.wait(within_s)

    def reshard(self, partitions: int, within_s: float) -> int | None:
        """Move to another number of partitions; None: it was killed, as it took longer."""
        log = self._folder / "reshard.log"
        command = ["topics", "reshard", str(partitions)]
        process = preloaded.start(command, self._environment, Path.cwd(), log)
        try:
            status = process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None
        if status == 0:
            self._environment |= {"OPWATCH_PARTITIONS": str(partitions)}
        return status

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()
        self._processes.clear()

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    @property
    def names(self) -> list[str]:
        return list(self._processes)
