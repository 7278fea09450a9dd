"""Record in `.stack/` what was started, so that exactly that is ended."""

import fcntl
import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from stack import processes
from stack.processes import Process

# Another folder is another stack beside this one: the tests of the stack need that.
FOLDER = Path(os.environ.get("OPWATCH_STACK_FOLDER") or Path(__file__).parent.parent / ".stack")
KAFKA_VARIABLE = "OPWATCH_KAFKA_BOOTSTRAP"
POSTGRES_VARIABLE = "METRICS_DATABASE_URL"
_REMEMBERED = 20


@dataclass(frozen=True, kw_only=True)
class Service:
    """Where a server answers and who runs it: `environment`, `compose`, `local` or `mock`."""

    by: str
    address: str
    process: Process | None = None
    log: str | None = None


@dataclass(kw_only=True)
class State:
    """What we started. It ends with the last of its `holders`, unless an `up` set `keep`."""

    kafka: Service | None = None
    postgres: Service | None = None
    keep: bool = False
    scratch: bool = False
    holders: list[Process] = field(default_factory=list)

    def living_holders(self) -> list[Process]:
        """Return the `run`s that still use this stack."""
        return [holder for holder in self.holders if processes.alive(holder)]


@contextmanager
def locked(folder: Path = FOLDER) -> Iterator[None]:
    """Let one process at a time bring the stack up or down."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def load(folder: Path = FOLDER) -> State:
    """Return what is recorded as started; an empty state without a record."""
    try:
        record = json.loads((folder / "state.json").read_text())
    except FileNotFoundError:
        return State()
    return State(
        kafka=_service(record["kafka"]),
        postgres=_service(record["postgres"]),
        keep=record.get("keep", True),
        scratch=record["scratch"],
        holders=[Process(**holder) for holder in record["holders"]],
    )


def save(state: State, folder: Path = FOLDER) -> None:
    """Record what is started; the file is replaced as a whole."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"state.{os.getpid()}.partial"
    partial.write_text(json.dumps(asdict(state), indent=2) + "\n")
    partial.replace(folder / "state.json")


def save_env(addresses: dict[str, str], folder: Path = FOLDER) -> Path:
    """Write the addresses as a file for the shell to source."""
    file = folder / "env"
    file.write_text("".join(f"export {k}={shlex.quote(v)}\n" for k, v in addresses.items()))
    return file


def note_ours(state: State, folder: Path = FOLDER) -> None:
    """Note addresses of servers that were started here: shells have them longer than they live."""
    ours = [service.address for service in (state.kafka, state.postgres) if service is not None]
    before = [address for address in were_ours(folder) if address not in ours]
    (folder / "addresses").write_text("\n".join([*before, *ours][-_REMEMBERED:]))


def were_ours(folder: Path = FOLDER) -> list[str]:
    """Return the addresses of servers that were started here lately."""
    file = folder / "addresses"
    return file.read_text().splitlines() if file.exists() else []


def forget(folder: Path = FOLDER) -> None:
    """Drop the record: nothing of ours runs any more."""
    for name in ("state.json", "env"):
        (folder / name).unlink(missing_ok=True)


def _service(record: dict[str, object] | None) -> Service | None:
    if record is None:
        return None
    process = record["process"]
    return Service(
        by=str(record["by"]),
        address=str(record["address"]),
        process=Process(**process) if isinstance(process, dict) else None,
        log=str(record["log"]) if record["log"] else None,
    )
