"""An assessor in processes of its own: whatever it does, its worker goes on."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from agents.quality.assessor_pool import AssessorPool
from agents.quality.assessor_process import AskedAnalysis, request_of
from agents.quality.assessor_request import Unanswered
from streams.quality.assessor import Assessed
from tests.unit.agents.assessors import load_misbehaving
from tests.unit.streams.analysis_samples import analysis

BUDGET_S = 0.5


@pytest.fixture
async def pool() -> AsyncIterator[AssessorPool]:
    pool = AssessorPool("misbehaving", load_misbehaving, processes=1, deadline_s=0.25)
    pool.start()
    assert await answer_within(pool, "", 30) == Assessed(score=0.5)
    yield pool
    pool.stop()


async def answer_within(pool: AssessorPool, notes: str, seconds: float = BUDGET_S):
    value = analysis(result={"notes": notes}).model_dump_json().encode()
    return await pool.assess(
        request_of([AskedAnalysis(value, (), {})]), asyncio.get_running_loop().time() + seconds
    )


@pytest.mark.parametrize(
    ("notes", "why", "detail"),
    [
        ("hang", "too_slow", "250 ms"),
        ("sleep", "too_slow", "250 ms"),
        ("exit", "failed", "its process ended"),
        ("crash", "failed", "its process ended"),
        ("leave", "failed", "SystemExit"),
        ("raise", "failed", "RuntimeError: broken"),
        ("eat", "failed", "MiB of memory"),
        ("nonsense", "failed", "not between 0 and 1"),
    ],
)
async def test_an_assessor_that_misbehaves_is_left_out_and_the_next_analysis_is_assessed(
    pool: AssessorPool, notes: str, why: str, detail: str
):
    answer = await answer_within(pool, notes)

    assert isinstance(answer, Unanswered)
    assert answer.why == why
    assert detail in answer.detail
    assert await answer_within(pool, "", 30) == Assessed(score=0.5)


async def test_an_assessor_that_has_nothing_to_judge_answers_nothing(pool: AssessorPool):
    assert await answer_within(pool, "nothing") is None


async def test_a_hung_assessor_holds_up_neither_the_loop_nor_those_that_wait(pool: AssessorPool):
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    turning = asyncio.create_task(turn())
    answers = await asyncio.gather(*(answer_within(pool, "hang") for _ in range(20)))
    turning.cancel()

    assert {answer.why for answer in answers} == {"too_slow", "out_of_budget"}
    assert turns > 5


async def test_analyses_that_are_assessed_together_are_answered_each(pool: AssessorPool):
    values = [
        analysis(result={"notes": notes}).model_dump_json().encode()
        for notes in ("", "raise", "nothing")
    ]
    until_s = asyncio.get_running_loop().time() + 30
    asked = [AskedAnalysis(value, (), {}) for value in values]
    answers = await pool.assess_together(request_of(asked), until_s)

    assert isinstance(answers, list)
    good, raised, nothing = answers
    assert good == Assessed(score=0.5)
    assert isinstance(raised, Unanswered)
    assert nothing is None


async def test_what_waits_for_a_killed_process_gets_the_next(pool: AssessorPool):
    hung = asyncio.create_task(answer_within(pool, "hang"))
    good = await answer_within(pool, "", 30)

    assert good == Assessed(score=0.5)
    assert isinstance(await hung, Unanswered)


async def test_stopping_ends_the_processes(pool: AssessorPool):
    children = psutil.Process().children(recursive=True)
    pids = [child.process.pid for child in pool._children]
    assert {child.pid for child in children} >= set(pids)

    pool.stop()

    for _ in range(100):
        if not any(psutil.pid_exists(pid) for pid in pids):
            break
        await asyncio.sleep(0.05)
    assert not any(psutil.pid_exists(pid) for pid in pids)


WORKER = """
import asyncio
from agents.quality.assessor_pool import AssessorPool
from agents.quality.assessor_process import AskedAnalysis, request_of
from tests.unit.agents.assessors import load_misbehaving
from tests.unit.streams.analysis_samples import analysis

async def main():
    pool = AssessorPool("misbehaving", load_misbehaving, processes=2, deadline_s=60)
    pool.start()
    until = asyncio.get_running_loop().time() + 60
    value_of = lambda notes: analysis(result={"notes": notes}).model_dump_json().encode()
    ask = lambda notes: pool.assess_together(
        request_of([AskedAnalysis(value_of(notes), (), {})]), until)
    await asyncio.gather(ask(""), ask(""))
    hung = ask("sleep")
    await asyncio.sleep(0.05)
    print("ready", flush=True)
    import time
    time.sleep(60)  # it can kill nobody

asyncio.run(main())
"""


def test_the_processes_end_with_a_worker_that_is_killed():
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], cwd=root, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        children = psutil.Process(worker.pid).children(recursive=True)
        assert len(children) >= 3
        os.kill(worker.pid, signal.SIGKILL)

    give_up = time.monotonic() + 30
    while any(child.is_running() for child in children):
        assert time.monotonic() < give_up, children
        time.sleep(0.05)
