"""Breaches are told once and with the reason, whatever is killed."""

from pathlib import Path

import pytest

from tests.acceptance.alert_torture import Torture, is_right

pytestmark = pytest.mark.acceptance


def test_kills_and_pauses_leave_nobody_untold_and_no_incident_open(kafka: str, tmp_path: Path):
    told = Torture(kafka, 3, tmp_path).run(10)

    print(told)
    assert is_right(told)
    assert told["alerts"] > 30
    assert told["claims left open"] <= 2 * told["kills"]
