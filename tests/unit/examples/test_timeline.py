"""What the demo says happened is what a person would say."""

from collections.abc import Sequence

from examples.job_parser.telling import Telling
from tests.unit.messages.samples import OPENED_MS, breach


def _said(*steps: tuple[str, str, str]) -> Sequence[str]:
    """Return the words that lines begin with, of revisions with (state, why, severity)."""
    telling = Telling()
    for number, (state, why, severity) in enumerate(steps, start=1):
        one = breach(revision=number, state=state, why=why, severity=severity)
        telling.breach(one, OPENED_MS + number)
    return [" ".join(line.split()[1:3]) for line in telling.lines()]


def test_a_severity_that_rises_is_worse_and_one_that_falls_is_milder():
    assert _said(
        ("opened", "violated", "high"),
        ("updated", "severity_changed", "critical"),
        ("updated", "severity_changed", "high"),
        ("resolved", "condition_gone", "high"),
    ) == ["opened high", "worse critical", "milder high", "resolved high"]


def test_final_figures_that_change_the_severity_are_told_and_others_are_not():
    assert _said(
        ("opened", "violated", "critical"),
        ("updated", "confirmed", "high"),
        ("updated", "still_true", "high"),
    ) == ["opened critical", "milder high"]


def test_what_was_known_already_changes_nothing():
    telling = Telling()
    telling.breach(breach(revision=2, severity="critical"), OPENED_MS)
    telling.breach(breach(revision=1, severity="high"), OPENED_MS + 1)
    assert len(telling.lines()) == 1
