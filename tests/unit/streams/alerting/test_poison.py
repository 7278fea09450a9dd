"""What no record may do: end alerting, or make it stand still."""

import time

import pytest
from pydantic import ValidationError

from schemas.breaches import Breach
from schemas.commands import CommandRecord
from schemas.matchers import MAX_MATCHERS
from streams.alerting.inputs import BreachInput
from streams.alerting.limits import MAX_SILENCES
from tests.unit.streams.alerting.world import MINUTE, breach


@pytest.mark.parametrize("pattern", ["a{4294967296}", r"(.*)(.*)\1\2", "(?P<x>a)(?P=x)"])
def test_a_silence_with_an_impossible_pattern_is_refused(world, pattern):
    world.silence(("fingerprint", "=~", pattern))
    assert world.reasons() == ["command_refused"]
    began = time.process_time()
    world.breach("0123456789abcdef0123456789abcdef")
    assert time.process_time() - began < 1


def test_a_silence_past_a_limit_is_refused_and_says_so(world):
    for at in range(MAX_SILENCES):
        world.silence(("platform", "=~", f"p{at}.*"), name=f"s{at}", end=30 * MINUTE)
    assert world.reasons() == ["command_done"] * MAX_SILENCES
    world.silence(("platform", "=", "p"), name="more", end=30 * MINUTE)
    assert world.last().reason == "command_refused"
    assert f"at most {MAX_SILENCES}" in world.last().sentence
    world.end_silence("s0")
    world.silence(("platform", "=", "p"), name="again", end=30 * MINUTE)
    assert world.last().reason == "command_done"


@pytest.mark.parametrize(
    ("matchers", "said"),
    [
        ([("platform", "=", "p")] * (MAX_MATCHERS + 1), f"at most {MAX_MATCHERS}"),
        ([("platform", "=", "p" * 5_000)], "longer than"),
        ([("l" * 5_000, "=", "p")], "longer than"),
    ],
)
def test_a_silence_of_too_many_or_too_long_matchers_is_refused(world, matchers, said):
    world.silence(*matchers)
    assert world.last().reason == "command_refused"
    assert said in world.last().sentence


@pytest.mark.parametrize("place", ["revision", "samples", "since_ms", "opened_ms", "cooldown_ms"])
def test_a_number_over_64_bits_is_no_breach(place):
    fields = breach().model_dump(mode="json")
    (fields["routing"] if place == "cooldown_ms" else fields)[place] = 10**20
    with pytest.raises(ValidationError):
        Breach.model_validate(fields)


def test_a_number_over_64_bits_is_no_command():
    fields = {"kind": "silence", "id": "s", "by": "a", "at_ms": 1, "start_ms": 0}
    fields |= {"end_ms": 10**20, "matchers": [{"label": "a", "value": "b"}]}
    with pytest.raises(ValidationError):
        CommandRecord.model_validate(fields)


def test_the_longest_cooldown_is_kept(world):
    world.breach(cooldown_ms=2**63 - 1)
    world.run(MINUTE)
    assert world.told() == [("slack", "opened", "lever-e1", 0)]


def test_what_cannot_be_decided_upon_changes_nothing(world, monkeypatch):
    world.breach("ashby")
    one = breach("lever")
    given = BreachInput(breach=one, raw=one.model_dump_json().encode(), offset=7)
    before = breach("mine")  # not written yet
    raw = before.model_dump_json().encode()
    world.alerting.apply(BreachInput(breach=before, raw=raw, offset=6), world.now)
    with monkeypatch.context() as patched:
        patched.setattr("streams.alerting.engine.prune", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.alerting.apply(given, world.now)
    assert set(world.alerting._table.states) == {"fp-ashby", "fp-mine"}
    world.take(given)
    assert set(world.packed) == {b"fp-ashby", b"fp-mine", b"fp-lever"}
    world.run(MINUTE)
    assert [others for *_, others in world.told()] == [0, 1]  # one, and a follow-up of two


def test_a_row_that_cannot_be_packed_changes_nothing(world):
    one = breach("lever").model_copy(update={"revision": 2**70})
    with pytest.raises(OverflowError):
        world.take_breach(one)
    world.breach("ashby")
    world.run(MINUTE)
    assert world.told() == [("slack", "opened", "ashby-e1", 0)]


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "acknowledge", "fingerprint": "f" * 501, "breach_id": "b"},
        {"kind": "acknowledge", "fingerprint": "f", "breach_id": "b" * 501},
        {"kind": "end_silence", "silence": "s" * 501},
        {"kind": "redrive", "delivery": "d" * 501},
        {"kind": "test_channel", "channel": "c" * 501},
        {"kind": "test_channel", "channel": "c", "id": "i" * 501},
    ],
)
def test_a_command_with_a_long_name_is_none(fields):
    with pytest.raises(ValidationError):
        CommandRecord.model_validate({"id": "s", "by": "a", "at_ms": 1} | fields)
