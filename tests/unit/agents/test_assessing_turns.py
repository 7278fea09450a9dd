"""A crowd of analyses is assessed here and beside; whatever happens there, none is left out."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from agents.quality.assessing_turns import Results, ToAssess, Turns
from agents.quality.assessor_pool import AssessorPool
from schemas.analyses import Analysis
from schemas.quality_config import QualityConfig
from streams.quality.assessor import Assessed, Context
from tests.unit.agents.assessors import load_misbehaving
from tests.unit.streams.analysis_samples import analysis

HERE = Assessed(score=0.25)
BESIDE = Assessed(score=0.5)
CROWD = 80


class Here:
    """Finds something else than the one in the process, so that one sees who assessed."""

    name = "here"
    version = 1
    dimension = "misbehaving"
    heavy = False

    def assess(self, analysis: Analysis, context: Context) -> Assessed:
        time.sleep(0.001)  # a crowd is not assessed in one go
        return HERE


@pytest.fixture
async def turns(request: pytest.FixtureRequest) -> AsyncIterator[Turns]:
    deadline_ms = getattr(request, "param", 60_000)
    pool = AssessorPool("misbehaving", load_misbehaving, processes=1, deadline_s=deadline_ms / 1000)
    span = f"{deadline_ms}ms"
    config = QualityConfig.model_validate({"deadline": span, "budget": span})
    errors: list[BaseException] = []
    turns = Turns([Here()], config, (Here.dimension, pool), 1, errors.append)
    pool.start()
    await pool.is_idle.wait()
    turns.start()
    yield turns
    turns.stop()
    pool.stop()
    assert errors == []


async def found(turns: Turns, count: int, notes: str = "") -> list[Assessed]:
    async def found_of(number: int) -> Assessed:
        sample, results = analysis(id=f"a-{number}", result={"notes": notes}), Results()
        value = sample.model_dump_json().encode()
        await turns.assess(ToAssess(sample, value, (0, number), (), {}), results, ())
        answer = results.found[Here.dimension]
        assert isinstance(answer, Assessed)
        return answer

    return await asyncio.gather(*map(found_of, range(count)))


async def test_a_few_are_assessed_here(turns: Turns):
    assert await found(turns, 5) == [HERE] * 5


async def test_of_a_crowd_some_are_assessed_beside(turns: Turns):
    answers = await found(turns, CROWD)

    assert HERE in answers
    assert BESIDE in answers
    assert turns.waiting == 0


@pytest.mark.parametrize("notes", ["hang", "crash", "eat"])
@pytest.mark.parametrize("turns", [250], indirect=True)
async def test_what_a_process_does_not_answer_is_assessed_here(turns: Turns, notes: str):
    assert await found(turns, CROWD, notes) == [HERE] * CROWD


async def test_an_analysis_whose_partition_is_lost_holds_up_nobody(turns: Turns):
    waiting = [asyncio.create_task(found(turns, CROWD)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    waiting[2].cancel()

    assert len(await waiting[1]) == CROWD
    assert turns.waiting == 0
