"""A request to remedy reaches its function once, and what that raises ends nothing."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import opwatch_client as opwatch
from opwatch_client import current, remediation_calls
from opwatch_client.consumer import Incoming
from opwatch_client.remediation import ACTIONS
from opwatch_client.remediation_calls import Remedies
from schemas.quality_scores import Action
from schemas.remediations import Remediation
from tests.unit.client.fakes import FakeKafka, FakeTopics

TOPIC = "opwatch.remediations"


@pytest.fixture(autouse=True)
def no_handlers() -> Iterator[None]:
    before = dict(remediation_calls._handlers)
    remediation_calls._handlers.clear()
    yield
    remediation_calls._handlers.clear()
    remediation_calls._handlers.update(before)


def request(identity: str, **changed: Any) -> dict[str, Any]:
    finding = {"code": "c", "dimension": "accuracy", "message": "m", "cost": 0.5, "field": None}
    body = {
        "version": 1,
        "id": identity,
        "analysis": f"a-{identity}",
        "input_hash": "h",
        "service": "unit",
        "operation": "analyze_job",
        "platform": "lever",
        "model": "none",
        "action": "reanalyse",
        "attempt": 1,
        "overall": 0.4,
        "findings": [finding],
        "requested_at": int(time.time() * 1000),
    }
    assert Remediation.model_validate(body)
    return body | changed


def until(claim: Any) -> None:
    deadline = time.monotonic() + 60
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_function_gets_the_request_and_its_offset_is_committed(
    kafka: FakeKafka, topics: FakeTopics
):
    got: list[opwatch.RemediationRequest] = []
    opwatch.remediation("reanalyse")(lambda it: got.append(it))
    topics.put(TOPIC, "unit", request("r1"))
    until(lambda: opwatch.stats().remedied == 1)

    assert (got[0].analysis, got[0].attempt, got[0].findings[0].code) == ("a-r1", 1, "c")
    assert topics.begun == [(TOPIC, f"{TOPIC}.unit")]
    until(lambda: topics.committed == {TOPIC: 1})


async def test_a_coroutine_function_runs_in_the_loop_where_it_was_registered(
    kafka: FakeKafka, topics: FakeTopics
):
    ran: asyncio.Queue[asyncio.AbstractEventLoop] = asyncio.Queue()

    @opwatch.remediation("reanalyse")
    async def again(request: opwatch.RemediationRequest) -> None:
        await ran.put(asyncio.get_running_loop())

    topics.put(TOPIC, "unit", request("r1"))

    assert await asyncio.wait_for(ran.get(), 30) is asyncio.get_running_loop()


def test_a_coroutine_function_without_a_loop_gets_one(kafka: FakeKafka, topics: FakeTopics):
    ran: list[str] = []

    @opwatch.remediation("reanalyse")
    async def again(request: opwatch.RemediationRequest) -> None:
        await asyncio.sleep(0)
        ran.append(request.id)

    topics.put(TOPIC, "unit", request("r1"))
    until(lambda: ran == ["r1"])


def test_what_a_function_raises_is_logged_and_counted_and_the_next_is_handled(
    kafka: FakeKafka, topics: FakeTopics, caplog
):
    @opwatch.remediation("reanalyse")
    def again(request: opwatch.RemediationRequest) -> None:
        if request.id == "r1":
            raise ValueError("no page")
        if request.id == "r2":
            raise SystemExit(3)

    for identity in ("r1", "r2", "r3"):
        topics.put(TOPIC, "unit", request(identity))
    until(lambda: opwatch.stats().remedied == 1)

    assert opwatch.stats().not_remedied == 2
    assert "a-r1 (reanalyse) failed" in caplog.text
    assert "no page" in caplog.text


def test_a_function_that_takes_too_long_holds_up_nobody(kafka: FakeKafka, topics: FakeTopics):
    cancelled: list[bool] = []

    @opwatch.remediation("reanalyse", within=0.05)
    async def again(request: opwatch.RemediationRequest) -> None:
        if request.id == "r1":
            await asyncio.sleep(0.2)
            cancelled.append(False)

    topics.put(TOPIC, "unit", request("r1"))
    until(lambda: opwatch.stats().not_remedied == 1)
    topics.put(TOPIC, "unit", request("r2"))
    until(lambda: opwatch.stats().remedied == 1)


def test_requests_of_others_unreadable_old_and_repeated_ones_are_left_out(
    kafka: FakeKafka, topics: FakeTopics
):
    got: list[str] = []
    opwatch.remediation("reanalyse")(lambda it: got.append(it.id))
    for body in (
        request("other", service="other"),
        request("review", action="human_review"),
        request("old", requested_at=1),
        b"{",
        b"[]",
        None,
        request("r1"),
        request("r1"),
        request("r2"),
    ):
        topics.put(TOPIC, "unit", body)
    until(lambda: "r2" in got)

    assert got == ["r1", "r2"]
    assert opwatch.stats().not_remedied == 1


def test_only_programming_mistakes_raise(kafka: FakeKafka):
    with pytest.raises(ValueError, match="is none of reanalyse"):
        opwatch.remediation("again")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        opwatch.remediation("reanalyse")(7)  # type: ignore[type-var]
    assert set(ACTIONS) == set(Action.__args__)  # type: ignore[attr-defined]


def test_functions_that_are_registered_first_wait_for_the_settings(monkeypatch, topics):
    monkeypatch.setattr(current, "_publisher", None)
    begun: list[str] = []
    monkeypatch.setattr(current.Publisher, "remedy", lambda it: begun.append(it.settings.bootstrap))

    opwatch.remediation("reanalyse")(print)
    assert begun == []
    opwatch.configure(bootstrap="broker:1")

    assert begun == ["broker:1"]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(Remediation.model_fields, JSON)))
def test_no_request_raises(changed: dict):
    remediation_calls._handlers.clear()
    opwatch.remediation("reanalyse")(print)
    record = Incoming(b"unit", json.dumps(request("r1") | changed).encode())

    asyncio.run(Remedies("unit").handle([record, Incoming(None, b"\xff"), Incoming(None, None)]))
