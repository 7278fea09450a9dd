"""Make commands for the alert role: of people in a terminal, and of people on the dashboard."""

import time
import uuid
from typing import Any

from pydantic import ValidationError

from schemas.commands import Command, CommandRecord


def command_now(kind: str, **fields: Any) -> Command:
    """Return a command with an id of its own, as of now.

    Raises:
        ValueError: a text is longer than a command may carry; the sentence says which.
    """
    fields |= {"id": uuid.uuid4().hex[:12], "at_ms": int(time.time() * 1000), "kind": kind}
    try:
        return CommandRecord.model_validate(fields).root
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        message = f"{first['loc'][-1]}: {first['msg']}."
        raise ValueError(message) from None
