"""Define what a page is: sections of HTML, each sent again to who looks at it when it changes."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple, Protocol

from agents.dashboard.freshness import Freshness
from agents.dashboard.rendering import address
from agents.dashboard.world import World
from schemas.rules import SEVERITIES
from schemas.spans import DAY_MS, SECOND_MS
from streams.channels.text_format import span
from streams.dashboard.book import Books
from streams.dashboard.spans import SPAN_MS, SPANS, SpanName, TrailingSpan, between
from streams.dashboard.sums import SpanSums
from streams.dashboard.tiles import Promises
from streams.measure.confidence_levels import LEVELS
from streams.measure.series import ALL

DEFAULT_SPAN: SpanName = "1h"
_LONGEST_MS = SPAN_MS["30d"] + 2 * DAY_MS
#: 2000 to 2100: nothing was measured before or after.
_FIRST_MS, _LAST_MS = 946_684_800_000, 4_102_444_800_000
#: Characters of a text that a query may have.
MOST_TEXT = 400
_NOTHING = SpanSums(Books(0))
Sections = dict[str, str]
Query = Mapping[str, str]


class BadQuery(Exception):
    """What was asked for cannot be; the sentence says why."""


class NotThere(Exception):
    """There is nothing at an address."""


class Parts(NamedTuple):
    """What pages are made of."""

    world: World
    freshness: Freshness
    promises: Callable[..., Promises]
    """Returns what figures are judged by: those of all operations, or of a named one."""
    render: Callable[..., str]
    """Fills a template in."""

    @property
    def sums(self) -> SpanSums:
        """The sums of all series; of none while they are read: in part they would be wrong."""
        return _NOTHING if self.freshness.is_loading else self.world.sums


class Page(Protocol):
    """A page."""

    path: ClassVar[str]
    title: ClassVar[str]
    template: ClassVar[str]
    names: ClassVar[tuple[str, ...]]
    """What of a query it looks at; the rest is left out."""

    def sections(self, query: Query) -> Sections:
        """Return the sections as they are now.

        Raises:
            BadQuery: there is none such.
            NotThere: what the query names is not there.
        """
        ...

    def context(self, query: Query) -> dict[str, Any]:
        """Return what the template needs besides the sections."""
        ...


class OpenPage(NamedTuple):
    """A page as somebody looks at it."""

    page: Page
    path: str
    query: tuple[tuple[str, str], ...]

    @property
    def live(self) -> str:
        """Its address, without what it does not look at."""
        return address(self.path, **dict(self.query))


def checked(query: Query) -> Query:
    """Return a query.

    Raises:
        BadQuery: a text in it is too long.
    """
    if any(len(value) > MOST_TEXT for value in query.values()):
        message = "The address is too long."
        raise BadQuery(message)
    return query


def severity_of(query: Query) -> str:
    """Return the least severity that a query asks for; nothing, if any will do.

    Raises:
        BadQuery: there is none such.
    """
    wanted = query.get("severity", "")
    if wanted and wanted not in SEVERITIES:
        message = f"There is no such severity: write one of {', '.join(SEVERITIES)}."
        raise BadQuery(message)
    return wanted


def span_of(query: Query) -> SpanName:
    """Return the span that a query asks for.

    Raises:
        BadQuery: there is none such.
    """
    wanted = query.get("span", DEFAULT_SPAN)
    for name in SPANS:
        if name == wanted:
            return name
    message = f"There is no such span: write one of {', '.join(SPANS)}."
    raise BadQuery(message)


def between_of(query: Query) -> TrailingSpan | None:
    """Return the span between the two times that a query asks for; None if it asks for none.

    Raises:
        BadQuery: it has one time only, or times that cannot be.
    """
    wanted = query.get("from"), query.get("to")
    if wanted == (None, None):
        return None
    try:
        start_ms, end_ms = (_time_ms(text or "") for text in wanted)
    except (ValueError, OverflowError):
        message = "from and to are two times, such as 2026-11-27T12:00Z."
        raise BadQuery(message) from None
    if not (_FIRST_MS <= start_ms < end_ms <= _LAST_MS and end_ms - start_ms <= _LONGEST_MS):
        message = f"from is before to, and both are at most {span(_LONGEST_MS)} apart."
        raise BadQuery(message)
    return between(start_ms, end_ms)


def _time_ms(text: str) -> int:
    at = datetime.fromisoformat(text)
    return round(SECOND_MS * (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def labels_of_query(query: Query) -> tuple[str, str | None, str | None]:
    """Return operation, platform and confidence level.

    Raises:
        BadQuery: it has both a platform and a level, or a level that is none.
    """
    platform, wanted = query.get("platform"), query.get("confidence")
    if wanted is None:
        return query.get("operation", ALL), platform, None
    if platform is not None:
        message = "Series are by platform or by confidence level, not by both."
        raise BadQuery(message)
    if wanted not in LEVELS:
        message = f"There is no such level: write one of {', '.join(LEVELS)}."
        raise BadQuery(message)
    return query.get("operation", ALL), None, wanted
