"""What handlers share: who asks, and how to answer in JSON."""

from typing import Any

import orjson
from aiohttp import web

from agents.dashboard.gate import Access

API = "/api/v1"
ACCESS: web.RequestKey[Access] = web.RequestKey("access", Access)


def json_response(value: Any, status: int = 200) -> web.Response:
    """Return a value as JSON."""
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
