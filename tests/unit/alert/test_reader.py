"""What the reader does with a record that alerting cannot decide upon."""

from types import SimpleNamespace

from faust.types import TP

from agents.alert.reader import AlertReader
from agents.runtime.settings import Settings
from schemas.topics import BREACHES
from tests.unit.streams.alerting.world import breach


class Outbox:
    def __init__(self):
        self.letters = []

    async def publish(self, letters):
        self.letters += letters


class Assignment:
    """Takes nothing of the alert fp-bad."""

    def __init__(self):
        self.taken = []
        self.writer = SimpleNamespace(lost=False, begin=lambda: None, written=self.written)

    async def written(self):
        pass

    def ring(self):
        pass

    def apply(self, given):
        if given.breach.fingerprint == "fp-bad":
            raise OverflowError("too large")
        self.taken.append(given.breach.fingerprint)


async def test_what_cannot_be_decided_upon_is_a_dead_letter_and_the_rest_is_read():
    outbox, duty, done = Outbox(), Assignment(), []
    consumer = SimpleNamespace(done=lambda _, end: done.append(end))
    settings = Settings()
    notifier = AlertReader(settings, outbox, lambda: consumer, lambda: duty)
    records = [
        SimpleNamespace(value=breach(name).model_dump_json().encode(), offset=at, timestamp=1)
        for at, name in enumerate(("lever", "bad", "ashby"))
    ]
    chunk = SimpleNamespace(records=records, end=3)
    await notifier.read(TP(settings.topic(BREACHES), 0), chunk)
    assert duty.taken == ["fp-lever", "fp-ashby"]
    assert len(outbox.letters) == 1
    assert b"OverflowError: too large" in dict(outbox.letters[0].headers)["detail"]
    assert done == [3]
