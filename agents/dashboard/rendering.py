"""Render templates: everything is escaped, and what cannot be seen is written as an escape."""

from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from agents.runtime.escaping import visible
from streams.channels import wording
from streams.channels.text_format import fit, link, moment, one_line, rfc3339, span
from streams.dashboard import figures
from streams.dashboard.tiles import target_text

#: Characters of a name, and of a text, that a page shows.
_NAME, _TEXT = 120, 2_000


def environment() -> Environment:
    """Return what renders this room's templates."""
    made = Environment(
        loader=PackageLoader("agents.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "name": shown_name,
        "text": shown_text,
        "count": figures.count,
        "percent": figures.percent,
        "duration": figures.duration,
        "score": figures.score,
        "span": span,
        "iso": rfc3339,
        "moment": moment,
        "clock": figures.clock,
        "href": link,
        "words": lambda text: text.replace("_", " "),
    }
    made.globals |= {
        "address": address,
        "target_text": target_text,
        "observed": wording.observed,
        "NOTHING": figures.NOTHING,
    }
    return made


def shown_name(name: str) -> Markup:
    """Return a name from anywhere: cut, visible, and apart from the direction of what is around."""
    return Markup("<bdi>{}</bdi>").format(fit(visible(one_line(name)), _NAME))


def shown_text(text: str, most: int = _TEXT) -> str:
    """Return a text from anywhere, cut and visible; it is escaped where it is rendered."""
    return visible(fit(text, most), keep="\n")


def address(path: str, **query: Any) -> str:
    """Return a link within this server; of the query what is None or empty is left out."""
    pairs = {name: value for name, value in query.items() if value not in (None, "")}
    encoded = urlencode(pairs, errors="replace")
    place = quote(path, safe="/", errors="replace")
    return f"{place}?{encoded}" if encoded else place
