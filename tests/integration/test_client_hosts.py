"""The client counts exactly in every kind of process that Python has, and breaks none of them.

OPWATCH_CLIENT_PYTHONS names further interpreters, separated by colons, that have aiokafka, fastapi,
flask, gevent, gunicorn, pyuwsgi, uvicorn and uvloop: the same runs on each, and those under uWSGI.
"""

import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.operations import Operation
from tests import topics
from tests.integration.client.published import PARTITIONS, read
from tests.integration.client_host import CLIENT, Host
from tests.integration.client_requests import ASKED, counts, expected, found, load
from tests.ports import lasting_port

PYTHONS = [sys.executable, *filter(None, os.environ.get("OPWATCH_CLIENT_PYTHONS", "").split(":"))]


@pytest.fixture(params=PYTHONS, ids=[Path(path).parts[-3] for path in PYTHONS])
def host(kafka: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    prefix = f"ch-{uuid.uuid4().hex[:8]}."
    admin = AdminClient({"bootstrap.servers": kafka})
    topics.make(admin, NewTopic(f"{prefix}operations", PARTITIONS, 1))
    environment = {key: it for key, it in os.environ.items() if not key.startswith("OPWATCH_")}
    ours = {"OPWATCH_KAFKA_BOOTSTRAP": kafka, "OPWATCH_TOPIC_PREFIX": prefix}
    environment |= ours | {"PYTHONPATH": str(CLIENT), "PYTHONWARNINGS": "default"}
    host = Host(request.param, environment, tmp_path, [])
    yield host
    for process in host.started:  # a server ends its own processes
        process.terminate()
        process.wait(30)


@pytest.fixture
def published(kafka: str, host: Host) -> Callable[[], list[Operation]]:
    return lambda: read(kafka, host.environment["OPWATCH_TOPIC_PREFIX"] + "operations")


GEVENT = """
import gevent.monkey
gevent.monkey.patch_all()
import asyncio, time
import gevent
import opwatch_client as opwatch

with opwatch.operation("first"):
    time.sleep(0.01)
time.sleep(0.3)

async def work():
    async with opwatch.operation("in asyncio"):
        await asyncio.sleep(0.01)
    assert await opwatch.aflush(20)
    return "its own asyncio works"

print(asyncio.run(work()))

def serve():
    for _ in range(50):
        with opwatch.operation("greenlet"):
            gevent.sleep(0.001)

ticks = 0
def tick():
    global ticks
    while True:
        ticks += 1
        gevent.sleep(0.001)

gevent.spawn(tick)
gevent.joinall([gevent.spawn(serve) for _ in range(20)])
before = ticks
assert opwatch.flush(20)
assert ticks > before, "a flush holds other greenlets up"
with opwatch.heartbeat("crawler", every=0.1):
    gevent.sleep(0.01)
with opwatch.operation("last"):
    pass
"""


def test_a_process_that_gevent_patched(host: Host, published: Callable[[], list[Operation]]):
    assert "its own asyncio works" in host.run(GEVENT)
    assert counts(published()) == {
        ("first", True): 1,
        ("in asyncio", True): 1,
        ("greenlet", True): 1000,
        ("last", True): 1,
    }


def test_a_process_that_gevent_patches_later(host: Host, published: Callable[[], list[Operation]]):
    host.run("import opwatch_client\n" + GEVENT)
    assert sum(counts(published()).values()) == 1003


def test_loops_that_come_and_go(host: Host, published: Callable[[], list[Operation]]):
    host.run(
        """
        import asyncio
        import uvloop
        import opwatch_client as opwatch

        async def work():
            async with opwatch.operation("work"):
                await asyncio.sleep(0.001)

        async def many():
            await asyncio.gather(*(work() for _ in range(500)))

        for run in (asyncio.run, uvloop.run, asyncio.run):
            run(many())
        async def flushing():
            await many()
            assert await opwatch.aflush(20)
        uvloop.run(flushing())
        """
    )
    assert counts(published()) == {("work", True): 2000}


def test_what_is_recorded_while_python_exits(host: Host, published: Callable[[], list[Operation]]):
    host.run(
        """
        import atexit, sys, threading
        import opwatch_client as opwatch
        atexit.register(lambda: None)

        def late():
            with opwatch.operation("in a thread"):
                threading.Event().wait(0.3)

        with opwatch.operation("first"):
            pass
        threading.Thread(target=late).start()
        with opwatch.operation("exits"):
            sys.exit(0)
        """
    )
    assert counts(published()) == {("first", True): 1, ("in a thread", True): 1, ("exits", True): 1}


FASTAPI = """
import asyncio, os, signal
import opwatch_client.asgi
from fastapi import APIRouter, FastAPI, HTTPException
from fastapi.responses import StreamingResponse

app = FastAPI()
app.add_middleware(opwatch_client.asgi.Middleware)
router = APIRouter(prefix="/api")
mounted = FastAPI()

@app.get("/jobs/{id}")
async def job(id: int):
    return {"id": id, "pid": os.getpid()}

@router.post("/jobs/{id}/parse")
def parse(id: int):
    raise HTTPException(503)

@app.get("/missing/{id}")
async def missing(id: str):
    raise HTTPException(404)

@app.get("/broken")
async def broken():
    raise KeyError("broken")

@app.get("/stream")
async def stream():
    async def pieces():
        for _ in range(3):
            yield b"x"
            await asyncio.sleep(0.001)
    return StreamingResponse(pieces())

@mounted.get("/items/{item}")
async def item(item: str):
    return item

app.include_router(router)
app.mount("/shop", mounted)
"""

FLASK = """
import opwatch_client.wsgi
from flask import Blueprint, Flask, abort, Response

app = Flask(__name__)
app.wsgi_app = opwatch_client.wsgi.Middleware(app.wsgi_app)
api = Blueprint("api", __name__, url_prefix="/api")

@app.get("/jobs/<int:id>")
def job(id):
    return {"id": id}

@api.post("/jobs/<id>/parse")
def parse(id):
    abort(503)

@app.get("/missing/<id>")
def missing(id):
    abort(404)

@app.get("/broken")
def broken():
    raise KeyError("broken")

@app.get("/stream")
def stream():
    return Response(b"x" for _ in range(3))

app.register_blueprint(api)
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_fastapi(host: Host, published: Callable[[], list[Operation]], workers: str):
    """Uvicorn ends by the signal itself, without Python's exit."""
    port = lasting_port()
    host.write("server.py", FASTAPI)
    options = ("--workers", workers, "--port", str(port), "--log-level", "error", "--no-access-log")
    process = host.start("uvicorn", "server:app", *options)
    asked = [*ASKED, ("GET", "/shop/items/{n}", "GET /shop/items/{item}", True)]
    load(host, process, port, asked)
    assert found(published()) == expected(asked)


#: What the parent records while it loads counts too, once.
LOADING = """
with opwatch_client.operation("loading"):
    pass
opwatch_client.flush(20)
opwatch_client.record(operation="waiting", success=True, duration_ms=1)
"""


@pytest.mark.parametrize("worker", ["gthread", "gevent"])
def test_gunicorn_that_preloads(host: Host, published: Callable[[], list[Operation]], worker: str):
    port = lasting_port()
    host.write("server.py", FLASK + LOADING)
    options = ("--preload", "--workers", "2", "--bind", f"127.0.0.1:{port}", "--threads", "2")
    process = host.start(
        "gunicorn", "server:app", *options, "-k", worker, "--log-level", "critical"
    )
    load(host, process, port, ASKED)
    wanted = expected(ASKED) | {("loading", True): 1, ("waiting", True): 1}
    assert found(published()) == wanted


@pytest.mark.parametrize(("loads", "times"), [("--need-app", 1), ("--lazy-apps", 2)])
def test_uwsgi(host: Host, published: Callable[[], list[Operation]], loads: str, times: int):
    """Its processes are forked in C, before or after the application is loaded.

    It ends busy processes without their exit functions, unless it is told to end gracefully.
    """
    port = lasting_port()
    host.write("server.py", FLASK + LOADING)
    gracefully = ("--hook-master-start", "unix_signal:15 gracefully_kill_them_all")
    options = ("--master", "--workers", "2", "--threads", "2", "--disable-logging", *gracefully)
    module = ("--http-socket", f"127.0.0.1:{port}", "--module", "server:app")
    process = host.start("uwsgi", *options, *module, loads)
    give_up = time.monotonic() + 60
    while host.output.read_text().count(" ready in ") < times:  # it does not end while it loads
        assert time.monotonic() < give_up, host.output.read_text()
        time.sleep(0.1)
    load(host, process, port, ASKED)
    wanted = expected(ASKED) | {("loading", True): times, ("waiting", True): times}
    assert found(published()) == wanted
