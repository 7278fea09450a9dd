"""Show the scores of analyses, and what was found."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.command import FAILED, AsJson, CommandError, run, settings, since_ms
from agents.cli.printing import (
    Cell,
    echo,
    echo_json,
    print_pairs,
    print_table,
    progress_bar,
    when,
)
from agents.runtime.escaping import visible

if TYPE_CHECKING:
    from schemas.calibration import CalibrationAggregate
    from schemas.quality_scores import Finding, QualityScore

HELP = """Show how good analyses are, and what is wrong with the bad ones.

Scores are from 0 to 1: good from 0.85, acceptable from 0.7.

\b
Examples:
  opwatch quality worst --since 1h
  opwatch quality show 3f9c0a77d1e24b05
  opwatch quality calibration
  opwatch quality check quality.yaml
"""
GOOD = 0.85
ACCEPTABLE = 0.7
#: Findings of a result that `worst` prints.
_FINDINGS = 3
#: Of fewer labelled analyses nobody should conclude anything.
ENOUGH = 30
_CALIBRATED = ("24h", "7d")
_WHY = {
    "too_slow": "its assessor took too long",
    "failed": "its assessor failed",
    "nothing_to_judge": "there was nothing to judge",
    "out_of_budget": "there was no time left",
}

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)


@app.command()
def show(
    analysis: Annotated[
        str, typer.Argument(metavar="ID", help="The analysis' id, as the client returned it.")
    ],
    *,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Look only since then: 30m, 2h, 1d or ISO 8601."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the score of an analysis, the findings, and what was left out and why.

    Exit 1 if there is no score of it.

    Examples:
      opwatch quality show 3f9c0a77d1e24b05
      opwatch quality show 3f9c0a77d1e24b05 --json | jq .dimensions.accuracy
    """
    begin_ms = since_ms(since)
    from agents.quality.score_log import read_analysis

    with progress_bar("reading scores") as show:
        found = run(read_analysis(settings(), analysis, begin_ms, show))
    if found.score is None:
        raise CommandError(
            f"there is no score of an analysis {analysis}{' since then' if since else ''}: scores"
            " are kept for 7 days; `opwatch deadletters list` lists analyses that were refused."
        )
    if as_json:
        echo_json(found.score.model_dump(mode="json"))
        return
    _print_score(found.score)
    for repeat in found.repeats.values():
        echo(f"repeated as {repeat.analysis}: {_score_text(repeat.overall)}")


@app.command()
def worst(
    *,
    operation: Annotated[str | None, typer.Option(metavar="NAME", help="Only of it.")] = None,
    platform: Annotated[str | None, typer.Option(metavar="NAME", help="Only of it.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Only of it.")] = None,
    service: Annotated[str | None, typer.Option(metavar="NAME", help="Only of it.")] = None,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="Scored since then: 30m, 2h, 1d or ISO 8601.")
    ] = "1h",
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="How many.")] = 10,
    as_json: AsJson = False,
) -> None:
    """List the results with the lowest scores, the worst first, and what was found.

    Exit 1 if there is none.

    Examples:
      opwatch quality worst
      opwatch quality worst --platform lever --since 1d --limit 50
      opwatch quality worst --json | jq -r .analysis
    """
    begin_ms = since_ms(since)
    from agents.quality.score_log import read_worst

    wanted = {"operation": operation, "platform": platform, "model": model, "service": service}
    with progress_bar("reading scores") as show:
        found = run(read_worst(settings(), begin_ms, wanted, limit, show))
    scores = found.worst()
    if not scores:
        echo(f"no scores match since {since}" if any(wanted.values()) else "no scores", err=True)
        raise typer.Exit(FAILED)
    for score in scores:
        if as_json:
            echo_json(score.model_dump(mode="json"))
        else:
            _print_result(score)
    if not as_json:
        unscored = f", {found.unscored:,} of them without a score" if found.unscored else ""
        echo(f"{len(scores):,} of {found.count:,} results{unscored}", err=True)


@app.command()
def calibration(
    *,
    service: Annotated[str | None, typer.Option(metavar="NAME", help="Only of it.")] = None,
    operation: Annotated[str | None, typer.Option(metavar="NAME", help="Only of it.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Only of it.")] = None,
    window: Annotated[str, typer.Option(metavar="SIZE", help="24h or 7d.")] = "7d",
    as_json: AsJson = False,
) -> None:
    """Show how often analyses were right by their labels, and how well estimates say so.

    An estimate is the service's confidence, or opwatch's score. Its error is the mean distance from
    the share that was right, by tenths; the Brier score is the mean squared distance: 0 is best.
    With fewer than 30 labelled analyses all that is unknown. Exit 1 if there are no labels at all.

    Examples:
      opwatch quality calibration
      opwatch quality calibration --model llama-3.1-8b --window 24h
      opwatch quality calibration --json | jq .overall.bins
    """
    if window not in _CALIBRATED:
        raise typer.BadParameter(f"{window!r} is none of {', '.join(_CALIBRATED)}")
    from agents.quality.score_log import read_calibration

    wanted = {"service": service, "operation": operation, "model": model}
    with progress_bar("reading windows") as show:
        windows = run(read_calibration(settings(), window, wanted, show))
    if not windows:
        hint = ", or none matches" if any(wanted.values()) else ""
        echo(f"no calibration: no analysis has a label{hint}", err=True)
        raise typer.Exit(FAILED)
    if as_json:
        for found in windows:
            echo_json(found.model_dump(mode="json"))
        return
    print_table(
        ("service", "operation", "model", "estimate", "labels", "mean", "right", "error", "Brier"),
        (row for found in windows for row in _calibration_rows(found)),
        right=("labels", "mean", "error", "Brier"),
        fold=("service", "operation", "model"),
    )


@app.command()
def check(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="The quality file; by default that of OPWATCH_QUALITY_FILE."
        ),
    ] = None,
) -> None:
    """Check a quality file; exit 1 with every mistake at once.

    Each mistake has its line, and what to write instead.

    Examples:
      opwatch quality check quality.yaml
    """
    from agents.quality_file.load import BadQualityFile, load_quality

    path = file or settings().quality_file
    try:
        config = load_quality(path)
    except BadQualityFile as error:
        raise CommandError(str(error)) from None
    operations = f"{len(config.operations)} entries about operations"
    weights = ", ".join(f"{name} {weight:g}" for name, weight in config.weights.items())
    echo(f"{path or 'the built-in configuration'} is right: {operations}; weights: {weights}")


# ---------------------------------------------------------------- printing


def _calibration_rows(found: "CalibrationAggregate") -> Iterator[list[Cell]]:
    from streams.quality.calibration import share_interval

    series = found.series
    for name, reliability in (("confidence", found.confidence), ("score", found.overall)):
        count = reliability.count
        figures = ["–", "unknown", "unknown", "unknown"]
        if count >= ENOUGH:
            bins = [it for it in reliability.bins if it.count]
            mean = sum(it.count * (it.mean_estimate or 0) for it in bins) / count
            right = sum(it.count * (it.accuracy or 0) for it in bins)
            low, high = share_interval(right, count)
            figures = [
                f"{mean:.2f}",
                f"{right / count:.2f} ({low:.2f}–{high:.2f})",
                f"{reliability.expected_calibration_error or 0:.2f}",
                f"{reliability.brier_score or 0:.2f}",
            ]
        yield [series.service, series.operation, series.model, name, f"{count:,}", *figures]


def _print_score(score: "QualityScore") -> None:
    pairs = {
        "analysis": score.analysis,
        "overall": _score_text(score.overall),
        "service": score.service,
        "operation": score.operation,
        "platform": score.platform,
        "model": score.model,
        "occurred at": f"{when(score.occurred_at)} UTC",
        "repeats": score.remediates or "",
        "actions": ", ".join(score.actions),
        "configuration": score.configuration,
        "took": f"{score.took_ms:.1f} ms",
    }
    print_pairs({name: text for name, text in pairs.items() if text})
    echo()
    print_table(
        ("dimension", "score", "weight", "took ms", "assessor"),
        (_dimension(name, it) for name, it in score.dimensions.items()),
        right=("score", "weight", "took ms"),
    )
    for left_out in score.left_out:
        why = _WHY.get(left_out.why, left_out.why)
        detail = f": {visible(left_out.detail)}" if left_out.detail else ""
        echo(f"{visible(left_out.dimension)} was left out, {why}{detail}")
    findings = _findings(score)
    echo("\nfindings:" if findings else "\nno findings")
    for finding in findings:
        echo(f"  {_finding_text(finding)}")


def _dimension(name: str, dimension: Any) -> list[Cell]:
    return [
        name,
        (f"{dimension.score:.2f}", _style(dimension.score)),
        f"{dimension.weight:.2f}",
        f"{dimension.took_ms:.1f}",
        dimension.assessor,
    ]


def _print_result(score: "QualityScore") -> None:
    where = " ".join(visible(it) for it in (score.operation, score.platform, score.model))
    echo(f"{score.overall:.2f}  {where}  {when(score.occurred_at)}  {visible(score.analysis)}")
    for finding in _findings(score)[:_FINDINGS]:
        echo(f"      {_finding_text(finding)}")


def _findings(score: "QualityScore") -> "list[Finding]":
    """Return all findings, the costliest first."""
    findings = [it for dimension in score.dimensions.values() for it in dimension.findings]
    return sorted(findings, key=lambda finding: -finding.cost)


def _finding_text(finding: "Finding") -> str:
    about = f", {visible(finding.field)}" if finding.field else ""
    return (
        f"{visible(finding.dimension)}{about}: {visible(finding.message)}"
        f" ({visible(finding.code)}, −{finding.cost:.2f})"
    )


def _score_text(score: float | None) -> str:
    if score is None:
        return "no score: nothing could be judged"
    verdict = "good" if score >= GOOD else "acceptable" if score >= ACCEPTABLE else "bad"
    return f"{score:.2f} ({verdict})"


def _style(score: float) -> str:
    return "green" if score >= GOOD else "yellow" if score >= ACCEPTABLE else "red"
