"""Pack what is remembered of a window, and add windows up."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from streams.dashboard.records import CountsByName, ShownOperations, ShownQuality, ShownService
from streams.measure.digest_wire import packed_digest
from streams.measure.digests import quantiles, quantiles_of_all, thinned

#: Centroids that are remembered of a window: percentiles of a span are within 1 % in rank.
CENTROIDS = 160
_RANKS = (0.5, 0.95, 0.99)
#: Digests of fewer of a span's operations say nothing of the span: old windows have none.
_LEAST_SHARE = 0.75


class OperationsPoint(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A window of operations."""

    revision: int
    final: bool
    count: int
    failures: int
    lookups: int
    hits: int
    duration_sum_ms: float
    max_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    types: dict[str, int] = {}
    """Failures by their type, the most frequent."""
    others: int = 0
    """Failures of other types, or of none."""
    exemplars: bytes = b"[]"
    """JSON, see schemas.aggregates.Exemplar."""
    digest: bytes = b""
    """Packed; empty once it is too old to be merged."""

    @property
    def success_rate(self) -> float | None:
        """From 0 to 1; None without operations."""
        return (self.count - self.failures) / self.count if self.count else None

    def without_digest(self) -> "OperationsPoint":
        """Return it without what only young windows have."""
        return msgspec.structs.replace(self, digest=b"")


class CountedPoint(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """What a window of operations begins with: all that an order of series needs."""

    revision: int
    final: bool
    count: int
    failures: int


class QualityPoint(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A window of scores."""

    revision: int
    final: bool
    count: int
    mean: float
    p5: float
    good: int
    acceptable: int
    findings: dict[str, int] = {}
    exemplars: bytes = b"[]"
    configurations: tuple[str, ...] = ()
    """Hashes of the configurations that the scores were made by."""

    def without_digest(self) -> "QualityPoint":
        """Return it: it has none."""
        return self


class ServicePoint(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A window of a service."""

    revision: int
    final: bool
    up_ms: int
    degraded_ms: int
    down_ms: int
    unknown_ms: int

    @property
    def count(self) -> int:
        """How many milliseconds are judged."""
        return self.up_ms + self.degraded_ms + self.down_ms

    def without_digest(self) -> "ServicePoint":
        """Return it: it has none."""
        return self


Point = OperationsPoint | QualityPoint | ServicePoint


def operations_point(record: ShownOperations) -> OperationsPoint:
    """Return what is remembered of a window of operations."""
    durations = record.duration_ms
    types, others = _by_name(record.failures_by_type)
    packed = packed_digest(bytes(record.digest))
    return OperationsPoint(
        record.revision,
        record.final,
        record.count,
        record.failures,
        record.cache.lookups,
        record.cache.hits,
        durations.sum,
        durations.max,
        durations.p50,
        durations.p95,
        durations.p99,
        types,
        others,
        bytes(record.exemplars),
        thinned(packed, CENTROIDS) if packed else b"",
    )


def quality_point(record: ShownQuality) -> QualityPoint:
    """Return what is remembered of a window of scores."""
    return QualityPoint(
        record.revision,
        record.final,
        record.count,
        record.mean,
        record.p5,
        record.good,
        record.acceptable,
        _by_name(record.findings)[0],
        bytes(record.exemplars),
        tuple(record.configurations),
    )


def service_point(record: ShownService) -> ServicePoint:
    """Return what is remembered of a window of a service."""
    return ServicePoint(
        record.revision,
        record.final,
        record.up_ms,
        record.degraded_ms,
        record.down_ms,
        record.unknown_ms,
    )


def _by_name(counts: CountsByName | None) -> tuple[dict[str, int], int]:
    if counts is None:
        return {}, 0
    return {it.name: it.count for it in counts.most_frequent}, counts.other + counts.unnamed


class Percentiles(NamedTuple):
    """Durations in milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


class OperationsSum(NamedTuple):
    """Windows of operations, added up."""

    count: int = 0  # type: ignore[assignment]  # tuple.count
    failures: int = 0
    lookups: int = 0
    hits: int = 0
    duration_sum_ms: float = 0.0
    max_ms: float = 0.0
    percentiles: Percentiles | None = None
    """None without operations, or where too many windows have no digest any more."""
    types: tuple[tuple[str, int], ...] = ()
    """Failures by type, the most frequent first."""
    final: bool = True

    @property
    def success_rate(self) -> float | None:
        """From 0 to 1; None without operations."""
        return (self.count - self.failures) / self.count if self.count else None

    @property
    def hit_rate(self) -> float | None:
        """Of the cache, from 0 to 1; None without lookups."""
        return self.hits / self.lookups if self.lookups else None

    @property
    def mean_ms(self) -> float | None:
        """The mean duration; None without operations."""
        return self.duration_sum_ms / self.count if self.count else None


class QualitySum(NamedTuple):
    """Windows of scores, added up."""

    count: int = 0  # type: ignore[assignment]  # tuple.count
    mean: float | None = None
    p5: float | None = None
    """The lowest of the windows'; of a single window its own."""
    good: int = 0
    acceptable: int = 0
    findings: tuple[tuple[str, int], ...] = ()
    final: bool = True


class ServiceSum(NamedTuple):
    """Windows of a service, added up; in milliseconds."""

    up_ms: int = 0
    degraded_ms: int = 0
    down_ms: int = 0
    unknown_ms: int = 0

    @property
    def judged_ms(self) -> int:
        """For how long heartbeats speak."""
        return self.up_ms + self.degraded_ms + self.down_ms

    @property
    def uptime(self) -> float | None:
        """From 0 to 1; None while all is unknown."""
        judged_ms = self.judged_ms
        return (self.up_ms + self.degraded_ms) / judged_ms if judged_ms else None


def sum_operations(points: Sequence[OperationsPoint]) -> OperationsSum:
    """Return the sum of disjoint windows; of a single window its own percentiles."""
    points = [point for point in points if point.count]
    if not points:
        return OperationsSum()
    types: Counter[str] = Counter()
    for point in points:
        types.update(point.types)
    if others := sum(point.others for point in points):
        types["other"] += others
    return OperationsSum(
        count=sum(point.count for point in points),
        failures=sum(point.failures for point in points),
        lookups=sum(point.lookups for point in points),
        hits=sum(point.hits for point in points),
        duration_sum_ms=sum(point.duration_sum_ms for point in points),
        max_ms=max(point.max_ms for point in points),
        percentiles=_percentiles(points),
        types=tuple(types.most_common()),
        final=all(point.final for point in points),
    )


def _percentiles(points: Sequence[OperationsPoint]) -> Percentiles | None:
    if len(points) == 1:
        (point,) = points
        return Percentiles(point.p50_ms, point.p95_ms, point.p99_ms)
    covered = sum(point.count for point in points if point.digest)
    if covered < _LEAST_SHARE * sum(point.count for point in points):
        return None
    digests = [point.digest for point in points if point.digest]
    if len(digests) == 1:
        return Percentiles(*quantiles(digests[0], _RANKS))
    return Percentiles(*quantiles_of_all(digests, _RANKS))


def sum_quality(points: Sequence[QualityPoint]) -> QualitySum:
    """Return the sum of disjoint windows."""
    points = [point for point in points if point.count]
    if not points:
        return QualitySum()
    count = sum(point.count for point in points)
    findings: Counter[str] = Counter()
    for point in points:
        findings.update(point.findings)
    return QualitySum(
        count=count,
        mean=sum(point.mean * point.count for point in points) / count,
        p5=min(point.p5 for point in points),
        good=sum(point.good for point in points),
        acceptable=sum(point.acceptable for point in points),
        findings=tuple(findings.most_common()),
        final=all(point.final for point in points),
    )


def sum_services(points: Sequence[ServicePoint]) -> ServiceSum:
    """Return the sum of disjoint windows."""
    return ServiceSum(
        sum(point.up_ms for point in points),
        sum(point.degraded_ms for point in points),
        sum(point.down_ms for point in points),
        sum(point.unknown_ms for point in points),
    )
