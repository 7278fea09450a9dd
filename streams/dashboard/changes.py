"""Say how a figure moved against the span before, and whether that is better."""

import math
from typing import Literal, NamedTuple

from streams.dashboard import figures
from streams.dashboard.points import OperationsSum
from streams.dashboard.targets import Claim

#: Smaller changes are none to people: a ratio's in itself, of others the share.
_SAME_RATIO = 0.001
_SAME_SHARE = 0.03
#: z of a confidence of 95 %.
_Z = 1.96

Direction = Literal["better", "worse", "same", "unknown"]


class Movement(NamedTuple):
    """How a figure moved."""

    direction: Direction
    rises: bool
    text: str


UNKNOWN = Movement("unknown", rises=False, text="")


def ratio_change(now: float | None, before: float | None) -> Movement:
    """Return how a ratio of which more is better moved, in percentage points."""
    if now is None or before is None:
        return UNKNOWN
    moved = now - before
    if abs(moved) < _SAME_RATIO:
        return Movement("same", rises=False, text="steady")
    return Movement("better" if moved > 0 else "worse", moved > 0, figures.points(moved))


def duration_change(now: float | None, before: float | None) -> Movement:
    """Return how a duration moved, in per cent of what it was; less is better."""
    if now is None or not before:
        return UNKNOWN
    moved = now / before - 1
    if abs(moved) < _SAME_SHARE:
        return Movement("same", rises=False, text="steady")
    return Movement("worse" if moved > 0 else "better", moved > 0, figures.change(now, before))


def score_change(now: float | None, before: float | None) -> Movement:
    """Return how a score moved; more is better."""
    if now is None or before is None:
        return UNKNOWN
    moved = now - before
    if abs(moved) < _SAME_RATIO:
        return Movement("same", rises=False, text="steady")
    return Movement("better" if moved > 0 else "worse", moved > 0, figures.signed(moved))


ClaimVerdict = Literal["holds", "broken", "open", "unknown"]


class ClaimCheck(NamedTuple):
    """What is claimed, beside what was measured."""

    claim: Claim
    total: OperationsSum
    low: float | None
    """The success rate is at least so much, in per cent, with a confidence of 95 %."""
    high: float | None
    verdict: ClaimVerdict

    @property
    def sentence(self) -> str:
        """Whether the claim holds, for people."""
        return _SENTENCES[self.verdict]


_SENTENCES: dict[ClaimVerdict, str] = {
    "holds": "The claim holds.",
    "broken": "The claim does not hold.",
    "open": "Too close to call with so few operations.",
    "unknown": "Nothing was measured yet.",
}


def check_claim(claim: Claim, total: OperationsSum) -> ClaimCheck:
    """Return whether what was measured is what is claimed, or better."""
    if not total.count:
        return ClaimCheck(claim, total, None, None, "unknown")
    low, high = (100 * share for share in wilson(total.count - total.failures, total.count))
    verdict: ClaimVerdict = "open"
    if low >= claim.low:
        verdict = "holds"
    elif high < claim.low:
        verdict = "broken"
    return ClaimCheck(claim, total, low, high, verdict)


def wilson(good: int, count: int) -> tuple[float, float]:
    """Return between which shares the true one lies with a confidence of 95 % (Wilson)."""
    share = good / count
    spread = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    middle = share + _Z**2 / (2 * count)
    weight = 1 + _Z**2 / count
    return max(0.0, (middle - spread) / weight), min(1.0, (middle + spread) / weight)
