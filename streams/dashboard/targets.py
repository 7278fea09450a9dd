"""Say whether a figure meets its target: in a word, which a colour only repeats.

Targets are written `success_rate=95/85`: at 95 or better the target is met, below 85 it is missed
badly. A claim such as `96-99` is what people say; it is shown beside what was measured.
"""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

Figure = Literal["success_rate", "p95", "p99", "cache_hit_rate", "quality", "uptime"]
FIGURES: tuple[Figure, ...] = get_args(Figure)
State = Literal["good", "near", "bad", "few", "none"]
#: A state in a word, for who cannot tell the colours apart.
WORDS: Mapping[State, str] = {
    "good": "on target",
    "near": "off target",
    "bad": "far off target",
    "few": "too few to judge",
    "none": "no data",
}
#: Fewer samples than these prove nothing.
ENOUGH = 20
#: What these figures may be at most; durations may be anything.
_MOST: Mapping[Figure, float] = {
    "success_rate": 100,
    "cache_hit_rate": 100,
    "quality": 1,
    "uptime": 100,
}
_UNITS = {"": 1.0, "%": 1.0, "ms": 1.0, "s": 1000.0, "m": 60_000.0}
_TARGET = re.compile(r"(\w+)=([0-9.]+)(%|ms|s|m)?(?:/([0-9.]+)(%|ms|s|m)?)?")
_CLAIM = re.compile(r"([0-9.]{1,8})(?:\s*(?:-|–|\.\.)\s*([0-9.]{1,8}))?\s*%?")
DEFAULT = (
    "success_rate=95/85 p95=2s/5s p99=5s/15s cache_hit_rate=80/60 quality=0.85/0.7 uptime=99.9/99"
)


class Target(NamedTuple):
    """What a figure should be: per cent, milliseconds or a score."""

    figure: Figure
    aim: float
    limit: float
    """Past it the figure is far off."""

    @property
    def is_upper(self) -> bool:
        """Whether less is better."""
        return self.figure in ("p95", "p99")

    def state(self, value: float | None, samples: int) -> State:
        """Return how a value in the target's unit stands."""
        if value is None or samples == 0:
            return "none"
        if samples < ENOUGH and self.figure != "uptime":
            return "few"
        if self.is_upper:
            return "good" if value <= self.aim else "near" if value <= self.limit else "bad"
        return "good" if value >= self.aim else "near" if value >= self.limit else "bad"


class Claim(NamedTuple):
    """The success rate that people claim, in per cent."""

    low: float
    high: float

    def __str__(self) -> str:
        """Return it as it is written: 96–99 %."""
        return f"{self.low:g} %" if self.low == self.high else f"{self.low:g}–{self.high:g} %"


def parse_targets(text: str) -> dict[Figure, Target]:
    """Return the targets that a text names, by their figure.

    Raises:
        ValueError: it is not written so; the message says what to write.
    """
    found: dict[Figure, Target] = {}
    for part in text.replace(",", " ").split():
        match = _TARGET.fullmatch(part)
        figure = next((name for name in FIGURES if match is not None and name == match[1]), None)
        if match is None or figure is None:
            message = (
                f"{part!r} is not such as success_rate=95/85; figures are {', '.join(FIGURES)}"
            )
            raise ValueError(message)
        aim = _number(part, match[2], match[3])
        limit = aim if match[4] is None else _number(part, match[4], match[5] or match[3])
        target = Target(figure, aim, limit)
        if max(aim, limit) > _MOST.get(figure, 1e9):
            message = f"{part!r} is out of range: {figure} is at most {_MOST.get(figure, 1e9):g}"
            raise ValueError(message)
        if (limit < aim) if target.is_upper else (limit > aim):
            message = f"{part!r}: what is far off has to be past the target, behind the /"
            raise ValueError(message)
        found[figure] = target
    return found


def parse_claim(text: str) -> Claim | None:
    """Return what is claimed, such as 96-99; None if the text is empty.

    Raises:
        ValueError: it is not written so.
    """
    if not text.strip():
        return None
    match = _CLAIM.fullmatch(text.strip())
    if match is None:
        message = f"{text!r} is no claim such as 96-99"
        raise ValueError(message)
    low = float(match[1])
    claim = Claim(low, float(match[2] or low))
    if not 0 < claim.low <= claim.high <= 100:  # noqa: PLR2004, RUF100 - per cent
        message = f"{text!r} is no claim such as 96-99, in per cent"
        raise ValueError(message)
    return claim


def _number(part: str, digits: str, unit: str | None) -> float:
    try:
        return float(digits) * _UNITS[unit or ""]
    except ValueError:
        message = f"{part!r} has no number"
        raise ValueError(message) from None
