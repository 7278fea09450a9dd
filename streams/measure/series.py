"""Write and read a series' name, and say which target partition keeps it.

A name looks as in Prometheus: `*`, `parse_job_data{platform="lever"}`, `*{confidence="low"}`,
and `service{name="crawler"}` for a service.
"""

import re
import zlib
from functools import lru_cache

from schemas.series import Series
from streams.measure.confidence_levels import LEVELS

ALL = "*"

_NAME = re.compile(r'(?s)(.*?)(?:\{(?:(platform|confidence)="((?:[^"\\]|\\.)*)")?\})?')
_ESCAPED = re.compile(r"\\(.)")


@lru_cache(maxsize=65_536)
def series_name(operation: str, label: str | None = None, value: str | None = None) -> str:
    """Return the name of an operation's series, by a label (platform, confidence) or none."""
    if label is None or value is None:
        return operation + "{}" if "{" in operation else operation  # GET /users/{id}
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{operation}{{{label}="{escaped}"}}'


def parse_series(name: str) -> Series:
    """Return the series a name stands for: the inverse of series_name."""
    operation, label, value = _parts(name)
    if label is None:
        return Series(operation=operation)
    if label == "platform":
        return Series(operation=operation, platform=value)
    return Series.model_validate({"operation": operation, "confidence": value})


def _parts(name: str) -> tuple[str, str | None, str | None]:
    """Return the operation, label and value of a series' name."""
    match = _NAME.fullmatch(name)
    assert match is not None
    operation, label, value = match.groups()
    if value is not None and "\\" in value:
        value = _ESCAPED.sub(r"\1", value)
    return operation, label, value


#: The series that are always admitted: of all operations, without a label or by confidence.
TOTALS = frozenset({ALL, *(series_name(ALL, "confidence", level) for level in LEVELS)})


def overflow_of(name: str, overflow: str) -> str:
    """Return the series that counts what another one may not, named after the overflow."""
    own, label, value = _parts(name)
    operation = ALL if own == ALL else overflow
    return series_name(operation, label, overflow if label == "platform" else value)


@lru_cache(maxsize=65_536)
def is_series(name: str) -> bool:
    """Return whether a name stands for a series of operations."""
    _, label, value = _parts(name)
    return label != "confidence" or value in LEVELS


def published_name(operation: str, platform: str | None, second: str, value: str | None) -> str:
    """Return the name of a series as its aggregate describes it.

    Args:
        operation: of the series.
        platform: of the series, if it has one.
        second: the label that a series may have in the place of the platform.
        value: of that label, if it has one.
    """
    if platform is not None:
        return series_name(operation, "platform", platform)
    return series_name(operation, second if value else None, value)


def service_series(service: str) -> str:
    """Return the name of a service's series: no operation's, whatever that is called."""
    escaped = service.replace("\\", "\\\\").replace('"', '\\"')
    return f'service{{name="{escaped}"}}'


@lru_cache(maxsize=65_536)
def partition_of(series: str, partitions: int) -> int:
    """Return the partition of `partials` and `aggregates` that carries a series."""
    return partition_of_id(series.encode(), partitions)


def partition_of_id(key: bytes, partitions: int) -> int:
    """Return the partition of a key that comes once, such as an analysis' id: not remembered."""
    return zlib.crc32(key) % partitions
