"""Show channels: as fields, and as a table."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from agents.runtime.visible import visible
from schemas.channels import Channel


def fields(one: Channel, missing: str | None, gone: str | None) -> dict[str, Any]:
    """Return what there is to say of a channel, for a pipe."""
    return {
        "name": one.name,
        "type": one.type,
        "enabled": one.enabled,
        "severities": list(one.severities),
        "fallback": one.fallback,
        "missing": missing,
        "gone": gone,
    }


def table(
    channels: Iterable[Channel], missing: Mapping[str, str], gone: Mapping[str, str]
) -> Table:
    """Return a row a channel.

    Args:
        channels: the rule file's.
        missing: what each lacks, by name.
        gone: why nothing is sent to it, by name.
    """
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("name", "type", "enabled"):
        shown.add_column(heading, no_wrap=True)
    for heading in ("severities", "fallback", "secret"):
        shown.add_column(heading, overflow="fold")
    for one in channels:
        lacks = missing.get(one.name)
        shown.add_row(
            one.name,
            one.type,
            _enabled(one, gone),
            ", ".join(one.severities),
            one.fallback or "–",
            Text(visible(lacks), style="red") if lacks else "found",
        )
    return shown


def _enabled(one: Channel, gone: Mapping[str, str]) -> Text:
    if not one.enabled:
        return Text("no", style="yellow")
    return Text("410 Gone", style="red") if one.name in gone else Text("yes")
