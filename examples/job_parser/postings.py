"""Write the job posts of a platform: the same for the same platform and number, always.

What is written is seeded, what becomes of it is not: how long a page takes and whether it can be
parsed is measured from the code that fetches and parses it.
"""

import dataclasses
import random
from dataclasses import dataclass
from functools import lru_cache

_TITLES = ("Baker", "Nurse", "Data Engineer", "Crane Operator", "Tax Advisor", "Luthier")
_GRADES = ("Junior", "Senior", "Lead", "Night-shift", "Part-time")
_COMPANIES = ("Nordlicht & Söhne", "Acme Freight", "Halden Labs", "Quarry Street Clinic", "Ostara")
_CITIES = ("Oslo", "Leipzig", "Lyon", "Porto", "Gdańsk", "Remote", "São Paulo", "Pune")
_PROSE = (
    "you will own the rollout of our next line and keep what runs running together with a small"
    " team that writes things down we look for somebody curious who has shipped repaired baked or"
    " built something before and can tell what went wrong benefits include time tools training a"
    " fair salary and quiet afternoons apply with two pages at most"
)
_PARAGRAPHS = 64
#: Few posts are long, and those are very long: where p99 comes from.
_LENGTH_SHAPE = 1.1
_LONGEST = 160
_LONG = 4


@dataclass(frozen=True, kw_only=True)
class Posting:
    """One job post as its author left it, flaws included."""

    number: int
    title: str
    company: str
    city: str
    paragraphs: tuple[str, ...]
    posted_on: str
    contract: str
    salary: int | None
    gone: bool
    """Taken down: the site answers 404."""
    raw_newline: bool
    """Its author's editor left a control character, which is no JSON."""
    ghost: bool
    """Nobody is to be hired, as applicants find out later."""


@lru_cache(maxsize=4096)
def posting(platform: str, number: int) -> Posting:
    """Return a platform's post with this number."""
    chance = random.Random(f"{platform}/{number}")
    length = min(_LONGEST, int(2 * chance.paretovariate(_LENGTH_SHAPE)))
    written = _paragraphs()
    post = Posting(
        number=number,
        title=""
        if chance.random() < 0.008
        else f"{chance.choice(_GRADES)} {chance.choice(_TITLES)} #{number}",
        company=chance.choice(_COMPANIES),
        city="" if chance.random() < 0.1 else chance.choice(_CITIES),
        paragraphs=tuple(chance.choice(written) for _ in range(length)),
        posted_on=f"2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}",
        contract=chance.choice(("FULL_TIME", "PART_TIME", "CONTRACTOR")),
        salary=chance.randrange(30, 160) * 1000 if chance.random() < 0.4 else None,
        gone=chance.random() < 0.006,
        raw_newline=chance.random() < 0.006,
        ghost=False,
    )
    return dataclasses.replace(post, ghost=chance.random() < _ghostliness(post))


def _ghostliness(post: Posting) -> float:
    """Return how likely it is that nobody is to be hired: who means it names a salary."""
    is_long = len(post.paragraphs) > _LONG
    return 0.5 + (-0.3 if post.salary else 0.15) + (-0.1 if is_long else 0.1)


@lru_cache(maxsize=1)
def _paragraphs() -> tuple[str, ...]:
    chance = random.Random("paragraphs")
    words = _PROSE.split()
    return tuple(
        " ".join(chance.choice(words) for _ in range(chance.randint(20, 120))).capitalize() + "."
        for _ in range(_PARAGRAPHS)
    )
