"""A score is returned if it is there in time, and nothing that stands on the topic raises."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import opwatch_client as opwatch
from opwatch_client import current
from opwatch_client.received_scores import ScoreBoard
from schemas.quality_scores import QualityScore
from tests.unit.client.fakes import FakeKafka, FakeTopics, publisher
from tests.unit.client.test_bad_values import ANYTHING

TOPIC = "opwatch.quality-scores"
GOOD: dict[str, Any] = {"operation": "analyze_job", "duration_ms": 1.0, "text": "Baker wanted"}


def quality_score(analysis: str, overall: float | None = 0.4) -> dict[str, Any]:
    def finding(cost: float) -> dict[str, Any]:
        return {
            "code": "invented_quote",
            "dimension": "accuracy",
            "message": "It is not there.",
            "cost": cost,
            "field": None,
        }

    body = {
        "version": 1,
        "analysis": analysis,
        "service": "unit",
        "operation": "analyze_job",
        "platform": "lever",
        "model": "none",
        "occurred_at": 1,
        "overall": overall,
        "dimensions": {
            "accuracy": {
                "score": 0.4,
                "weight": 1.0,
                "findings": [finding(0.1), finding(0.5)],
                "assessor": "accuracy/1",
                "took_ms": 1.0,
            }
        },
        "left_out": [{"dimension": "consistency", "why": "too_slow", "detail": "200 ms"}],
        "actions": ["reanalyse"],
        "configuration": "c",
        "took_ms": 2.0,
        "source": [0, 0],
        "remediates": None,
    }
    assert QualityScore.model_validate(body | {"source": (0, 0)})
    return body


async def test_the_score_of_an_analysis_is_returned(kafka: FakeKafka, topics: FakeTopics):
    identity = opwatch.analysis(**GOOD)
    topics.put(TOPIC, "other", quality_score("other"))
    topics.put(TOPIC, identity, quality_score(identity))

    score = await opwatch.score(identity, within=10)

    assert score is not None
    assert (score.analysis, score.overall, score.actions) == (identity, 0.4, ("reanalyse",))
    assert score.dimensions["accuracy"].weight == 1.0
    assert [finding.cost for finding in score.findings] == [0.5, 0.1]
    assert score.left_out[0].why == "too_slow"
    assert topics.begun == [(TOPIC, None)]


async def test_a_score_that_comes_later_is_waited_for(kafka: FakeKafka, topics: FakeTopics):
    identity = opwatch.analysis(**GOOD)
    asking = asyncio.create_task(opwatch.score(identity, within=30))
    await asyncio.sleep(0.05)
    assert not asking.done()
    topics.put(TOPIC, identity, quality_score(identity, None))

    score = await asking

    assert score is not None
    assert score.overall is None


async def test_what_is_not_there_in_time_is_none_and_may_be_asked_for_again(
    kafka: FakeKafka, topics: FakeTopics
):
    identity = opwatch.analysis(**GOOD)
    assert await opwatch.score(identity, within=0.01) is None
    topics.put(TOPIC, identity, quality_score(identity))

    assert await opwatch.score(identity, within=30) is not None
    assert await opwatch.score(identity, within=0) is not None  # it is remembered
    assert len(topics.begun) == 1


async def test_a_lost_connection_is_made_again(kafka: FakeKafka, topics: FakeTopics, caplog):
    topics.broken = 1
    identity = opwatch.analysis(**GOOD)
    topics.put(TOPIC, identity, quality_score(identity))

    assert await opwatch.score(identity, within=30) is not None
    assert "cannot read (nobody there)" in caplog.text


async def test_asking_may_be_cancelled(kafka: FakeKafka, topics: FakeTopics):
    identity = opwatch.analysis(**GOOD)
    asking = asyncio.create_task(opwatch.score(identity, within=30))
    await asyncio.sleep(0.05)
    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not any(it.awaited for it in current.publisher().scores._entries.values())


async def test_nothing_is_read_until_somebody_asks(kafka: FakeKafka, topics: FakeTopics):
    opwatch.analysis(**GOOD)
    assert await opwatch.aflush(5)

    assert topics.begun == []


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=30)
    | st.sampled_from([b"null", b"[]", b'{"analysis": 1}', b'{"dimensions": 7}']),
    ANYTHING,
    ANYTHING,
)
def test_no_record_and_no_argument_raises(record: bytes, analysis: Any, within: Any):
    topics = FakeTopics()
    ours = publisher(FakeKafka(), topics)
    before, current._publisher = current._publisher, ours
    try:
        identity = opwatch.analysis(**GOOD)
        topics.put(TOPIC, identity, record)
        assert asyncio.run(opwatch.score(identity, within=10)) is None
        within = 0.01 if isinstance(within, int | float) else within
        if not isinstance(analysis, str):
            assert asyncio.run(opwatch.score(analysis, within=0.01)) is None
        assert asyncio.run(opwatch.score(identity, within=within)) is None
        assert ours.close(5)
    finally:
        current._publisher = before


def test_the_oldest_analyses_are_forgotten_first_and_nobody_waits_for_them():
    board = ScoreBoard(limit=3)
    waiting = board.wait(b"0")
    for number in range(1, 4):
        board.expect(b"%d" % number)
    board.put(b"1", b"one")
    board.put(b"0", b"zero")
    board.put(b"unknown", b"x")
    board.put(b"2", None)

    assert waiting.result(0) is None
    assert board.wait(b"1").result(0) == b"one"
    assert not board.wait(b"2").done()
    board.put(b"1", b"later")
    assert board.wait(b"1").result(0) == b"later"
