"""Define what a kind of rule has to answer; streams/rules/kinds has a file for each kind."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from schemas.fields import QUALITY_DIMENSIONS
from schemas.rules import BaseRule, Operator, Severity
from streams.rules.aggregate_reader import AggregateRecord
from streams.rules.firing import Verdict
from streams.rules.history import History
from streams.rules.needed_windows import Needs
from streams.rules.series_state import SeriesState
from streams.rules.stored_window import ResultExemplar

Evidence = dict[str, float | str | None]
RuleT = TypeVar("RuleT", bound=BaseRule)


class Measured(NamedTuple):
    """What a breach says that was measured."""

    metric: str | None = None
    operator: Operator | None = None
    unit: str = ""


class Kind(ABC, Generic[RuleT]):
    """A rule of one kind, ready to judge a series.

    All minutes are since the epoch; a span that ends with a minute includes it.
    """

    needs: Needs = Needs()
    """Which windows it looks back at."""
    lookback_ms: int = 0
    """How much of the past decides on a minute, `for` and `keep_firing_for` left out."""
    measured: Measured = Measured()
    samples_of: str = "operations"
    """What the samples of its verdicts are."""
    needs_operations: bool = True
    """Whether a minute without operations says nothing: neither good nor bad."""
    series_kinds: frozenset[str] = frozenset({"operations"})
    """The kinds of series it looks at: operations, service, quality."""
    dimension: str | None = None
    """Of series of scores: of which dimension."""
    has_levels: bool = False
    """Whether a verdict has a severity of its own, and not the rule's."""
    severities: tuple[Severity, ...]
    """The severities that a breach may have, mildest first."""

    def __init__(self, rule: RuleT) -> None:
        """Prepare to judge by a rule."""
        self.rule = rule
        self.severities = (rule.severity,)
        metric = getattr(rule, "metric", None)
        if metric in QUALITY_DIMENSIONS:
            self.dimension = QUALITY_DIMENSIONS[metric]
            self.series_kinds = frozenset({"quality"})
            self.samples_of = "results"

    def bad_results(self, record: AggregateRecord) -> list[tuple[ResultExemplar, Verdict]]:
        """Return the results of a minute, each of which is a breach of its own."""
        del record
        return []

    @abstractmethod
    def judge(self, history: History, minute: int) -> Verdict | None:
        """Return the verdict on what ends with a minute; None if there is none yet."""

    @abstractmethod
    def evidence(self, history: History, minute: int) -> Evidence:
        """Return more figures that the verdict on a minute rests on."""

    @abstractmethod
    def sentence(self, series: str, verdict: Verdict, evidence: Evidence) -> str:
        """Return what was found of a series, figures and sample size included."""

    @abstractmethod
    def condition(self) -> str:
        """Return when a breach opens, in a line."""

    def silent_changes(self, state: SeriesState, first: int) -> Iterator[int]:
        """Yield the minutes of a gap in which the verdict may change for want of operations.

        Only of a kind that judges silence. In no order.

        Args:
            state: the series'.
            first: the gap's first minute.
        """
        del state, first
        yield from ()
