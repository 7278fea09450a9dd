"""The overview says whether promises are met, which platform is worst, and what fires."""

from streams.audit.status import alert_statuses
from streams.dashboard.overview import MOST_PLATFORMS, Overview, overview
from streams.dashboard.series_view import platform_names, series_view
from streams.dashboard.service_rows import service_rows
from streams.dashboard.spans import trailing
from streams.dashboard.sums import SpanSums
from streams.dashboard.targets import DEFAULT, parse_claim, parse_targets
from streams.dashboard.tiles import Promises, Tile
from tests.unit.streams.dashboard.samples import (
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    books,
    operations,
    quality,
    service,
)
from tests.unit.streams.story_samples import Records

PROMISES = Promises(parse_targets(DEFAULT), parse_claim("96-99"), None)
NOW_MS = NOON_MS + 30_000
SPAN = trailing("1h", NOW_MS)


def shown(*values: bytes, promises: Promises = PROMISES, operation: str = "*") -> Overview:
    return overview(SpanSums(books(*values)), [], promises, SPAN, operation)


def tile(found: Overview, figure: str) -> Tile:
    return next(tile for tile in found.tiles if tile.figure == figure)


def test_without_anything_every_tile_says_so():
    found = shown()
    assert {tile.state for tile in found.tiles} == {"none"}
    assert len(found.tiles) == 7
    assert found.claim is not None
    assert found.claim.verdict == "unknown"


def test_a_tile_has_value_target_state_and_samples():
    found = tile(shown(operations(NOON_MS, count=1000, failures=59)), "success_rate")
    assert (str(found.shown), found.target, found.state) == ("94.10 %", "≥ 95 %", "near")
    assert (found.samples, found.of_what) == (1000, "operations")


def test_a_few_samples_are_no_verdict():
    assert tile(shown(operations(NOON_MS, count=5, failures=5)), "success_rate").state == "few"


def test_a_change_is_against_the_span_before():
    found = shown(
        operations(NOON_MS, count=1000, failures=100),
        operations(NOON_MS - 90 * MINUTE_MS, count=1000, failures=50),
    )
    change = tile(found, "success_rate").change
    assert (change.direction, change.text) == ("worse", "−5.00 pt")
    assert tile(found, "p95").change.direction == "same"


def test_the_claim_stands_beside_the_truth():
    found = shown(operations(NOON_MS, count=10_000, failures=590)).claim
    assert found is not None
    assert (str(found.claim), found.total.success_rate) == ("96–99 %", 0.941)
    assert found.sentence == "The claim does not hold."


def test_the_worst_platform_is_first_and_few_samples_last():
    found = shown(
        operations(NOON_MS, count=300, failures=60),
        operations(NOON_MS, platform="good", count=100, failures=0),
        operations(NOON_MS, platform="bad", count=100, failures=50),
        operations(NOON_MS, platform="fair", count=100, failures=10),
        operations(NOON_MS, platform="few", count=3, failures=3),
        operations(NOON_MS, platform="other", operation="parse", count=100),
    )
    assert [row.platform for row in found.platforms] == ["bad", "fair", "good", "few"]
    assert found.platforms[0].share_of_failures == 50 / 60
    assert found.operations == ("*", "parse")


def test_more_platforms_than_fit_are_counted():
    found = shown(*(operations(NOON_MS, platform=f"p{n}") for n in range(MOST_PLATFORMS + 3)))
    assert (len(found.platforms), found.platforms_in_all) == (MOST_PLATFORMS, MOST_PLATFORMS + 3)


def test_uptime_is_that_of_the_worst_service():
    found = shown(
        service(NOON_MS, name="well"), service(NOON_MS, name="ill", down_ms=MINUTE_MS // 2)
    )
    uptime = tile(found, "uptime")
    assert (uptime.value, uptime.state) == (50.0, "bad")
    assert uptime.note == "1 of 2 up; the worst is ill"


def test_quality_is_the_overall_score():
    found = tile(shown(quality(NOON_MS, count=50, mean=0.8)), "quality")
    assert (str(found.shown), found.state, found.of_what) == ("0.800", "near", "analyses")


def test_the_budget_is_that_of_the_rule_else_of_the_target():
    value = operations(NOON_MS, count=1000, failures=20)
    assert tile(shown(value), "error_budget").value == 60.0
    of_rule = tile(shown(value, promises=PROMISES._replace(objective=99.0)), "error_budget")
    assert (of_rule.value, of_rule.state, of_rule.word) == (-100.0, "bad", "overspent")
    without = tile(shown(value, promises=Promises({}, None, None)), "error_budget")
    assert without.state == "none"


def test_figures_begin_with_the_first_window_in_the_span():
    found = shown(operations(NOON_MS - 10 * MINUTE_MS), operations(NOON_MS - 12 * HOUR_MS, "24h"))
    assert found.since_ms == NOON_MS - 10 * MINUTE_MS


def test_alerts_that_are_over_are_not_open():
    records = Records()
    records.breached()
    statuses = alert_statuses(records.log, records.now_ms)
    found = overview(SpanSums(books()), statuses, PROMISES, SPAN, "*")
    assert [alert.state for alert in found.alerts] == ["firing"]


def test_a_service_that_is_down_is_listed_first():
    sums = SpanSums(books(service(NOON_MS, name="a"), service(NOON_MS, name="z", down_ms=1)))
    assert [row.service for row in service_rows(sums, SPAN)] == ["z", "a"]


def test_a_series_has_charts_rows_and_its_own_marks():
    records = Records()
    series = '*{platform="lever"}'
    records.breached(None, series=series, opened_ms=NOON_MS, rule="slow")
    exemplars = [{"id": "op-1", "success": False, "duration_ms": 9.5, "error_type": "timeout"}]
    sums = SpanSums(
        books(
            operations(NOON_MS - MINUTE_MS, platform="lever"),
            operations(NOON_MS, platform="lever", final=False, exemplars=exemplars),
            operations(NOON_MS - HOUR_MS, platform="lever"),
        )
    )
    labels = ("*", "lever", None)
    view = series_view(sums, records.log, PROMISES.targets, labels, SPAN, NOW_MS, compares=True)
    assert view.name == series
    assert [chart.name for chart in view.charts] == [
        *("success", "durations", "throughput", "failures", "cache")
    ]
    assert [mark.kind for mark in view.marks] == ["opened"]
    assert [row.final for row in view.rows] == [False, True]
    assert view.rows[0].exemplars[0].id == "op-1"
    # Half a minute has passed: a hundred operations are more than three a second.
    assert str(view.rows[0].throughput) == "3.33 /s"
    assert view.charts[0].lines[-1].style == "line-before"
    assert platform_names(sums, "*") == ["lever"]


def test_a_series_that_is_not_there_has_nothing_to_show():
    view = series_view(
        SpanSums(books()), Records().log, {}, ("x", None, "low"), SPAN, NOW_MS, compares=False
    )
    assert (view.name, view.charts, view.rows) == ('x{confidence="low"}', (), ())


def test_an_operation_may_be_called_as_a_series_of_scores_is():
    sums = SpanSums(books(operations(NOON_MS, operation="overall:*"), quality(NOON_MS)))
    assert sums.operations("overall:*", SPAN).count == 100
    assert sums.quality("overall:*", SPAN).mean is not None
