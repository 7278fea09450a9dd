"""Create the topics, or check that the existing ones fit."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.command import FAILED, OK, run, settings
from agents.cli.printing import Cell, echo, print_table

if TYPE_CHECKING:
    from agents.kafka.topic_fit import ExistingTopic, Misfit, TopicSpec
    from agents.runtime.settings import Settings

HELP = """Create and check the topics. Their names begin with OPWATCH_TOPIC_PREFIX.

\b
Examples:
  opwatch topics create
  opwatch topics create --partitions 16
  opwatch topics check && echo fit
  opwatch topics reshard 24
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)

Partitions = Annotated[
    int | None,
    typer.Option(min=1, max=256, metavar="N", help="Instead of OPWATCH_PARTITIONS."),
]


@app.command()
def create(partitions: Partitions = None) -> None:
    """Create the topics that are missing; existing topics are not changed.

    Examples:
      opwatch topics create
      OPWATCH_REPLICATION=3 opwatch topics create --partitions 16
    """
    from agents.kafka import topic_creation
    from agents.kafka.reader import REACH_S
    from agents.kafka.role_topics import everything

    chosen = _chosen(partitions)
    specs = everything(chosen, frozenset(("DESCRIBE",)))
    made, notes = run(topic_creation.ensure(chosen, specs, deadline_s=REACH_S))
    for note in notes:
        echo(f"note: {note.sentence}", err=True)
    for name in made:
        echo(f"created {name}")
    if not made:
        echo("all topics exist and fit")


@app.command()
def check(partitions: Partitions = None) -> None:
    """Compare the topics with what opwatch needs; exit 1 if one does not fit.

    Examples:
      opwatch topics check
      opwatch topics check --partitions 16
    """
    from agents.kafka.role_topics import everything

    chosen = _chosen(partitions)
    specs = everything(chosen, frozenset(("DESCRIBE",)))
    existing, misfits = run(_judged(chosen, specs))
    print_table(
        ("topic", "partitions", "cleanup", "retention", "fits"),
        _rows(specs, existing, misfits),
        right=("partitions",),
    )
    for misfit in misfits:
        echo(("" if misfit.stops else "note: ") + misfit.sentence, err=True)
    raise typer.Exit(FAILED if any(misfit.stops for misfit in misfits) else OK)


@app.command()
def reshard(
    partitions: Annotated[int, typer.Argument(min=1, max=256, metavar="N")],
) -> None:
    """Move to N partitions of the measuring plane, exactly; N can only grow.

    End the workers of measure, quality and store first; services may go on sending. It may be
    ended at any time, and run again: it begins anew, or goes on.

    Examples:
      opwatch topics reshard 24
    """
    from agents.reshard.run import reshard as move

    run(move(settings(), partitions, echo))
    echo(
        f"done: the measuring plane has {partitions} partitions. Set OPWATCH_PARTITIONS to"
        f" {partitions} for every worker, then start them."
    )


async def _judged(
    chosen: "Settings", specs: "Sequence[TopicSpec]"
) -> "tuple[Mapping[str, ExistingTopic], list[Misfit]]":
    from agents.kafka import topic_creation
    from agents.kafka.reader import REACH_S, open_transactions
    from agents.kafka.topic_fit import Misfit, judge, leaderless, pinned
    from agents.kafka.topic_watch import what_changed

    async with topic_creation.admin(chosen, deadline_s=REACH_S) as client:
        existing = await topic_creation.describe(client, specs)
        misfits = [*judge(specs, existing), *await what_changed(client, chosen, existing)]
    without = leaderless(specs, existing)
    misfits += [Misfit(sentence.split()[0], sentence, stops=True) for sentence in without]
    if not without:
        counts = {name: topic.partitions for name, topic in existing.items()}
        misfits += [
            Misfit(topic, pinned(topic, partition, offset, "now"), stops=False)
            for topic, partition, offset in await open_transactions(chosen, counts)
        ]
    return existing, misfits


def _chosen(partitions: int | None) -> "Settings":
    chosen = settings()
    if partitions is None:
        return chosen
    return chosen.model_copy(update={"partitions": partitions})


def _rows(
    specs: "Sequence[TopicSpec]",
    existing: "Mapping[str, ExistingTopic]",
    misfits: "Sequence[Misfit]",
) -> Iterator[list[Cell]]:
    for spec in specs:
        found = existing.get(spec.name)
        stops = [misfit.stops for misfit in misfits if misfit.topic == spec.name]
        verdict: Cell = "yes"
        if stops:
            verdict = ("no", "red") if any(stops) else ("see note", "yellow")
        if found is None or not found.partitions:
            verdict = "missing" if found is None else "no right to see it", "red"
            yield [spec.name, "–", "–", "–", verdict]
            continue
        config = found.config or {}
        retention = _days(config.get("retention.ms", ""))
        policy = config.get("cleanup.policy", "")
        yield [spec.name, str(found.partitions), policy, retention, verdict]


def _days(milliseconds: str) -> str:
    if milliseconds in ("", "-1"):
        return "for ever"
    return f"{int(milliseconds) / 86_400_000:g} d"
