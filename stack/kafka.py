"""Run one Kafka broker (KRaft, its own controller) from Apache's jars, on loopback."""

import base64
import contextlib
import logging
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from stack import processes
from stack.errors import StackError
from stack.jars import java, kafka_jars
from stack.net import LOOPBACK, free_port, is_free
from stack.processes import Process

READY_DEADLINE_S = 90.0
STOP_GRACE_S = 30.0
_PORT_ATTEMPTS = 3
_ARCHIVE_S = 60.0
_HEAP = ("-Xms256m", "-Xmx768m")
_PERFORMANCE = ("-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20")
#: A program that ends soon spends more on optimizing than it saves.
_SHORT_RUN = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LOG4J = Path(__file__).with_name("log4j2.xml")
_QUIET = logging.getLogger("stack.kafka.probe")
_QUIET.disabled = True


class LocalKafka:
    """One broker in one folder; a restart keeps its port and its data.

    `bootstrap` is its address and `jars` the folder of Kafka's jars once it has been started.
    Topics are never created by first use; replication factors are 1.
    """

    def __init__(
        self, directory: Path, *, port: int | None = None, settings: dict[str, str] | None = None
    ) -> None:
        """Use `directory` for data, log and configuration; `settings` add server properties."""
        self.directory = directory.resolve()
        self.port = port
        self.settings = settings or {}
        self.process: Process | None = None

    @property
    def bootstrap(self) -> str:
        """Return `host:port`, known after the first start."""
        if self.port is None:
            raise StackError("this Kafka was never started, so it has no address yet")
        return f"{LOOPBACK}:{self.port}"

    @property
    def jars(self) -> Path:
        """Return the folder of Kafka's jars."""
        return kafka_jars()

    @property
    def log(self) -> Path:
        """Return the broker's log file."""
        return self.directory / "kafka.log"

    def tool(self, main_class: str, *arguments: str) -> list[str]:
        """Return the command line of one of Kafka's own tools, by its Java class."""
        return [java(), *_HEAP[:1], *_SHORT_RUN, "-cp", f"{self.jars}/*", main_class, *arguments]

    def start(self) -> Self:
        """Start the broker and return once it answers; a port is chosen at the first start."""
        if self.process is not None and processes.alive(self.process):
            return self
        chosen = self.port
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            self.port = chosen or free_port(9092 if attempt == 1 else 0)
            try:
                self._start_once()
            except _PortTaken:
                if attempt == _PORT_ATTEMPTS:  # the controller's port is another each time
                    raise
            else:
                break
        return self

    def stop(self) -> None:
        """Stop the broker gracefully; nothing happens if it does not run."""
        if self.process is not None:
            processes.end(self.process, grace_s=STOP_GRACE_S)

    def kill(self) -> None:
        """Kill the broker, as a crash would."""
        if self.process is not None:
            processes.kill(self.process)

    def restart(self) -> Self:
        """Stop and start again with the same port and data."""
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start_once(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        cluster = self._cluster_id()
        properties = self._write_properties()
        output = self.directory / "kafka.out"
        options = [*_options("KAFKA_HEAP_OPTS", _HEAP), *self._archive_options()]
        options += ["-Djava.awt.headless=true", f"-Dopwatch.kafka.log={self.log}"]
        options += [f"-Dlog4j2.configurationFile={_LOG4J}", "-cp", f"{self.jars}/*"]
        if not (self.directory / "data" / "meta.properties").exists():
            self._run_storage_tool(options, cluster, properties)
        performance = _options("KAFKA_JVM_PERFORMANCE_OPTS", _PERFORMANCE)
        with output.open("wb") as sink:
            child = subprocess.Popen(
                [java(), *performance, *options, "kafka.Kafka", str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                # Its own session: Ctrl-C at the terminal is not meant for the broker.
                start_new_session=True,
            )
        self.process = processes.identify(child.pid)
        try:
            self._wait_until_ready(child, cluster)
            self._archive_classes(child.pid)
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self, child: "subprocess.Popen[bytes]", cluster: str) -> None:
        deadline = time.monotonic() + READY_DEADLINE_S
        while time.monotonic() < deadline:
            if child.poll() is not None:
                tail = _tail(self.log) + _tail(self.directory / "kafka.out")
                if "BindException" in tail or "Address already in use" in tail:
                    raise _PortTaken(f"port {self.port} was taken while Kafka started")
                raise StackError(f"Kafka ended at once; see {self.log}: {tail.strip()[-400:]}")
            if not is_free(self.port or 0) and _answering_cluster(self.bootstrap) == cluster:
                return
            time.sleep(0.1)
        raise StackError(f"Kafka did not answer within {READY_DEADLINE_S:.0f} s; see {self.log}")

    @property
    def _archive(self) -> Path:
        """Return the file of the classes that the first broker loaded, verified and laid out."""
        return self.jars / "classes.jsa"

    def _archive_options(self) -> list[str]:
        if self._archive.exists():
            return [f"-XX:SharedArchiveFile={self._archive}", "-Xlog:cds=off"]
        return ["-XX:+IgnoreUnrecognizedVMOptions", "-XX:+RecordDynamicDumpInfo"]

    def _archive_classes(self, pid: int) -> None:
        """Let later brokers start with half the work. Where that cannot be, they start without."""
        if self._archive.exists():
            return
        written = self._archive.with_suffix(f".{pid}")
        jcmd = Path(java()).resolve().with_name("jcmd")
        command = [str(jcmd), str(pid), "VM.cds", "dynamic_dump"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                [*command, str(written)], capture_output=True, check=True, timeout=_ARCHIVE_S
            )
            written.rename(self._archive)

    def _cluster_id(self) -> str:
        """Return this folder's own id: another broker on our port must not be taken for ours."""
        file = self.directory / "cluster.id"
        if not file.exists():
            # Kafka's form of a UUID; a leading dash would read as an option.
            text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            file.write_text(f"o{text[1:]}")
        return file.read_text()

    def _write_properties(self) -> Path:
        controller = free_port()
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{LOOPBACK}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            # After a kill the controller waits this long before it lets the broker back in.
            "broker.session.timeout.ms": "6000",
            "log.dirs": str(self.directory / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "8",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "8",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
        } | self.settings
        file = self.directory / "server.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        return file

    def _run_storage_tool(self, options: list[str], cluster: str, properties: Path) -> None:
        shutil.rmtree(self.directory / "data", ignore_errors=True)
        command = [java(), *_SHORT_RUN, *options, "kafka.tools.StorageTool", "format"]
        command += ["--cluster-id", cluster, "--config", str(properties)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=READY_DEADLINE_S,
            # Else Ctrl-C half-way leaves a folder that is neither empty nor formatted.
            start_new_session=True,
        )
        if done.returncode != 0:
            raise StackError(f"Kafka could not format its folder: {done.stderr.strip()[-400:]}")


class _PortTaken(StackError):
    """Another process took the port between our check and the broker's bind."""


def _options(variable: str, default: Sequence[str]) -> Sequence[str]:
    return os.environ.get(variable, "").split() or default


def _answering_cluster(bootstrap: str) -> str | None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}, logger=_QUIET)
    try:
        metadata = admin.list_topics(timeout=2.0)
    except KafkaException:
        return None
    return str(metadata.cluster_id) if metadata.brokers else None


def _tail(file: Path, size: int = 4000) -> str:
    return file.read_text(errors="replace")[-size:] if file.exists() else ""
