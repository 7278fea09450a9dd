"""The stack starts what is missing beside what is there, and ends exactly what it started."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from stack import net, processes
from stack.kafka import LocalKafka
from stack.processes import Process
from tests import topics
from tests.ports import lasting_port

ROOT = Path(__file__).parents[2]
NAMED = ("OPWATCH_KAFKA_BOOTSTRAP", "METRICS_DATABASE_URL")


class Aside:
    """A stack beside the one these tests run on, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if name not in NAMED}
        self.environment = clean | {"OPWATCH_STACK_FOLDER": str(folder)}

    def __call__(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "stack", *arguments],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def state(self) -> dict:
        return json.loads((self.folder / "state.json").read_text())


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Aside]:
    aside = Aside(tmp_path)
    yield aside
    aside("down", "--data")


def ports(state: dict) -> list[int]:
    return [
        net.kafka_addresses(state["kafka"]["address"])[0][1],
        net.postgres_address(state["postgres"]["address"])[1],
    ]


def started(state: dict) -> list[Process]:
    return [Process(**state[name]["process"]) for name in ("kafka", "postgres")]


def test_up_passes_taken_ports_and_says_the_same_twice_and_down_ends_it(stack: Aside):
    with socket.socket() as first, socket.socket() as second:
        for taken, port in ((first, 9092), (second, 5432)):
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):  # taken already is as good
                taken.bind((net.LOOPBACK, port))
                taken.listen()

        up = stack("up")
        assert up.returncode == 0, up.stderr
        assert not {9092, 5432} & set(ports(stack.state()))

    before = stack.state()
    again = stack("up")
    assert again.stdout == up.stdout
    assert stack.state() == before
    assert (stack.folder / "env").read_text().count("export ") == 2
    status = f"{sys.executable} -m stack status | true"
    cut = subprocess.run(status, shell=True, cwd=ROOT, env=stack.environment, capture_output=True)
    assert cut.stderr == b""

    used = stack("run", "--", "sh", "-c", "echo $OPWATCH_KAFKA_BOOTSTRAP; exit 7")
    assert used.returncode == 7
    assert used.stdout.strip() == before["kafka"]["address"]
    assert stack.state()["kafka"] == before["kafka"], "a run never ends what an up keeps"

    assert stack("down").returncode == 0
    assert not any(processes.alive(process) for process in started(before))
    assert "nothing that was started here" in stack("down").stderr


def test_run_ends_what_it_started_when_it_is_interrupted(stack: Aside):
    script = "trap 'echo interrupted; exit 5' INT; echo ready; while :; do sleep 0.1; done"
    with subprocess.Popen(
        [sys.executable, "-m", "stack", "run", "--", "sh", "-c", script],
        cwd=ROOT,
        env=stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        servers = started(stack.state())
        run.send_signal(signal.SIGINT)
        assert run.stdout.readline() == "interrupted\n"
        assert run.wait(60) == 5

    assert not any(processes.alive(process) for process in servers)
    assert not (stack.folder / "state.json").exists()
    assert not (stack.folder / "scratch").exists()


def test_down_never_ends_a_process_that_only_has_the_recorded_pid(stack: Aside):
    with subprocess.Popen(["sleep", "60"]) as foreign:
        recycled = {"pid": foreign.pid, "started": "a while ago"}
        service = {"by": "local", "address": "127.0.0.1:1", "process": recycled, "log": None}
        state = {"kafka": service, "postgres": None, "keep": True, "scratch": False, "holders": []}
        (stack.folder / "state.json").write_text(json.dumps(state))

        assert stack("down").returncode == 0

        assert foreign.poll() is None
        foreign.kill()


def test_a_named_server_that_does_not_answer_is_an_error_that_says_so(stack: Aside):
    port = net.free_port()

    run = stack("run", "--", "true", OPWATCH_KAFKA_BOOTSTRAP=f"127.0.0.1:{port}")

    assert run.returncode == 3
    assert f"OPWATCH_KAFKA_BOOTSTRAP names 127.0.0.1:{port}, which does not answer" in run.stderr


def test_without_any_kafka_the_mock_is_used_only_where_it_is_allowed(stack: Aside):
    nothing = {"PATH": "/nonexistent", "JAVA_HOME": ""}
    show = (sys.executable, "-c", "import os; print(os.environ['OPWATCH_KAFKA_BOOTSTRAP'])")

    refused = stack("run", "--", *show, **nothing)
    allowed = stack("run", "--allow-mock", "--", *show, **nothing)

    assert refused.returncode == 3
    assert "install JDK 17+ and Maven" in refused.stderr
    assert allowed.returncode == 0
    assert "KEEPS NOTHING" in allowed.stderr
    ended = allowed.stdout.strip()
    assert net.is_free(net.kafka_addresses(ended)[0][1])

    # A shell that read `.stack/env` earlier still has the address.
    again = stack("run", "--allow-mock", "--", *show, **nothing, OPWATCH_KAFKA_BOOTSTRAP=ended)
    assert again.returncode == 0
    assert "names a server of ours that has ended" in again.stderr


def test_a_killed_broker_comes_back_with_its_port_and_its_topics(tmp_path: Path):
    with LocalKafka(tmp_path / "kafka", port=lasting_port()) as broker:
        bootstrap = broker.bootstrap
        admin = AdminClient({"bootstrap.servers": bootstrap})
        topics.make(admin, NewTopic("kept", 1, 1))

        broker.kill()
        assert net.refusal(*net.kafka_addresses(bootstrap)[0]) is not None
        broker.start()

        assert broker.bootstrap == bootstrap
        assert (
            "kept" in AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=10).topics
        )


def test_a_process_is_known_by_its_start_too():
    own = processes.identify(os.getpid())
    assert own is not None

    assert processes.alive(own)
    assert not processes.alive(Process(pid=own.pid, started="another time"))
    assert processes.identify(2**22 + 1) is None
