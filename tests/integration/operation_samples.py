"""Make operations that happen now."""

import time
from typing import Any

NOW_MS = int(time.time() * 1000)


def operation(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"op-{number}",
        "operation": "parse_job_data",
        "occurred_at": NOW_MS,
        "success": True,
        "duration_ms": 12.5,
    } | fields
