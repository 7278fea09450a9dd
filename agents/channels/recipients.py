"""Remember who of several recipients need not be told again, and sum up what they all answered."""

from collections import OrderedDict
from collections.abc import Iterable

from agents.channels.sender import Answer
from streams.alerting.inputs import Rejected, Retry, Sent
from streams.channels.plain import fit

MAX_DELIVERIES = 10_000
MAX_LISTED = 1000


class Recipients:
    """Of each delivery in flight, the recipients that answered for good.

    In memory: after a crash all are told again, under the same id.
    """

    def __init__(self) -> None:
        self._done: OrderedDict[str, dict[str, Answer]] = OrderedDict()

    def left(self, delivery: str, recipients: Iterable[str]) -> list[str]:
        """Return who is still to be told."""
        done = self._done.get(delivery, {})
        return [one for one in dict.fromkeys(recipients) if one not in done]

    def settle(self, delivery: str, answers: dict[str, Answer]) -> Answer:
        """Take the answers of an attempt in and return the answer of all.

        While one may still be told it is a Retry, and ambiguous once anyone was told: who heard of
        an opening is to hear of its end. Else it is Sent if anyone was told.
        """
        done = self._done.setdefault(delivery, {})
        done |= {one: said for one, said in answers.items() if not isinstance(said, Retry)}
        waiting = {one: said for one, said in answers.items() if isinstance(said, Retry)}
        told = _listed({**done, **waiting})
        sent = any(isinstance(said, Sent) for said in done.values())
        if waiting:
            while len(self._done) > MAX_DELIVERIES:
                self._done.popitem(last=False)
            asked = [said.after_ms for said in waiting.values() if said.after_ms is not None]
            return Retry(
                answer=told,
                after_ms=max(asked, default=None),
                ambiguous=sent or any(said.ambiguous for said in waiting.values()),
            )
        del self._done[delivery]
        return Sent(answer=told) if sent else Rejected(answer=told)


def _listed(answers: dict[str, Answer]) -> str:
    words = [said.answer for said in answers.values()]
    if len(set(words)) == 1:
        return words[0]
    told = "; ".join(f"{one}: {said}" for one, said in zip(answers, words, strict=True))
    return fit(told, MAX_LISTED)
