"""No request begins after the decision that forbids it, also not while its claim is written."""

import asyncio

import pytest

from agents.alert.clock import Alarm
from agents.alert.deliverer import Deliverer
from schemas.commands import Acknowledge
from streams.alerting.inputs import CommandInput
from streams.channels.response_meaning import Sent
from tests.unit.streams.alerting.world import World


class AlertWriter:
    """Writes nothing; the first thing that is written lets something happen meanwhile."""

    def __init__(self, meanwhile) -> None:
        self._meanwhile = meanwhile

    async def written(self) -> None:
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()
        await asyncio.sleep(0)

    def begin(self) -> None:
        pass


class Receiver:
    def __init__(self) -> None:
        self.messages = []

    async def send(self, message, attempt, deadline_s):
        self.messages.append(message)
        return Sent(answer="ok")


@pytest.mark.parametrize("acknowledged", [False, True])
def test_an_acknowledgement_while_the_claim_is_written_is_before_the_request(
    acknowledged: bool, monkeypatch: pytest.MonkeyPatch
):
    world, alarm, receiver = World(), Alarm(), Receiver()
    monkeypatch.setattr("agents.alert.deliverer.now_ms", lambda: world.now)
    world.breach()

    def acknowledge() -> None:
        if acknowledged:
            named = {"fingerprint": "fp-lever", "breach_id": "lever-e1"}
            command = Acknowledge(id="c", by="ann", at_ms=world.now, **named)
            world.alerting.apply(CommandInput(command=command, offset=7), world.now)

    async def deliver() -> None:
        delivery = Deliverer("slack", world.alerting, AlertWriter(acknowledge), alarm, lambda: None)
        delivery.sender = receiver
        running = asyncio.create_task(delivery.run())
        await asyncio.sleep(0.1)
        await delivery.stop(1)
        await running

    asyncio.run(deliver())
    world.write()
    assert len(receiver.messages) == (0 if acknowledged else 1)
    last = [one for one in world.said() if one.channel == "slack"][-1]
    assert last.reason == ("acknowledged" if acknowledged else "sent")
    assert world.alerting.circuit("slack").failures == 0
