"""Worsen an analysis, as a broken release of the service would: by the post, always the same."""

from typing import NamedTuple

from examples.job_parser.analysing import Verdict

#: What the broken release quotes, and no page has.
_INVENTED = (
    "We have been looking for the right person since the spring of last year.",
    "This position is published to build a pool of candidates.",
)
_FAULTS = 4


class Answer(NamedTuple):
    """A verdict as it was published, under the id of its analysis."""

    analysis: str
    verdict: Verdict


def worsen(verdict: Verdict, number: int, stale: Answer | None) -> tuple[Verdict, str | None]:
    """Return the worse verdict, and the id of the analysis whose stored answer it is, if any.

    Args:
        verdict: what a working release finds.
        number: the post's; it decides what goes wrong.
        stale: the stored answer to another post.
    """
    fields = dict(verdict.fields)
    fault = number % _FAULTS
    if fault == 3 and stale is not None:
        return stale.verdict, stale.analysis
    if fault == 0:
        # From another place of the page: where the company stood, the city stands now.
        fields["company"] = fields["location"] or fields["title"]
    elif fault == 1:
        fields["location"] = None
    else:
        fields["title"] = None
    invented = [{"quote": quote} for quote in _INVENTED]
    return verdict._replace(fields=fields, evidence=[*verdict.evidence, *invented]), None
