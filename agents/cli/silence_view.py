"""Show silences: as fields, and as a table."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from agents.cli.alerts_view import brief
from agents.cli.printing import console
from agents.runtime.visible import visible
from schemas.commands import Matcher
from streams.audit.status import SilenceStatus
from streams.channels.plain import rfc3339


def fields(one: SilenceStatus) -> dict[str, Any]:
    """Return what there is to say of a silence, for a pipe."""
    silence = one.silence
    return {
        "id": silence.id,
        "state": one.state,
        "matchers": written(silence.matchers),
        "start": rfc3339(silence.start_ms),
        "end": rfc3339(one.end_ms),
        "by": silence.by,
        "comment": silence.comment,
        "ended_by": one.ended_by or None,
        "sentence": one.sentence,
    }


def print_table(shown: Iterable[SilenceStatus]) -> None:
    """Print a row a silence."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("id", "state", "from (UTC)", "to (UTC)"):
        table.add_column(heading, no_wrap=True)
    for heading in ("matchers", "by", "comment"):
        table.add_column(heading, overflow="fold")
    for one in shown:
        silence = one.silence
        said = one.sentence if one.state == "refused" else silence.comment
        table.add_row(
            silence.id,
            Text(one.state, style="yellow" if one.state == "active" else ""),
            brief(silence.start_ms),
            brief(one.end_ms),
            Text(visible(written(silence.matchers))),
            Text(visible(silence.by)),
            Text(visible(said)),
        )
    console().print(table)


def written(matchers: Sequence[Matcher]) -> str:
    """Return matchers as they are typed."""
    parts = []
    for one in matchers:
        escaped = one.value.replace("\\", "\\\\").replace('"', '\\"')
        parts.append(f'{one.label}{one.operator}"{escaped}"')
    return ", ".join(parts)
