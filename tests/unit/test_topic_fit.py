import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.kafka.role_topics import everything
from agents.kafka.topic_fit import FORBIDDEN, ExistingTopic, Misfit, TopicSpec, judge, remade
from agents.runtime.settings import Settings

PLANE = TopicSpec("p.partials", 8, {"cleanup.policy": "delete", "retention.ms": "1000"})
ONE = TopicSpec("p.dead-letters", 1, {}, plane=False)
LOG = TopicSpec(
    "p.log", 8, {"cleanup.policy": "compact", "min.compaction.lag.ms": "3600000"}, plane=True
)


def test_what_fits_is_not_mentioned():
    assert (
        judge(
            [PLANE, ONE],
            {PLANE.name: ExistingTopic(8, PLANE.config), ONE.name: ExistingTopic(1, {})},
        )
        == []
    )


def test_the_order_of_policies_does_not_matter():
    spec = TopicSpec("t", 1, {"cleanup.policy": "compact,delete"})
    assert judge([spec], {"t": ExistingTopic(1, {"cleanup.policy": "delete,compact"})}) == []


def test_a_missing_topic_stops():
    (misfit,) = judge([PLANE], {})
    assert misfit.stops
    assert misfit.sentence == "p.partials does not exist: `opwatch topics create` makes it."


def test_another_number_of_partitions_stops_and_says_what_to_do():
    one, plane = judge(
        [ONE, PLANE], {ONE.name: ExistingTopic(2, {}), PLANE.name: ExistingTopic(1, PLANE.config)}
    )
    assert one.stops
    assert plane.stops
    assert one.sentence.startswith("p.dead-letters has 2 partitions and needs exactly 1. Choose")
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
    (misfit,) = judge([spec], {spec.name: ExistingTopic(8, {**spec.config, key: value})})
    assert misfit.stops is stops
    assert f"has {key}={value}, opwatch makes it with {spec.config[key]}" in misfit.sentence
    assert f"--add-config {key}={spec.config[key]} sets it" in misfit.sentence


@pytest.mark.parametrize("value", ["-1", "1000", "5000"])
def test_keeping_longer_is_no_misfit(value: str):
    assert (
        judge([PLANE], {PLANE.name: ExistingTopic(8, {**PLANE.config, "retention.ms": value})})
        == []
    )


def test_a_right_that_is_lacking_stops_and_is_named():
    spec = PLANE._replace(needs=frozenset(("READ", "WRITE")))
    existing = ExistingTopic(8, PLANE.config, rights=frozenset(("READ", "DESCRIBE")))
    (misfit,) = judge([spec], {spec.name: existing})
    assert misfit.stops
    assert misfit.sentence.startswith("no right to WRITE on the topic p.partials: grant it")


def test_a_topic_that_is_forbidden_is_judged_by_what_is_needed_of_it_only():
    assert judge([PLANE], {PLANE.name: FORBIDDEN}) == []
    (misfit,) = judge([PLANE._replace(needs=frozenset(("READ",)))], {PLANE.name: FORBIDDEN})
    assert misfit.stops


def test_a_broker_that_tells_no_rights_and_no_id_is_believed():
    spec = PLANE._replace(needs=frozenset(("READ",)))
    assert judge([spec], {spec.name: ExistingTopic(8, PLANE.config)}) == []


def test_a_configuration_that_may_not_be_known_is_noted():
    (misfit,) = judge([PLANE], {PLANE.name: ExistingTopic(8, None)})
    assert not misfit.stops
    assert "no right to DESCRIBE_CONFIGS on the topic p.partials" in misfit.sentence


def test_a_topic_with_another_id_or_none_at_all_was_deleted():
    before = {"p.a": "1", "p.b": "2", "p.c": "3", "p.d": "4"}
    now = {
        "p.a": ExistingTopic(1, {}, id="1"),
        "p.b": ExistingTopic(1, {}, id="9"),
        "p.d": ExistingTopic(1, {}),  # the broker does not tell
    }
    again, gone = remade(before, now)
    assert again.sentence.startswith("p.b was deleted and made again: its offsets begin anew")
    assert gone.sentence.startswith("p.c was deleted: ")
    assert all(misfit.ends and misfit.stops for misfit in (again, gone))


# ------------------------------------------------------------------ advice


@cache
def specs(prefix: str, partitions: int) -> list[TopicSpec]:
    return everything(Settings(_env_file=None, topic_prefix=prefix, partitions=partitions))


class World:
    """Topics, and a person who does literally what is advised."""

    def __init__(self, partitions: int, existing: dict[str, ExistingTopic]) -> None:
        self.prefix = "opwatch."
        self.partitions = partitions
        self.existing = existing

    def specs(self) -> list[TopicSpec]:
        return specs(self.prefix, self.partitions)

    def misfits(self) -> list[Misfit]:
        return judge(self.specs(), self.existing)

    def follow(self, sentences: list[str]) -> None:
        joined = " ".join(sentences)
        if "Choose another OPWATCH_TOPIC_PREFIX" in joined:
            self.prefix, self.existing = "another.", {}
            self.create()
            return
        if counts := set(re.findall(r"set it to (\d+)", joined)):
            (count,) = counts
            self.partitions = int(count)
        for topic, key, value in re.findall(
            r"--alter --topic (\S+) --add-config ([a-z.]+)=\[?([^\]\s]+)\]? sets", joined
        ):
            found = self.existing[topic]
            assert found.config is not None
            self.existing[topic] = found._replace(config={**found.config, key: value})
        if "`opwatch topics create` makes it" in joined:
            self.create()

    def create(self) -> None:
        for spec in self.specs():
            self.existing.setdefault(spec.name, ExistingTopic(spec.partitions, dict(spec.config)))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    partitions = draw(st.integers(1, 4))
    world = World(partitions, {})
    values = st.sampled_from(["1", "compact", "delete", "LogAppendTime", "CreateTime", "-1"])
    plane = draw(st.none() | st.integers(1, 4))
    for spec in world.specs():
        if draw(st.integers(0, 7)) == 0:
            continue
        config = {
            key: draw(values) if draw(st.integers(0, 5)) == 0 else value
            for key, value in spec.config.items()
        }
        count = plane if plane and spec.plane else spec.partitions
        if draw(st.integers(0, 20)) == 0:
            count = draw(st.integers(1, 4))
        world.existing[spec.name] = ExistingTopic(count, config)
    return world


@pytest.mark.no_cover
@settings(deadline=None, max_examples=60)
@given(worlds())
def test_what_is_advised_makes_the_next_check_pass(world: World) -> None:
    world.follow([misfit.sentence for misfit in world.misfits()])
    left = world.misfits()
    if (
        left
    ):  # what was missing was made before OPWATCH_PARTITIONS was right, or the like: once more
        world.follow([misfit.sentence for misfit in left])
    assert world.misfits() == []


@pytest.mark.no_cover
@settings(deadline=None, max_examples=60)
@given(worlds())
def test_each_sentence_alone_is_advice_that_ends_itself(world: World) -> None:
    for misfit in world.misfits():
        apart = World(world.partitions, dict(world.existing))
        apart.follow([misfit.sentence])
        assert misfit.sentence not in [left.sentence for left in apart.misfits()]


def test_operations_may_have_any_number_of_partitions():
    spec = TopicSpec("p.operations", 8, {}, plane=False, any_number=True)
    for number in (1, 8, 12, 300):
        assert judge([spec], {"p.operations": ExistingTopic(number, {})}) == []


def test_a_topic_that_takes_what_is_far_ahead_is_noted_where_kafka_knows_the_setting():
    spec = TopicSpec("p.operations", 1, {"message.timestamp.after.max.ms": "300000"})
    of = "message.timestamp.after.max.ms"
    assert judge([spec], {spec.name: ExistingTopic(1, {of: "300000"})}) == []
    assert judge([spec], {spec.name: ExistingTopic(1, {of: "1000"})}) == []
    assert judge([spec], {spec.name: ExistingTopic(1, {})}) == []
    [noted] = judge([spec], {spec.name: ExistingTopic(1, {of: str(2**63 - 1)})})
    assert not noted.stops
    assert "--add-config message.timestamp.after.max.ms=300000" in noted.sentence
