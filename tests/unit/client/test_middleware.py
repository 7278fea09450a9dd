"""Each request is an operation by its route's template; what a server does is no failure of it."""

import asyncio
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

import opwatch_client as opwatch
from opwatch_client import asgi, publisher, wsgi
from tests.unit.client.fakes import FakeKafka


def found(kafka: FakeKafka) -> list[tuple[str, bool, str | None]]:
    assert opwatch.flush(5)
    return [(it["operation"], it["success"], it.get("error_type")) for it in kafka.operations]


# ------------------------------------------------------------------ ASGI


def asked(
    app: Any, path: str = "/x", *, leaves: bool = False, send: Any = None, **scope: Any
) -> Any:
    """Ask an application as a server would; return what it raises."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect" if leaves else "http.request"}

    async def ignored(_: Any) -> None: ...

    whole = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    try:
        asyncio.run(app(whole | scope, receive, send or ignored))
    except BaseException as error:  # noqa: BLE001 - the test looks at it
        return error
    return None


def answering(status: int, raised: BaseException | None = None, *, reads: bool = False) -> Any:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        if reads:
            await receive()
        if status:
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b"x"})
        if raised is not None:
            raise raised

    return app


@pytest.mark.parametrize(
    ("status", "raised", "leaves", "outcome"),
    [
        (200, None, False, (True, None)),
        (404, None, False, (True, None)),
        (499, None, False, (True, None)),
        (500, None, False, (False, "HTTP 500")),
        (503, None, False, (False, "HTTP 503")),
        (0, None, False, (False, "no response")),
        (0, KeyError("x"), False, (False, "KeyError")),
        (200, KeyError("x"), False, (False, "KeyError")),
        (200, asyncio.CancelledError(), False, (True, None)),
        (200, OSError("gone"), True, (True, None)),
        (0, OSError("gone"), True, None),
        (0, asyncio.CancelledError(), False, None),
    ],
)
def test_a_request_has_this_outcome(
    kafka: FakeKafka,
    status: int,
    raised: BaseException | None,
    leaves: bool,
    outcome: tuple[bool, str | None] | None,
):
    app = asgi.Middleware(answering(status, raised, reads=leaves))
    assert asked(app, leaves=leaves) is raised
    wanted = [] if outcome is None else [("GET (no route)", *outcome)]
    assert found(kafka) == wanted
    assert opwatch.stats().discarded == (outcome is None)


def test_4xx_is_a_failure_if_the_host_says_so(kafka: FakeKafka):
    asked(asgi.Middleware(answering(404), fail_from=400, platform="web"))
    assert found(kafka) == [("GET (no route)", False, "HTTP 404")]
    assert kafka.operations[0]["platform"] == "web"


def test_a_client_that_is_gone_when_it_is_answered_is_no_failure(kafka: FakeKafka):
    async def gone(_: Any) -> None:
        raise BrokenPipeError

    assert isinstance(asked(asgi.Middleware(answering(200)), send=gone), BrokenPipeError)
    assert found(kafka) == [("GET (no route)", True, None)]


@pytest.mark.parametrize("end", ["complete", "failed"])
def test_what_was_recorded_is_sent_before_the_server_may_end(kafka: FakeKafka, end: str):
    seen: list[tuple[str, int]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})
        opwatch.record(operation="work", success=True, duration_ms=1)
        await send({"type": f"lifespan.shutdown.{end}"})

    async def send(message: Any) -> None:
        seen.append((message["type"], len(kafka.operations)))

    asyncio.run(asgi.Middleware(app)({"type": "lifespan"}, None, send))  # type: ignore[arg-type]
    assert seen == [("lifespan.startup.complete", 0), (f"lifespan.shutdown.{end}", 1)]


def page(_: Any) -> Response:
    return PlainTextResponse("x")


ROUTES = [
    Route("/", page),
    Route("/jobs/{id:int}", page),
    Mount("/shop", routes=[Route("/items/{item}", page), Mount("/a", routes=[Route("/b", page)])]),
    Mount("/sub", app=Starlette(routes=[Route("/c/{id}", page)])),
]


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "GET /"),
        ("/jobs/17", "GET /jobs/{id}"),
        ("/jobs/x", "GET (no route)"),
        ("/shop/items/17", "GET /shop/items/{item}"),
        ("/shop/a/b", "GET /shop/a/b"),
        ("/sub/c/17", "GET /sub/c/{id}"),
        ("/nowhere/17", "GET (no route)"),
    ],
)
def test_starlettes_routes_are_templates(kafka: FakeKafka, path: str, route: str):
    app = Starlette(routes=ROUTES)
    app.add_middleware(asgi.Middleware)
    asked(app, path)
    assert [operation for operation, _, _ in found(kafka)] == [route]


def test_a_task_in_the_background_is_no_part_of_the_request(kafka: FakeKafka):
    async def later() -> None:
        await asyncio.sleep(0.2)

    def answer(_: Any) -> Response:
        return PlainTextResponse("x", background=BackgroundTask(later))

    app = Starlette(routes=[Route("/", answer)])
    app.add_middleware(asgi.Middleware)
    asked(app, "/")
    assert opwatch.flush(5)
    assert kafka.operations[0]["duration_ms"] < 150


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_other_protocols_pass_by(kafka: FakeKafka, kind: str):
    assert asked(asgi.Middleware(answering(0)), type=kind) is None
    assert found(kafka) == []


def test_a_route_that_cannot_be_found_out_breaks_nothing(kafka: FakeKafka):
    assert asked(asgi.Middleware(answering(200), route=lambda _: 1 / 0)) is None  # type: ignore[arg-type, return-value]
    assert asked(asgi.Middleware(answering(200), route=lambda scope: scope["path"])) is None
    assert [operation for operation, _, _ in found(kafka)] == ["GET (no route)", "GET /x"]
    assert opwatch.stats().bad_values == 1


# ------------------------------------------------------------------ WSGI


def flask() -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/jobs/<int:id>/<path:rest>", "job", lambda **arguments: arguments)
    app.add_url_rule("/broken", "broken", lambda: {}["x"])
    app.wsgi_app = wsgi.Middleware(app.wsgi_app)  # type: ignore[method-assign]
    return app


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("/jobs/17/a/b", ("GET /jobs/{id}/{rest}", True, None)),
        ("/jobs/x/y", ("GET (no route)", True, None)),
        ("/broken", ("GET /broken", False, "HTTP 500")),
    ],
)
def test_flasks_rules_are_templates(
    kafka: FakeKafka, path: str, outcome: tuple[str, bool, str | None]
):
    flask().test_client().get(path, buffered=True)
    assert found(kafka) == [outcome]


def wsgi_app(pieces: Any) -> Any:
    def app(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return pieces

    return wsgi.Middleware(app)


def test_a_response_is_recorded_once_at_its_end(kafka: FakeKafka):
    response = wsgi_app([b"a", b"b"])({"REQUEST_METHOD": "GET"}, lambda *_: None)
    assert list(response) == [b"a", b"b"]
    response.close()
    assert found(kafka) == [("GET (no route)", True, None)]


def test_a_client_that_leaves_a_response_is_no_failure(kafka: FakeKafka):
    closed = []

    def pieces() -> Iterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    response = wsgi_app(pieces())({"REQUEST_METHOD": "GET"}, lambda *_: None)
    next(iter(response))
    response.close()
    assert closed == [True]
    assert found(kafka) == [("GET (no route)", True, None)]


def test_a_response_that_breaks_on_its_way_is_a_failure(kafka: FakeKafka):
    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise KeyError("x")

    response = wsgi_app(pieces())({"REQUEST_METHOD": "PUT"}, lambda *_: None)
    with pytest.raises(KeyError):
        list(response)
    assert found(kafka) == [("PUT (no route)", False, "KeyError")]


# ------------------------------------------------------------------ uWSGI


@pytest.mark.parametrize(
    ("options", "warns"),
    [
        ({}, True),
        ({"workers": b"2"}, True),
        ({"enable-threads": True}, False),
        ({b"threads": b"2"}, False),
    ],
)
def test_uwsgi_without_threads_is_said(
    monkeypatch: pytest.MonkeyPatch, options: dict[Any, Any], warns: bool
):
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt=options))  # type: ignore[arg-type]
    assert bool(publisher.why_no_thread()) is warns
    monkeypatch.delitem(sys.modules, "uwsgi")
    assert publisher.why_no_thread() is None
