"""Make the topics, or check that those that exist fit."""

from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.printing import console, echo
from agents.cli.running import NO, OK, REACH_S, run, settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from agents.kafka.topic_fit import ExistingTopic, Misfit, TopicSpec
    from agents.runtime.settings import Settings

HELP = """Make and check the topics. Their names begin with OPWATCH_TOPIC_PREFIX.

\b
Examples:
  opwatch topics create
  opwatch topics create --partitions 16
  opwatch topics check && echo fit
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)

Partitions = Annotated[
    int | None,
    typer.Option(
        min=1, max=256, help="Partitions of the measuring plane, instead of OPWATCH_PARTITIONS."
    ),
]


@app.command()
def create(partitions: Partitions = None) -> None:
    """Make the topics that are missing; alter none that exists.

    Examples:
      opwatch topics create
      OPWATCH_REPLICATION=3 opwatch topics create --partitions 16
    """
    from agents.kafka import topics
    from agents.kafka.role_topics import everything

    chosen = _chosen(partitions)
    specs = everything(chosen, frozenset(("DESCRIBE",)))
    made, notes = run(topics.ensure(chosen, specs, deadline_s=REACH_S))
    for note in notes:
        echo(f"note: {note.sentence}", err=True)
    for name in made:
        echo(f"made {name}")
    if not made:
        echo("all topics exist and fit")


@app.command()
def check(partitions: Partitions = None) -> None:
    """Compare the topics with what opwatch needs; exit 1 where one does not fit.

    Examples:
      opwatch topics check
      opwatch topics check --partitions 16
    """
    from agents.kafka.role_topics import everything

    chosen = _chosen(partitions)
    specs = everything(chosen, frozenset(("DESCRIBE",)))
    existing, misfits = run(_judged(chosen, specs))
    console().print(_table(specs, existing, misfits))
    for misfit in misfits:
        echo(("" if misfit.stops else "note: ") + misfit.sentence, err=True)
    raise typer.Exit(NO if any(misfit.stops for misfit in misfits) else OK)


async def _judged(
    chosen: "Settings", specs: "Sequence[TopicSpec]"
) -> "tuple[Mapping[str, ExistingTopic], list[Misfit]]":
    from agents.cli.kafka import held
    from agents.kafka import topics
    from agents.kafka.topic_fit import Misfit, judge, leaderless, pinned
    from agents.kafka.topic_watch import what_changed

    async with topics.admin(chosen, deadline_s=REACH_S) as client:
        existing = await topics.describe(client, specs)
        misfits = [*judge(specs, existing), *await what_changed(client, chosen, existing)]
    without = leaderless(specs, existing)
    misfits += [Misfit(sentence.split()[0], sentence, stops=True) for sentence in without]
    if not without:
        counts = {name: topic.partitions for name, topic in existing.items()}
        misfits += [
            Misfit(topic, pinned(topic, partition, offset, "now"), stops=False)
            for topic, partition, offset in await held(chosen, counts)
        ]
    return existing, misfits


def _chosen(partitions: int | None) -> "Settings":
    chosen = settings()
    if partitions is None:
        return chosen
    return chosen.model_copy(update={"partitions": partitions})


def _table(
    specs: "Sequence[TopicSpec]",
    existing: "Mapping[str, ExistingTopic]",
    misfits: "Sequence[Misfit]",
) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("topic", "partitions", "cleanup", "kept", "fits"):
        table.add_column(heading, justify="right" if heading == "partitions" else "left")
    for spec in specs:
        found = existing.get(spec.name)
        verdicts = [misfit.stops for misfit in misfits if misfit.topic == spec.name]
        verdict = Text("yes")
        if verdicts:
            stops = any(verdicts)
            verdict = Text("no" if stops else "see note", style="red" if stops else "yellow")
        if found is None or not found.partitions:
            verdict = Text("missing" if found is None else "not to be seen", style="red")
            table.add_row(spec.name, "–", "–", "–", verdict)
        else:
            config = found.config or {}
            kept = _days(config.get("retention.ms", ""))
            policy = config.get("cleanup.policy", "")
            table.add_row(spec.name, str(found.partitions), policy, kept, verdict)
    return table


def _days(milliseconds: str) -> str:
    if milliseconds in ("", "-1"):
        return "for ever"
    return f"{int(milliseconds) / 86_400_000:g} d"
