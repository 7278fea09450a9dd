"""Let an assessor hang, crash, be slow, eat memory, and see how long each analysis takes."""

import json
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.environment import say
from benchmarks.places import Place
from benchmarks.quality_traffic import Scored, Sender, scoring, until
from tests.acceptance.quality_scene import install_assessor
from tests.acceptance.test_quality_assessors import HOSTILE

#: What the assessor does, by the notes of the analysis; `good`: nothing.
KINDS = ("hang", "slow", "crash", "eat", "good")
#: Analyses of each kind, and how many come in a second.
_OF_A_KIND = 20
_A_SECOND = 3.0
_ROOT = Path(__file__).parent.parent


class HostileSender(Sender):
    """Publishes analyses of which an assessor does each thing in turn."""

    def value_of(self, number: int, now_ms: int) -> tuple[bytes, bytes]:
        """Return the key and the value of an analysis."""
        key, value = super().value_of(number, now_ms)
        analysis = json.loads(value)
        analysis["result"]["notes"] = KINDS[number % len(KINDS)]
        return key, json.dumps(analysis).encode()


def hostile(place: Place) -> dict[str, float]:
    """Return the longest that an analysis of each kind took, in milliseconds."""
    count = _OF_A_KIND * len(KINDS)
    with tempfile.TemporaryDirectory() as folder:
        site = install_assessor(Path(folder), "hostile_assessor", HOSTILE)
        with scoring(place, PYTHONPATH=f"{_ROOT}:{site}"):
            time.sleep(2)  # its processes start
            sender, scored = HostileSender(place, count), Scored(place, count)
            scored.start()
            sender.at_rate(0, count, _A_SECOND)
            until(lambda: scored.count == count, lambda: scored.count)
            scored.end()
    took_ms = (scored.came_s - sender.sent_s) * 1000
    say(f"{count} analyses, {_A_SECOND:g} a second; median {np.median(took_ms):.0f} ms")
    return {kind: float(took_ms[at :: len(KINDS)].max()) for at, kind in enumerate(KINDS)}
