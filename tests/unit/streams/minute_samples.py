"""Make the sums of a minute, and tell them to it."""

import numpy as np

from schemas.fields import Sums
from schemas.partials import Stats
from streams.measure.digests import ENGINES, pack
from streams.measure.window_state import OWN

ENGINE = ENGINES["fastdigest"]


def stats(count=1, **fields):
    sums = Sums(count, count, 10, 1, 2, 3, 4, 5, 6, 7)
    known = Stats(sums, 4.0, 1.0, 3.0, pack(np.full(count, 2.0)), ())
    return known._replace(**fields)


def told(minute, source, block, offset, count, member=OWN):
    return minute.apply(source, block, member, (offset, stats(count)), ENGINE)
