"""A message that several alerts share is sent as it is, whatever becomes of one of them."""

from streams.alerting import limits
from streams.alerting.engine import AlertEngine
from tests.unit.streams.alerting.world import MINUTE, Retry, World


def test_a_parcel_is_sent_again_under_the_same_name(world):
    for name in ("a", "b", "c"):
        world.breach(name)
    world.deliver()
    world.now += limits.GROUP_WAIT_MS
    first = world.claim("slack")
    world.answer(first, Retry(answer="503"))
    world.now += MINUTE
    second = world.claim("slack")
    assert first.message == second.message
    assert len(second.message.others) == 1


def test_a_member_that_resolves_stays_in_the_message(world):
    for name in ("a", "b", "c"):
        world.breach(name, channels=("pager",))
    world.deliver()
    world.breach("c", revision=2, state="resolved", channels=("pager",))
    world.run(MINUTE)
    message = world.sent[1][2]
    assert (message.event, message.breach.id) == ("opened", "b-e1")
    assert [one.state for one in message.others] == ["resolved"]
    world.breach("b", revision=2, state="resolved", channels=("pager",))
    world.run(MINUTE)
    assert world.told()[2:] == [("pager", "resolved", "b-e1", 0)]
    assert world.sent[2][2].incident == message.incident


def test_a_message_without_its_head_finds_another_after_a_crash(world):
    for name in ("a", "b", "c"):
        world.breach(name)
    world.deliver()
    head = next(k for k in world.packed if k == b"fp-b")
    world.packed.pop(head)
    world.alerting = AlertEngine(dict(world.packed), world.channels, "g9")
    world.run(MINUTE)
    assert world.told()[-1] == ("slack", "opened", "c-e1", 0)


def test_a_shared_message_goes_out_though_the_alert_that_carried_it_is_over():
    world = World()
    for name in ("a", "b", "c"):
        world.breach(name, severity="medium")
        world.run(MINUTE)
    for name in ("a", "b", "c"):
        world.breach(name, revision=2, state="updated", severity="high")
    world.breach("b", revision=3, state="resolved", severity="high")
    world.run(MINUTE)

    raised = [one for one in world.told("slack") if one[1] == "severity_raised"]
    assert raised == [
        ("slack", "severity_raised", "a-e1", 0),
        ("slack", "severity_raised", "c-e1", 0),
    ]
