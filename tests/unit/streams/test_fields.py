"""The table of fields agrees with the schemas that it cannot make."""

from types import SimpleNamespace
from typing import get_args

from schemas.aggregates import Aggregate, Cache, Durations
from schemas.fields import DERIVED, METRICS, RATIOS, SUMMED, Sums
from schemas.operations import Operation
from schemas.rules import Metric
from streams.measure.aggregate import figures_of
from streams.rules.aggregate_reader import SummedRecord
from streams.rules.metrics import METRICS as DEFINITIONS
from streams.rules.window_sums import sums_of

_GROUPS = {"duration_ms": Durations, "cache": Cache}


def test_every_field_is_read_from_an_operation_that_has_it():
    for summed in SUMMED.values():
        assert summed.attribute is None or summed.attribute in Operation.model_fields


def test_every_figure_stands_in_the_schema():
    for path in [*RATIOS, *DERIVED, *(summed.published for summed in SUMMED.values())]:
        group, _, name = path.rpartition(".")
        assert name in (_GROUPS[group] if group else Aggregate).model_fields


def test_every_metric_of_the_rule_schema_is_measured():
    assert set(DEFINITIONS) == set(get_args(Metric))
    assert all(metric.figure in RATIOS for metric in METRICS.values())


def test_rules_read_the_sums_that_were_published():
    sums = Sums(*range(100, 100 - len(Sums._fields), -1))
    figures = figures_of(sums)
    read = SummedRecord(series=None, window=None, revision=1, final=True, **_as_objects(figures))
    assert sums_of(read) == sums


def _as_objects(figures):
    known = {name.partition(".")[0] for name in (summed.published for summed in SUMMED.values())}
    return {
        name: SimpleNamespace(**value) if isinstance(value, dict) else value
        for name, value in figures.items()
        if name in known
    }
