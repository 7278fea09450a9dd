"""Choose what to do about a bad analysis, by what was found."""

from collections.abc import Iterable, Mapping

from schemas.quality_config import QualityConfig
from schemas.quality_scores import Action, Finding

#: A finding that cost less asks for nothing.
_LEAST_COST = 0.15

ACTIONS: Mapping[str, Action] = {
    "empty_result": "reanalyse",
    "missing_field": "reanalyse",
    "malformed_value": "reanalyse",
    "invented_quote": "reanalyse",
    "altered_quote": "reanalyse",
    "invented_value": "reanalyse",
    "value_not_in_evidence": "reanalyse",
    "missed_value": "reanalyse",
    "wrong_value": "another_model",
    "wrong_verdict": "another_model",
    "slow": "another_model",
    "many_tokens": "another_model",
    "many_attempts": "another_model",
    "retried": "another_model",
    "fallback_used": "reanalyse",
    "errors_on_the_way": "reanalyse",
    "degraded_dependency": "reanalyse",
    "label_contradicts_score": "another_model",
    "factors_contradict_score": "another_model",
    "confidence_contradicts_fields": "human_review",
    "evidence_contradicts_field": "reanalyse",
    "changed_label": "human_review",
    "changed_score": "human_review",
    "changed_field": "human_review",
    "lost_field": "reanalyse",
}
"""By the code of the finding; another code asks for a review by a person."""


def actions_of(
    findings: Iterable[Finding], config: QualityConfig, *, cached: bool = False
) -> list[Action]:
    """Return the recommended actions: first what mends the costliest finding.

    Args:
        findings: of all dimensions.
        config: may name another action for a code.
        cached: the answer came from a cache: to analyse again is to bypass it.
    """
    actions: list[Action] = []
    for finding in sorted(findings, key=lambda finding: -finding.cost):
        if finding.cost < _LEAST_COST:
            break
        action = config.remediation.actions.get(finding.code)
        action = action or ACTIONS.get(finding.code, "human_review")
        if cached and action == "reanalyse":
            action = "bypass_cache"
        if action not in actions:
            actions.append(action)
    return actions
