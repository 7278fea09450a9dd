"""Register a function of the host that remedies bad analyses."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

from opwatch_client import current, remediation_calls, wire

Action = Literal["reanalyse", "bypass_cache", "another_model", "human_review"]
ACTIONS: tuple[str, ...] = get_args(Action)
WITHIN_S = 60.0
_LONGEST_S = 86_400.0

Function = TypeVar("Function", bound=Callable[..., Any])


def remediation(action: Action, *, within: float = WITHIN_S) -> Callable[[Function], Function]:
    """Make the function below handle this service's requests for an action.

    It is called with a `RemediationRequest`, analyses again, and publishes the repeated analysis
    with `remediates=request.analysis`. A coroutine function runs in the event loop that runs when
    it is registered, else in a loop of its own; a function in a thread of its own. What it raises
    is logged and counted.

    Args:
        action: reanalyse, bypass_cache, another_model or human_review.
        within: how many seconds it may take.

    Raises:
        ValueError: there is no such action.
    """
    if action not in ACTIONS:
        raise ValueError(f"@remediation: {action!r} is none of {', '.join(ACTIONS)}")
    within_s = wire.number(within, _LONGEST_S)

    def registered(function: Function) -> Function:
        if not inspect.isroutine(function) and not isinstance(function, functools.partial):
            raise TypeError("@remediation registers functions and coroutine functions")
        remediation_calls.register(action, function, WITHIN_S if within_s is None else within_s)
        current.remedy()
        return function

    return registered
