"""Ask the alert role to try messages again that were given up."""

from collections.abc import Sequence

from agents.cli import asking
from agents.cli.redrive import Again, Refused
from agents.runtime.settings import Settings

_COMMENT = "deadletters redrive"


def again(delivery: str, through: str | None) -> Again | Refused:
    """Return whether a message may be tried again; nothing can be mended about one."""
    if through is not None:
        return Refused("is a message that could not be delivered: --through mends records only")
    return Again(delivery)


async def redeliver(settings: Settings, wanted: Sequence[Again]) -> list[Again | Refused]:
    """Return, of each, what the alert role said.

    Raises:
        Sentence: no alert worker answers.
    """
    by = asking.asker(None)
    asked = [
        asking.command("redrive", by=by, comment=_COMMENT, delivery=one.delivery) for one in wanted
    ]
    answers = await asking.ask_all(
        settings, [(one, again.delivery) for one, again in zip(asked, wanted, strict=True)]
    )
    told: list[Again | Refused] = []
    for again, answer in zip(wanted, answers, strict=True):
        assert answer.decision is not None
        sentence = answer.decision.sentence
        if answer.refused:
            told.append(Refused(f"was not tried again: {sentence.rstrip('.')}"))
        else:
            told.append(again._replace(sentence=sentence))
    return told
