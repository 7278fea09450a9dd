"""The examples of docs/consuming.md, read by clients that are not ours, say what opwatch says."""

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tdigest import TDigest

from tests.acceptance.consuming_scene import EXAMPLES, PLATFORM, Scene, node_packages, scene
from tests.promise import documented

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

P99 = r"^p99 ([\d.]+) ms of (\d+) operations$"
BREACH = rf'^\d\d:\d\d opened high .*\*{{platform="{PLATFORM}"}}'


@pytest.fixture(scope="module")
def hour(kafka: str, tmp_path_factory: pytest.TempPathFactory):
    with scene(kafka, tmp_path_factory.mktemp("consuming")) as found:
        yield found


def says(hour: Scene, ask: Callable[[], str]) -> tuple[str, list[Any]]:
    """Return what an example says, and the windows it read; a minute may become final meanwhile."""
    windows = hour.windows()
    printed = ask()
    return (printed, windows) if windows == hour.windows() else says(hour, ask)


def check_p99(printed: str, windows: list[Any]) -> None:
    found = re.search(P99, printed, re.MULTILINE)
    assert found, printed
    assert int(found[2]) == sum(window["count"] for window in windows)
    assert float(found[1]) == pytest.approx(documented()(windows, 99), abs=0.001)


def test_each_example_is_run():
    assert sorted(EXAMPLES) == sorted(
        ["p99.py", "breaches.py", "chart.py", "p99.mjs", "breaches.mjs", "p99.sh", "breaches.sh"]
    )


def test_in_python(hour: Scene):
    check_p99(*says(hour, lambda: hour.run("p99.py", PLATFORM)))
    assert hour.first_line("breaches.py", BREACH)
    drawn, windows = says(hour, lambda: hour.run("chart.py", PLATFORM))
    (line,) = ET.fromstring(drawn).iterfind("{*}polyline")
    assert len(line.attrib["points"].split()) == len(windows)


def test_in_a_shell(hour: Scene):
    printed, windows = says(hour, lambda: hour.run("p99.sh", PLATFORM))
    check_p99(printed, windows)
    windows.sort(key=lambda window: window["window"]["start_ms"])
    assert [float(bar.split()[2]) for bar in printed.splitlines()[1:]] == [
        pytest.approx(window["duration_ms"]["p95"]) for window in windows
    ]
    assert hour.first_line("breaches.sh", BREACH)


def test_in_node(hour: Scene):
    if why := node_packages(hour.folder):
        pytest.skip(why)
    check_p99(*says(hour, lambda: hour.first_line("p99.mjs", P99, PLATFORM)))
    assert hour.first_line("breaches.mjs", BREACH)


def test_the_tdigest_package_reads_digests(hour: Scene):
    windows = hour.windows()
    centroids = [it for window in windows for it in window["digest"]["centroids"]]
    digest = TDigest()
    digest.update_from_dict({"centroids": centroids})
    assert digest.percentile(95) == pytest.approx(documented()(windows, 95), rel=0.01)
