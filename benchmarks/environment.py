"""Install what the peers need under .bench/, once, and describe the machine."""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import psutil
from confluent_kafka.admin import AdminClient

HERE = Path(__file__).parent
CACHE = HERE.parent / ".bench"
PEERS = HERE / "peers"
_PYTHON = CACHE / "venv" / "bin" / "python"
_JAVA_HOME = PEERS / "kafka_streams"
_SHOWN = ("faust-streaming", "aiokafka", "quixstreams", "bytewax", "fastdigest", "confluent-kafka")


class Missing(Exception):
    """A peer cannot be installed on this machine; the message says why."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def peers_python() -> Path:
    """Return the Python of the peers' own environment; create it if the lock has changed."""
    lock = HERE / "requirements.lock"
    mark = CACHE / "venv" / ".installed"
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if mark.exists() and mark.read_text() == wanted:
        return _PYTHON
    say("making the peers' environment in .bench/venv (Faust, Quix Streams, Bytewax) …")
    _own_cache()
    venv.create(CACHE / "venv", clear=True, with_pip=True)
    pip = [_PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", lock], check=False)
    if done.returncode:
        raise Missing("pip could not install benchmarks/requirements.lock")
    mark.write_text(wanted)
    return _PYTHON


def bytewax_python() -> Path:
    """Return the peers' Python if Bytewax can be installed there."""
    python = peers_python()
    found = subprocess.run([python, "-c", "import bytewax"], capture_output=True, check=False)
    if found.returncode:
        version = ".".join(platform.python_version_tuple()[:2])
        raise Missing(f"no wheel for Python {version}")
    return python


def kafka_streams_classpath() -> str:
    """Return the class path of the Kafka Streams peer; build it if its sources have changed."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise Missing(f"no {program} here (JDK 17+ and Maven)")
    target = CACHE / "kafka_streams"
    sources = sorted(path for path in _JAVA_HOME.rglob("*") if path.suffix in {".java", ".xml"})
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    mark = target / ".built"
    if not (mark.exists() and mark.read_text() == wanted):
        say("building the Kafka Streams peer with Maven …")
        _own_cache()
        shutil.rmtree(target, ignore_errors=True)
        pom = str(_JAVA_HOME / "pom.xml")
        command = ["mvn", "-q", "-B", "-f", pom, "package", f"-Dbench.target={target}"]
        done = subprocess.run(command, stdout=sys.stderr, check=False)
        if done.returncode:
            raise Missing("Maven could not build benchmarks/peers/kafka_streams")
        mark.write_text(wanted)
    return os.pathsep.join((str(target / "bench.jar"), str(target / "lib" / "*")))


def machine(bootstrap: str) -> dict[str, object]:
    """Return the machine, the broker and the versions that the figures belong to."""
    return {
        "cpu": _cpu(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "java": _java(),
        "kafka_streams": _version_in_pom("kafka-streams"),
        "t_digest": _version_in_pom("t-digest"),
        "broker": _broker(bootstrap),
        "peers": _installed(),
    }


def _own_cache() -> None:
    CACHE.mkdir(exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return found[1] if found else platform.processor() or "unknown"


def _java() -> str | None:
    if shutil.which("java") is None:
        return None
    output = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "([^"]+)"', output.stderr)
    return found[1] if found else None


def _version_in_pom(artifact: str) -> str:
    pom = (_JAVA_HOME / "pom.xml").read_text()
    found = re.search(rf"<artifactId>{artifact}</artifactId>\s*<version>([^<]+)<", pom)
    return found[1] if found else "unknown"


def _broker(bootstrap: str) -> str:
    """Return the number of brokers and, if Kafka runs here from its jars, the version.

    Kafka does not send its version; the name of its jar has it.
    """
    count = len(AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=10).brokers)
    port = int(bootstrap.split(",")[0].rpartition(":")[2])
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "kafka.Kafka" not in words or not _listens(process, port):
            continue
        for folder in re.findall(r"([^\s:]+)/\*", " ".join(words)):
            for jar in Path(folder).glob("kafka-server-[0-9]*.jar"):
                return f"{count} x Apache Kafka {jar.stem.removeprefix('kafka-server-')}"
    return f"{count} x Apache Kafka, version unknown"


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for connection in process.net_connections("tcp")
        )
    except psutil.Error:
        return False


def _installed() -> dict[str, str]:
    if not _PYTHON.exists():
        return {}
    command = [_PYTHON, "-m", "pip", "--disable-pip-version-check", "list", "--format", "json"]
    listed = subprocess.run(command, capture_output=True, check=False).stdout
    found = {package["name"]: package["version"] for package in json.loads(listed or b"[]")}
    return {name: found[name] for name in _SHOWN if name in found}
