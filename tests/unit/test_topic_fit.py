import pytest

from agents.topic_fit import FORBIDDEN, Existing, TopicSpec, judge

PLANE = TopicSpec("p.partials", 8, {"cleanup.policy": "delete", "retention.ms": "1000"})
ONE = TopicSpec("p.dead-letters", 1, {}, plane=False)
LOG = TopicSpec(
    "p.log", 8, {"cleanup.policy": "compact", "min.compaction.lag.ms": "3600000"}, plane=True
)


def test_what_fits_is_not_mentioned():
    assert (
        judge([PLANE, ONE], {PLANE.name: Existing(8, PLANE.config), ONE.name: Existing(1, {})})
        == []
    )


def test_the_order_of_policies_does_not_matter():
    spec = TopicSpec("t", 1, {"cleanup.policy": "compact,delete"})
    assert judge([spec], {"t": Existing(1, {"cleanup.policy": "delete,compact"})}) == []


def test_a_missing_topic_stops():
    (misfit,) = judge([PLANE], {})
    assert misfit.stops
    assert misfit.sentence == "p.partials does not exist: `opwatch topics create` makes it."


def test_another_number_of_partitions_stops_and_says_what_to_do():
    one, plane = judge(
        [ONE, PLANE], {ONE.name: Existing(2, {}), PLANE.name: Existing(1, PLANE.config)}
    )
    assert one.stops
    assert plane.stops
    assert one.sentence.startswith("p.dead-letters has 2 partitions and needs exactly 1: delete it")
    assert plane.sentence.startswith("p.partials has 1 partition, OPWATCH_PARTITIONS is 8: set it")


@pytest.mark.parametrize(
    ("spec", "key", "value", "stops"),
    [
        (PLANE, "cleanup.policy", "compact", True),
        (PLANE, "retention.ms", "999", False),
        (LOG, "min.compaction.lag.ms", "0", True),
        (LOG, "min.compaction.lag.ms", "", True),
    ],
)
def test_a_configuration_that_breaks_a_promise_stops_another_is_noted(
    spec: TopicSpec, key: str, value: str, stops: bool
):
    (misfit,) = judge([spec], {spec.name: Existing(8, {**spec.config, key: value})})
    assert misfit.stops is stops
    assert f"has {key}={value}, opwatch makes it with {spec.config[key]}" in misfit.sentence
    assert f"--add-config {key}={spec.config[key]} sets it" in misfit.sentence


@pytest.mark.parametrize("value", ["-1", "1000", "5000"])
def test_keeping_longer_is_no_misfit(value: str):
    assert judge([PLANE], {PLANE.name: Existing(8, {**PLANE.config, "retention.ms": value})}) == []


def test_a_right_that_is_lacking_stops_and_is_named():
    spec = PLANE._replace(needs=frozenset(("READ", "WRITE")))
    existing = Existing(8, PLANE.config, rights=frozenset(("READ", "DESCRIBE")))
    (misfit,) = judge([spec], {spec.name: existing})
    assert misfit.stops
    assert misfit.sentence.startswith("no right to WRITE on the topic p.partials: grant it")


def test_a_topic_that_is_forbidden_is_judged_by_what_is_needed_of_it_only():
    assert judge([PLANE], {PLANE.name: FORBIDDEN}) == []
    (misfit,) = judge([PLANE._replace(needs=frozenset(("READ",)))], {PLANE.name: FORBIDDEN})
    assert misfit.stops


def test_a_broker_that_tells_no_rights_and_no_id_is_believed():
    spec = PLANE._replace(needs=frozenset(("READ",)))
    assert judge([spec], {spec.name: Existing(8, PLANE.config)}) == []


def test_a_configuration_that_may_not_be_known_is_noted():
    (misfit,) = judge([PLANE], {PLANE.name: Existing(8, None)})
    assert not misfit.stops
    assert "no right to DESCRIBE_CONFIGS on the topic p.partials" in misfit.sentence
