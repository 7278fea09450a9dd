"""Assessors that misbehave in every way, for the tests of what runs them."""

import ctypes
import os
import re
import time

from schemas.analyses import Analysis
from schemas.quality_config import QualityConfig
from streams.quality.assessor import Assessed, Assessor, Context


class Misbehaving:
    """Does what the analysis' notes ask for."""

    name = "misbehaving"
    version = 1
    dimension = "misbehaving"
    heavy = True

    def assess(self, analysis: Analysis, context: Context) -> Assessed | None:  # noqa: C901
        match analysis.result.notes:
            case "hang":
                re.match(r"(a+)+$", "a" * 60 + "b")
            case "sleep":
                time.sleep(60)
            case "slow":
                time.sleep(0.1)
            case "exit":
                os._exit(3)
            case "leave":
                raise SystemExit
            case "crash":
                ctypes.string_at(0)
            case "raise":
                raise RuntimeError("broken")
            case "eat":
                bytes(1 << 34)
            case "nonsense":
                return Assessed(score=float("nan"))
            case "nothing":
                return None
        return Assessed(score=0.5 + len(context.earlier) / 100)


def load_misbehaving() -> tuple[Assessor, QualityConfig]:
    return Misbehaving(), QualityConfig()
