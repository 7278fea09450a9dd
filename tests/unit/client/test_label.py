"""A label reaches opwatch as the schema wants it, or is dropped and counted."""

import json

import pytest

import opwatch_client as opwatch
from schemas.labels import Label
from tests.unit.client.analysis_samples import NOW_MS
from tests.unit.client.fakes import FakeKafka
from tests.unit.client.test_bad_values import Spiteful


def test_a_label_is_keyed_by_its_analysis_or_its_input(kafka: FakeKafka):
    opwatch.label("a1", truth="likely_ghost", verified=True, source="team", at_ms=NOW_MS)
    opwatch.label(input_hash="h", about="company", truth=None)
    assert opwatch.flush(5)

    found = [Label.model_validate_json(json.dumps(label)) for label in kafka.labels]
    assert [key for key, _ in kafka.lanes["labels"]] == [b"a1", b"h"]
    assert (found[0].about, found[0].truth, found[0].at) == ("verdict", "likely_ghost", NOW_MS)
    assert (found[1].about, found[1].truth, found[1].source) == ("company", None, "unknown")
    assert opwatch.stats().labels == opwatch.Outcomes(published=2)


@pytest.mark.parametrize(
    "changed",
    [{}, {"analysis": "a", "input_hash": "h"}, {"analysis": "a", "truth": Spiteful()}],
)
def test_a_label_about_nothing_or_without_truth_is_dropped_and_counted(
    kafka: FakeKafka, changed: dict
):
    opwatch.label(**{"truth": 1} | changed)

    assert opwatch.flush(5)
    assert kafka.labels == []
    assert opwatch.stats().labels == opwatch.Outcomes(dropped=1)
    assert opwatch.stats().bad_values == 1
