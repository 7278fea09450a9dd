"""Let a page fail and wait for its retry, and say what came of it."""

from tests.unit.streams.alerting.world import Retry

FAILS = Retry(answer="503", after_ms=30_000)
UNKNOWN = Retry(answer="cut", after_ms=30_000, ambiguous=True)


def waiting(world, *, answer=FAILS, channel="slack", **more):
    """Return the world with a page that failed once and waits for its retry."""
    world.answers[channel] = answer
    world.breach(channels=(channel,), **more)
    world.deliver()
    world.now += 5_000
    world.answers = {}
    world.sent.clear()
    return world


def events(world, channel="slack"):
    return [event for _, event, *_ in world.told(channel)]


def over(world, channel="slack"):
    """Return the reason of the last decision about a delivery to the channel."""
    return [one for one in world.said() if one.delivery and one.channel == channel][-1].reason
