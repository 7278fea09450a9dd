"""Read what a form or a program sends: a few short texts, or a refusal that says what is wrong."""

import asyncio
from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from streams.channels.request import FORM

JSON = "application/json"
#: Whoever sends so slowly is let go.
_BODY_S = 10.0
_MOST_FIELDS = 20


async def fields_of(request: web.Request) -> dict[str, str]:
    """Return the texts that were sent.

    Raises:
        web.HTTPClientError: it is neither a form nor a JSON object, too large, or too slow.
    """
    if request.content_type not in (FORM, JSON):
        raise web.HTTPUnsupportedMediaType(text=f"Send {FORM} or {JSON}.")
    try:
        async with asyncio.timeout(_BODY_S):
            body = await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="What was sent did not arrive in time.") from None
    except web.RequestPayloadError:
        raise web.HTTPBadRequest(text="What was sent cannot be decoded.") from None
    found = _of_json(body) if request.content_type == JSON else _of_form(body)
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _of_json(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise web.HTTPBadRequest(text="What was sent is no JSON object.")
    return found


def _of_form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
        )
    except ValueError:
        raise web.HTTPBadRequest(text="What was sent cannot be read as a form.") from None
    return dict(pairs)
