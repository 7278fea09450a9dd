"""Alerting decides about each record, the same way each time that it is read."""

from random import Random

from hypothesis import given, settings

from streams.alerting.engine import AlertEngine
from streams.alerting.inputs import AttemptResult, BreachInput, CommandInput, Tick
from tests.effort import examples
from tests.properties.alerting_shell import SEEDS, shell


@settings(max_examples=examples(30))
@given(SEEDS)
def test_every_record_ends_in_a_decision_with_a_reason_and_a_sentence(seed):
    world = shell(seed)
    world.finish()
    said = world.said()
    decided = {one.cause.offset for one in said}
    assert decided >= set(range(len(world.log)))
    for one in said:
        assert one.reason
        assert one.sentence.endswith((".", ")")), one.sentence
    assert len({one.id for one in said}) == len(said)
    as_the_schema_writes = [one.model_dump_json().encode() for one in said]
    assert as_the_schema_writes == list(world.decisions.values())


@settings(max_examples=examples(20))
@given(SEEDS)
def test_replaying_the_inputs_gives_the_same_decisions_with_or_without_restarts(seed):
    world = shell(seed)
    world.finish()
    random = Random(seed + 1)
    packed, decisions, attempts = {}, {}, {}
    alerting = AlertEngine(packed, world.channels, "g1")
    for given_, now_ms in world.inputs:
        if random.random() < 0.2:
            alerting = AlertEngine(dict(packed), world.channels, "g1")
        if isinstance(given_, str):
            attempt = alerting.next_attempt(given_, now_ms)
            if attempt is not None:
                attempts[attempt.id, attempt.attempt] = attempt
        else:
            if isinstance(given_, AttemptResult):
                assert attempts[given_.attempt.id, given_.attempt.attempt].message == (
                    given_.attempt.message
                )
            alerting.apply(given_, now_ms)
        for key, value in alerting.take_changes():
            packed[key] = value
            if value is None:
                del packed[key]
        decisions |= {one.id: one.value for one in alerting.unpublished()}
        alerting.published(list(alerting.unpublished()))
    assert decisions == world.decisions


@settings(max_examples=examples(20))
@given(SEEDS)
def test_the_same_record_twice_changes_nothing(seed):
    world = shell(seed)
    take = world.give

    def give(given_):
        said = take(given_)  # and again:
        if isinstance(given_, BreachInput | CommandInput | AttemptResult):
            world.alerting.take_changes()
            assert world.alerting.apply(given_, world.now) == 0
            assert world.alerting.take_changes() == []
        return said

    world.give = give
    while world.read < len(world.log):
        world.now = max(world.now, world.log[world.read][0])
        world.read_due()
        world.give(Tick())
        for name in world.channels.by_name:
            world.send(name)
