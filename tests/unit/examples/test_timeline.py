"""The demo lists the changes that a person would notice."""

from collections.abc import Sequence

from examples.job_parser.timeline import Timeline
from tests.unit.messages.samples import OPENED_MS, breach


def _changes(*steps: tuple[str, str, str]) -> Sequence[str]:
    """Return change and severity of each line, for revisions with (state, why, severity)."""
    timeline = Timeline()
    for number, (state, why, severity) in enumerate(steps, start=1):
        revision = breach(revision=number, state=state, why=why, severity=severity)
        timeline.breach(revision, OPENED_MS + number)
    return [" ".join(line.split()[1:3]) for line in timeline.lines()]


def test_a_severity_that_rises_is_worse_and_one_that_falls_is_milder():
    assert _changes(
        ("opened", "violated", "high"),
        ("updated", "severity_changed", "critical"),
        ("updated", "severity_changed", "high"),
        ("resolved", "condition_gone", "high"),
    ) == ["opened high", "worse critical", "milder high", "resolved high"]


def test_final_figures_that_change_the_severity_are_listed_and_others_are_not():
    assert _changes(
        ("opened", "violated", "critical"),
        ("updated", "confirmed", "high"),
        ("updated", "still_true", "high"),
    ) == ["opened critical", "milder high"]


def test_an_older_revision_changes_nothing():
    timeline = Timeline()
    timeline.breach(breach(revision=2, severity="critical"), OPENED_MS)
    timeline.breach(breach(revision=1, severity="high"), OPENED_MS + 1)
    assert len(timeline.lines()) == 1
