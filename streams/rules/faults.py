"""Say what is wrong, and what to do, in the words of what breaches are about."""

from collections.abc import Sequence

from streams.rules.history import History
from streams.rules.kind_protocol import Evidence
from streams.rules.stored_window import ResultExemplar, actions_of, failures_by_type_of

#: Of a single result: the analysis, and its worst finding.
RESULT, FINDING = "analysis", "worst_finding"
#: Of the last minutes' failures a breach names this many types, each by its first characters.
_TYPES_NAMED = 3
_TYPE_LENGTH = 60


def named(counts: Sequence[tuple[str, int]]) -> str:
    """Return the first few names with their counts."""
    return ", ".join(f"{_shown(name)} ({count})" for name, count in counts[:_TYPES_NAMED])


def fault_of_result(result: ResultExemplar) -> Evidence:
    """Return what is wrong with a single result."""
    evidence: Evidence = {RESULT: result.id}
    return evidence | ({FINDING: _shown(result.finding)} if result.finding else {})


def faults(history: History, span: int, minute: int) -> Evidence:
    """Return how many results are bad, what is wrong with them and what is recommended.

    Args:
        history: of a series of scores.
        span: in minutes.
        minute: the last one. Findings and actions are those of the last five minutes.
    """
    evidence: Evidence = {"bad_results": history.sums(span, minute).misses}
    if findings := named(failures_by_type_of(history.last_minutes(minute))):
        evidence["worst_findings"] = findings
    if actions := named(actions_of(history.last_minutes(minute))):
        evidence["recommended_actions"] = actions
    return evidence


def faults_in_words(evidence: Evidence) -> str:
    """Return what a sentence ends with: findings and actions, if there are any."""
    text = ""
    if findings := evidence.get("worst_findings"):
        text += f"; worst findings: {findings}"
    if actions := evidence.get("recommended_actions"):
        text += f"; recommended: {actions}"
    return text


def _shown(name: str) -> str:
    """Return a producer's error type without what a reader's screen would obey or hide."""
    shown = "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in name)
    return shown if len(shown) <= _TYPE_LENGTH else f"{shown[: _TYPE_LENGTH - 1]}…"
