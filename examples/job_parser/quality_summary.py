"""Print at the end how good the analyses were, and what became of each."""

from rich.console import Console
from rich.text import Text

from examples.job_parser.quality_counting import QualityCounts
from examples.job_parser.summary import Run

#: How many kinds of findings are printed.
_FINDINGS = 5


def agrees(run: Run, quality: QualityCounts) -> bool:
    """Return whether every analysis is accounted for, and every score in a window."""
    accounts = quality.accounts
    return run.analyses == accounts.all and accounts.in_windows == accounts.scored


def show(run: Run, quality: QualityCounts, console: Console) -> None:
    """Print the summary."""
    accounts = quality.accounts
    verdict = "[bold green]accounted for[/]"
    if not agrees(run, quality):
        verdict = f"[bold red]not accounted for[/]: {accounts.all - run.analyses:+,}"
    console.print(
        Text.from_markup(
            f"[bold]{run.analyses:,} analyses published = {accounts.scored:,} scored +"
            f" {accounts.left_out:,} left out + {accounts.dead_letters:,} dead letters[/]:"
            f" {verdict}\n{accounts.in_windows:,} of the scores are in windows",
            emoji=False,
        )
    )
    if quality.findings:
        found = quality.findings.most_common(_FINDINGS)
        names = "  ·  ".join(f"{code} {count:,}" for code, count in found)
        console.print(f"findings: {names}", markup=False)
    console.print(
        f"remediations: {accounts.requested:,} requested, {run.remedied:,} ran,"
        f" {run.not_remedied:,} failed; {accounts.healed:,} healed what they repeat"
    )
