"""`make bench` says which case failed, and measures the others."""

from argparse import Namespace

import pytest

from benchmarks import __main__ as bench
from benchmarks.cases import CASES
from benchmarks.race import Failed


@pytest.mark.parametrize(
    ("why", "said"),
    [
        (Failed("the worker ended:\nits log"), "the worker ended"),
        (IndexError("list index out of range"), "IndexError: list index out of range"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_a_case_that_fails_is_left_out_alone(
    monkeypatch: pytest.MonkeyPatch, why: Exception, said: str
):
    def fails(*_: object) -> dict[str, float]:
        raise why

    monkeypatch.setitem(CASES, "window", fails)
    monkeypatch.setitem(CASES, "live", lambda *_: {"live_core": 0.5})
    found: bench.Measured = {}
    options = Namespace(quick=True, repeat=1)
    assert len(list(bench._measure("", options, ["window", "live"], found))) == 2
    assert found["window"] == {"left_out": said}
    assert found["live"]["figures"] == {"live_core": 0.5}
