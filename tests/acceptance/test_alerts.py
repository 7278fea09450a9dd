"""Breaches are notified once and with the reason, whatever is killed."""

import json
import signal
import time
from pathlib import Path

import pytest

from schemas.dead_letters import from_headers
from tests.acceptance import oracle
from tests.acceptance.alert_scene import Breaches, Receivers, breach, until
from tests.acceptance.alert_torture import Torture, is_right
from tests.acceptance.cluster import Workers

pytestmark = pytest.mark.acceptance


@pytest.mark.timeout(600)
def test_kills_and_pauses_leave_nobody_untold_and_no_incident_open(kafka: str, tmp_path: Path):
    found = Torture(kafka, 3, tmp_path).run(10)

    print(found)
    assert is_right(found)
    assert found["alerts"] > 30
    # An open claim excuses a duplicate, so most messages must have closed theirs.
    assert found["claims left open"] < sum(found["messages"].values())


def test_a_second_worker_takes_over_and_each_bad_record_is_one_dead_letter(
    kafka: str, prefix: str, tmp_path: Path
):
    with Receivers() as receivers:
        settings = receivers.settings(tmp_path) | {"OPWATCH_SESSION_TIMEOUT_S": "6"}
        workers = Workers(kafka, prefix, 2, tmp_path, role="alert", **settings)
        hook = receivers.by_name["hook"]
        breaches = Breaches(kafka, prefix)
        try:
            workers.start("w0")
            breaches.publish({"fingerprint": "x"}, breach(1, 1, "opened"))
            assert until(lambda: hook.arrived, 120), "w0 tells nobody"
            workers.start("w1")
            assert until(lambda: "metrics" in (tmp_path / "w1.log").read_text(), 120)
            time.sleep(4)  # it joins
            workers.end("w0", signal.SIGKILL)
            breaches.publish(breach(1, 2, "resolved"))
            assert until(lambda: len(hook.arrived) > 1, 120), "w1 tells nobody"
            assert workers.terminate("w1") == 0  # within 10 s
        finally:
            workers.close()
    letters = oracle.read_topic(kafka, prefix + "dead-letters")
    assert [from_headers(one.headers()).reason for one in letters] == ["invalid_breach"]
    [alert] = json.loads(hook.arrived[1].body)["alerts"]
    assert alert["status"] == "resolved"
