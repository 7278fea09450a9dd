"""Find the installed assessors once in a process; the fork server does before it forks."""

import contextlib
import functools

from agents.quality.assessor_process import LoadAssessor
from agents.quality_file.assessors import BadAssessor, load_assessors
from schemas.quality_config import QualityConfig
from streams.quality.assessor import Assessor

#: Finding them takes a tenth of a second, because all installed packages are looked at.
installed_assessors = functools.cache(load_assessors)


def loader_of(config: QualityConfig, assessor: Assessor) -> LoadAssessor:
    """Return what makes an assessor in a process of its own."""
    return functools.partial(_load, assessor.dimension, config)


def _load(dimension: str, config: QualityConfig) -> tuple[Assessor, QualityConfig]:
    assessors = installed_assessors()
    return next(found for found in assessors if found.dimension == dimension), config


with contextlib.suppress(BadAssessor):  # who needs them gets the error
    installed_assessors()
