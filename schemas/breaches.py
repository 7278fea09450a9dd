"""Describe a breach on `breaches`: a rule opened, updated or resolved, with the evidence."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.aggregates import Exemplar, QualityExemplar
from schemas.base import Int64, Wire
from schemas.rule_kinds import RuleKind
from schemas.rules import Operator, Severity
from schemas.schedules import Muted, muted

BreachState = Literal["opened", "updated", "resolved"]
Why = Literal[
    "violated",  # opened
    "severity_changed",  # updated
    "confirmed",  # updated: final windows say so too
    "still_true",  # updated: what was stale is true now, or five more minutes have passed
    "rule_changed",  # updated: by another version of the rule; resolved: by that it is no breach
    "no_operations",  # updated: no longer judged, there were no operations for five minutes
    "too_few_samples",  # updated: no longer judged, there were too few of them for five minutes
    "judged_again",  # updated: there are operations again, and it is still true
    "condition_gone",  # resolved
    "undone",  # resolved: a later revision says it never was
    "rule_removed",  # resolved: the rule is no longer in the file
    "series_gone",  # resolved: nothing came from the series for a week
]

OUR_OWN: tuple[Why, ...] = ("rule_removed", "rule_changed")
"""Ends that the rule file made, not the operations."""
NO_RECOVERY: tuple[Why, ...] = (*OUR_OWN, "series_gone", "too_few_samples")
"""Ends of which nobody knows whether it is well again. Former versions ended by too few samples."""

Schedules = Annotated[dict[str, Annotated[str, Field(max_length=500)]], Field(max_length=20)]


class Step(Wire):
    """Whom to notify when nobody has acknowledged for this long."""

    after_ms: Int64
    channels: list[str]


class Routing(Wire):
    """Whom to notify, by the rule file that judged it."""

    channels: list[str]
    cooldown_ms: Int64
    escalation: list[Step] = Field(default_factory=list)
    mute_time_intervals: Schedules = Field(
        default_factory=dict, description="Nobody is notified in these: schedules by name."
    )
    active_time_intervals: Schedules = Field(
        default_factory=dict, description="Nobody is notified outside these, if there are any."
    )

    def channels_at(self, level: int) -> list[str]:
        """Return the channels of an escalation step, 0 for the opening; none past the last."""
        steps = [self.channels, *(step.channels for step in self.escalation)]
        return steps[level] if level < len(steps) else []

    def muted(self, at_ms: int) -> Muted | None:
        """Return what mutes notifications at a time; None if nothing does."""
        return muted(self.mute_time_intervals, self.active_time_intervals, at_ms)


class Span(Wire):
    """The trailing span that was judged: start_ms <= t < end_ms, epoch milliseconds UTC."""

    start_ms: Int64
    end_ms: Int64


class Breach(Wire):
    """A rule's verdict on a series changed. Of one id the larger revision stands."""

    version: Literal[1] = 1
    id: str = Field(description="A hash of rule, series and the first violating minute.")
    revision: Annotated[Int64, Field(ge=1)] = Field(
        description="1 is the opening; the same id and revision is always the same content."
    )
    state: BreachState
    why: Why
    fingerprint: str = Field(description="A hash of rule and series: the record's key.")
    rule: str
    kind: RuleKind
    series: str = Field(description='Such as parse_job_data{platform="lever"}, or a service.')
    labels: dict[str, str] = Field(description="The series' labels and the rule's own.")
    severity: Severity
    metric: str | None = Field(None, description="What was measured; null for a status.")
    operator: Operator | None = None
    threshold: float | None = Field(None, description="In the unit.")
    observed: float | None = Field(None, description="In the unit; null without any sample.")
    unit: str = Field("", description="%, ms, s, /s, x or nothing.")
    samples: Int64 = Field(description="How many operations `observed` rests on.")
    evidence: dict[str, float | str | None] = Field(
        default_factory=dict, description="More figures: p95_ms, burn rates, z …"
    )
    span: Span
    since_ms: Int64 = Field(description="The first violating minute's start.")
    opened_ms: Int64 = Field(description="Event time at which it opened.")
    resolved_ms: Int64 | None = Field(None, description="Event time at which it resolved.")
    confirmed: bool = Field(description="Whether final windows say so; else it may be undone.")
    judged: bool = Field(
        True, description="False: still open, but no longer judged for want of operations."
    )
    stale: bool = Field(False, description="The span ended more than 15 minutes before the record.")
    summary: str = Field(description="A sentence a person understands.")
    exemplars: list[Exemplar | QualityExemplar] = Field(default_factory=list)
    runbook: str | None = None
    dashboard: str | None = None
    routing: Routing
    rules_hash: str = Field(description="Of the rule file that judged it.")
