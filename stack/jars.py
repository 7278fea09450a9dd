"""Get the jars of a Kafka broker through Maven, once, and the Java that runs them."""

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

from stack import compose
from stack.errors import NoKafka
from stack.progress import step
from stack.state import KAFKA_VARIABLE

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(__file__).parent.parent / ".stack" / "jars"
LEAST_JAVA = 17
_DOWNLOAD_DEADLINE_S = 900


def kafka_jars() -> Path:
    """Return the folder of the jars that stack/pom.xml pins; download them if need be."""
    folder = CACHE / f"kafka-{_pinned_version()}"
    if folder.exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _download(folder)
    return folder


def java() -> str:
    """Return a Java of at least JDK 17, from JAVA_HOME or PATH."""
    home = os.environ.get("JAVA_HOME")
    candidates = [f"{home}/bin/java"] if home else []
    candidates += [found] if (found := shutil.which("java")) else []
    seen = []
    for candidate in candidates:
        version = _java_version(candidate)
        if version is not None and version >= LEAST_JAVA:
            return candidate
        seen.append(f"{candidate} is Java {version or 'unknown'}")
    raise NoKafka(f"no JDK {LEAST_JAVA}+ ({'; '.join(seen) or 'java is not on PATH'})")


def _download(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise NoKafka("no Apache Maven (mvn is not on PATH) to download Apache Kafka with")
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = [maven, "--batch-mode", "--quiet", "--file", str(POM)]
    command += ["dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
    with step("downloading Apache Kafka's jars with Maven"):
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                timeout=_DOWNLOAD_DEADLINE_S,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise NoKafka(f"Maven took longer than {_DOWNLOAD_DEADLINE_S} s") from None
        if done.returncode != 0:
            errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
            raise NoKafka(f"Maven could not get Kafka's jars: {' '.join(errors[:1])}")
        partial.rename(folder)


def _pinned_version() -> str:
    found = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>(.+?)<", POM.read_text())
    if found is None:
        raise NoKafka(f"{POM.name} does not pin kafka_2.13")
    return found[1]


def _java_version(executable: str) -> int | None:
    try:
        done = subprocess.run(
            [executable, "-version"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found[1]) if found else None


if __name__ == "__main__" and not os.environ.get(KAFKA_VARIABLE) and compose.missing():
    kafka_jars()
