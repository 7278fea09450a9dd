"""Say what a rule found in a sentence that a person understands."""

from collections.abc import Mapping

from schemas.rules import BurnRate, MetricThreshold, NoData, Operator, Rule, ServiceStatus
from schemas.spans import as_text
from streams.channels.templates import TemplateFailed, render
from streams.rules.gaps import LAPSE
from streams.rules.metrics import MEASURES
from streams.rules.verdict import Evidence, Verdict

_MINUTE_MS = 60_000
_SIGNS: dict[Operator, str] = {
    "less_than": "<",
    "less_than_or_equal": "≤",
    "greater_than": ">",
    "greater_than_or_equal": "≥",
}
_MAX_SUMMARY = 2000


def sentence(rule: Rule, series: str, verdict: Verdict, evidence: Evidence) -> str:
    """Return what the rule found of a series, figures and sample size included."""
    if isinstance(rule, MetricThreshold):
        return _of_metric(rule, series, verdict)
    if isinstance(rule, ServiceStatus):
        return f"{series} is {evidence.get('status') or 'unknown'}"
    if isinstance(rule, NoData):
        if not verdict.observed:
            return f"{series} has data again"
        silence = as_text(int(verdict.observed) * 1000)
        return f"{series} has been silent for {silence} (≥ {as_text(rule.after)})"
    span = as_text(verdict.span * _MINUTE_MS)
    operations = _counted(verdict.samples, "operations")
    if isinstance(rule, BurnRate):
        if verdict.observed is None:
            return f"{series}: too few operations to tell its burn rate over {span}, {operations}"
        return (
            f"{series} burns the error budget of {rule.objective:g} % {_figure(verdict.observed)}"
            f" times too fast (≥ {verdict.threshold:g}) over {span}, {operations}"
        )
    if verdict.observed is None or verdict.threshold is None:
        return f"{series}: too few operations to tell a trend over {span}, {operations}"
    moved = "fell" if verdict.severity >= 0 else "moved"
    return (
        f"success rate of {series} {moved} from {_figure(verdict.threshold)} % to"
        f" {_figure(verdict.observed)} % over {span}, {operations}"
    )


def not_judged(rule: Rule, series: str, *, too_few: bool) -> str:
    """Return that there is nothing any more to judge a series by."""
    of = MEASURES[rule.metric].of if isinstance(rule, MetricThreshold) else "operations"
    span = f"{LAPSE} min"
    least = getattr(rule, "min_samples", None)
    few = f"fewer than {least} {of}" if least else f"too few {of}"
    why = few if too_few else f"no {of}"
    return f"{rule.name} on {series} is no longer judged: {why} for {span}"


def summary(template: str | None, plain: str, values: Mapping[str, object]) -> str:
    """Return the operator's template with the values in it; the plain sentence if it fails."""
    if template is None:
        return plain
    try:
        return render(template, {**values, "sentence": plain})[:_MAX_SUMMARY] or plain
    except TemplateFailed:
        return plain


def _of_metric(rule: MetricThreshold, series: str, verdict: Verdict) -> str:
    measure = MEASURES[rule.metric]
    span, samples = as_text(rule.window), _counted(verdict.samples, measure.of)
    about = f"{measure.words} of {series}"
    if verdict.observed is None:
        return f"{about}: too few {measure.of} to tell over {span}, {samples}"
    unit = measure.unit if measure.unit == "/s" else " " + measure.unit
    limit = f"{_SIGNS[rule.operator]} {verdict.threshold:g}{unit}"
    if verdict.severity < 0:
        limit = f"not {limit}"
    return f"{about} is {_figure(verdict.observed)}{unit} ({limit}) over {span}, {samples}"


def _counted(samples: int, of: str) -> str:
    return f"{samples} {of.removesuffix('s') if samples == 1 else of}"


def _figure(value: float) -> str:
    """Return a number with about three digits, never rounded onto a whole it is not."""
    if value >= 100:  # noqa: PLR2004, RUF100 - three digits
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:.3g}"
