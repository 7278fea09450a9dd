"""Say what a kind says of a series at a minute."""

from typing import NamedTuple

NO_SEVERITY = -1


class Verdict(NamedTuple):
    """What a trailing span that ends with a minute says."""

    severity: int
    """The gravest severity whose condition holds, as an index into SEVERITIES; -1: none."""
    holds: bool
    """Whether what is open stays so: it is not back past the threshold to resolve at."""
    enough: bool
    """Whether there was enough to judge by."""
    observed: float | None
    samples: int
    threshold: float | None
    """Of the severity; without any, of the mildest."""
    span: int
    """How many minutes were judged."""


Evidence = dict[str, float | str | None]
