"""A channel that answers 410 Gone is told nothing more until a test gets through."""

from tests.unit.streams.alerting.world import MINUTE, Rejected, Retry, Sent

GONE = Rejected(answer="410", gone=True)


def test_a_channel_that_is_gone_is_told_nothing_more_and_its_fallback_is(world):
    world.answers["slack"] = GONE
    world.breach("a")
    world.run(MINUTE)
    world.breach("b")
    world.run(MINUTE)
    assert world.reasons("slack") == ["due", "attempted", "gave_up", "undeliverable"]
    for said in world.said()[2:]:
        if said.channel == "slack":
            assert "answered 410 Gone" in said.sentence
            assert "`opwatch channels test slack`" in said.sentence
    assert world.told() == [("mail", "opened", "a-e1", 0), ("mail", "opened", "b-e1", 0)]


def test_what_waited_for_a_channel_that_is_gone_is_given_up_with_a_letter(world):
    for series in "abc":
        world.breach(series)
    world.answer(world.claim("slack"), GONE)
    world.now += 10_000
    assert world.claim("slack") is None
    world.write()
    assert world.reasons("slack").count("gave_up") == 3
    assert world.reasons("slack").count("attempted") == 1
    gave_up = [one.sentence for one in world.said() if one.reason == "gave_up"]
    assert gave_up[0].endswith("Gave up after 1 attempt.")
    assert gave_up[1].endswith("Gave up without an attempt.")


def test_a_channel_stays_gone_over_a_crash_another_rule_file_and_a_failed_test(world):
    world.answers["pager"] = GONE
    world.breach("a", channels=("pager",))
    world.run(MINUTE)
    world.start()
    world.alerting.use(world.channels)
    world.test_channel("pager")
    world.answer(world.claim("pager"), Retry(answer="503"))
    world.breach("b", channels=("pager",))
    assert world.last().reason == "undeliverable"


def test_a_test_that_gets_through_enables_a_channel_that_is_gone(world):
    world.answers["pager"] = GONE
    world.breach("a", channels=("pager",))
    world.run(MINUTE)
    world.breach("b", channels=("pager",))
    world.answers["pager"] = Sent()
    world.run(MINUTE)
    assert world.told() == []
    world.test_channel("pager")
    world.run(MINUTE)
    assert [told[1:3] for told in world.told()] == [("test", "t1"), ("opened", "b-e1")]
    world.breach("b", revision=2, state="resolved", channels=("pager",))
    world.run(MINUTE)
    assert world.told()[-1] == ("pager", "resolved", "b-e1", 0)
