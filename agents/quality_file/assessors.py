"""Find the assessors: the built-in ones, and those that other packages bring."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from streams.quality.accuracy import Accuracy
from streams.quality.assessor import Assessor
from streams.quality.consistency import Consistency
from streams.quality.performance import Performance
from streams.quality.reliability import Reliability

GROUP = "opwatch.assessors"


class BadAssessor(Exception):
    """An installed assessor cannot be used; the message says which and why."""


def load_assessors(found: Iterable[EntryPoint] | None = None) -> tuple[Assessor, ...]:
    """Return an assessor for each dimension; of a built-in dimension an installed one replaces it.

    Args:
        found: entry points; by default those of the group that are installed.

    Raises:
        BadAssessor: one cannot be imported, is no assessor, or two are of one dimension.
    """
    assessors: dict[str, Assessor] = {
        it.dimension: it for it in (Accuracy(), Performance(), Reliability(), Consistency())
    }
    brought: dict[str, str] = {}
    found = entry_points(group=GROUP) if found is None else found
    for point in sorted(found, key=lambda point: point.name):
        assessor = _loaded(point)
        other = brought.get(assessor.dimension)
        if other is not None:
            message = (
                f"the assessors {other} and {point.name} are both of {assessor.dimension}:"
                " uninstall one of them"
            )
            raise BadAssessor(message)
        brought[assessor.dimension] = point.name
        assessors[assessor.dimension] = assessor
    return tuple(assessors.values())


def _loaded(point: EntryPoint) -> Assessor:
    try:
        made = point.load()
        assessor: Assessor = made() if isinstance(made, type) else made
    except Exception as error:  # whatever another's code raises
        message = f"the assessor {point.name} ({point.value}) cannot be loaded: {error!r}"
        raise BadAssessor(message) from error
    wanted = {"name": str, "version": int, "dimension": str, "heavy": bool}
    for attribute, kind in wanted.items():
        if not isinstance(getattr(assessor, attribute, None), kind):
            message = (
                f"the assessor {point.name} ({point.value}) has no `{attribute}` that is"
                f" {kind.__name__}: docs/quality.md shows one"
            )
            raise BadAssessor(message)
    if not callable(getattr(assessor, "assess", None)):
        message = f"the assessor {point.name} ({point.value}) has no `assess`"
        raise BadAssessor(message)
    return assessor
