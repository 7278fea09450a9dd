"""Whatever the API is asked, it answers: never with an error of its own, always as it describes."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dashboard_day import fill
from tests.dashboard_scene import TOKEN, Dashboard, Scene, dashboard

PREFIX = "/api/v1"
TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            "*",
            "lever",
            "1h",
            "7d",
            "30d",
            "99y",
            "low",
            "high",
            "../..",
            "%",
            "'\"",
            "2026-11-20T10:00Z",
            "2026-11-20T12:00+02:00",
            "0001-01-01",
            "9999-12-31",
        ]
    ),
    st.text(max_size=60),
    st.text(min_size=390, max_size=420),
)
NAMES = (
    "span",
    "operation",
    "platform",
    "confidence",
    "q",
    "severity",
    "before",
    "page",
    "x",
    "from",
    "to",
)
HEADERS = st.dictionaries(
    st.sampled_from(["Accept", "Origin", "Authorization", "Cookie", "Content-Type", "Upgrade"]),
    st.sampled_from(
        ["", "text/html", "null", "https://evil.example", "Bearer x", "Bearer", "a=b; c",
         "opwatch_session=actor.1.2", "application/json", "multipart/form-data", "websocket",
         "application/x-www-form-urlencoded; charset=nonsense"]
    ),
    max_size=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def running(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    scene = Scene(kafka)
    scene.make()
    fill(scene, int(time.time() * 1000), hours=1)
    folder = tmp_path_factory.mktemp("fuzz")
    with dashboard(scene.settings, folder, OPWATCH_DASHBOARD_TOKEN=TOKEN) as made:
        yield made.loaded()
        assert "cannot be answered" not in made.log.read_text()
        assert "cannot be rendered" not in made.log.read_text()
    scene.remove()


@pytest.fixture(scope="module")
def client(running: Dashboard) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, timeout=20, verify=False) as made:
        yield made


@pytest.fixture(scope="module")
def document(running: Dashboard) -> dict[str, Any]:
    found: dict[str, Any] = running.get(f"{PREFIX}/openapi.json").json()
    return found


def fuzzed(examples: int) -> Any:
    suppressed = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=examples, deadline=None, suppress_health_check=suppressed)


@fuzzed(150)
@given(
    place=st.sampled_from(
        ["/", "/series", "/alerts", "/alerts/", "/quality", "/services", "/slos", "/pipeline",
         "/health", "/metrics", "/live", "/login", "/static/", "/static/x", f"{PREFIX}/",
         *(f"{PREFIX}/{name}" for name in ("overview", "health", "series", "alerts", "quality"))]
    ),
    rest=st.one_of(st.just(""), st.text(max_size=30)),
    query=st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=4),
    headers=HEADERS,
    method=st.sampled_from(["GET", "GET", "GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"]),
)  # fmt: skip
def test_nothing_that_is_asked_is_an_error_of_ours(
    client: httpx.Client, place: str, rest: str, query: Any, headers: Any, method: str
):
    encoded = quote(rest, safe="", errors="replace")
    sent = {name: value.encode("ascii", "ignore") for name, value in headers.items()}
    params = {name: value.encode("utf-8", "replace") for name, value in query.items()}
    answer = client.request(method, place + encoded, params=params, headers=sent)
    assert answer.status_code < 500 or answer.status_code == 503, answer.text


@fuzzed(80)
@given(
    action=st.sampled_from(["acknowledge", "silence"]),
    body=st.one_of(
        st.binary(max_size=200),
        st.sampled_from(
            [b"[]", b"null", b"{}", b'{"by": 5}', b'{"by": "' + b"x" * 5000 + b'"}', b"by=%ff",
             b'{"by":"a","for":"99999999999999999999d"}', b"[" * 5000, b"a=1&" * 50,
             b'{"by":"\\ud800"}', b'{"by":"a","for":"x"}', b"x" * 20_000]
        ),
    ),
    kind=st.sampled_from(
        ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
         "application/json; charset=nonsense", "text/plain", ""]
    ),
)  # fmt: skip
def test_nothing_that_is_sent_is_an_error_of_ours(
    client: httpx.Client, action: str, body: bytes, kind: str
):
    # Of an alert that is over nothing can be done, so that nobody is waited for.
    place = f"{PREFIX}/alerts/nothing/{action}"
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
    answer = client.post(place, content=body, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert "error" in answer.json()


@pytest.mark.parametrize(
    "path", ["overview", "health", "series", "series/names", "alerts", "quality", "services",
             "pipeline"]
)  # fmt: skip
@pytest.mark.parametrize("span", ["1h", "24h", "30d"])
def test_an_answer_is_what_the_document_says(
    client: httpx.Client, document: dict[str, Any], path: str, span: str
):
    described = document["paths"][f"{PREFIX}/{path}"]["get"]["responses"]["200"]
    schema = described["content"]["application/json"]["schema"] | {
        "components": document["components"]
    }
    answer = client.get(f"{PREFIX}/{path}", params={"span": span})
    assert answer.status_code == 200
    checker = jsonschema.Draft202012Validator(schema)
    assert [error.message for error in checker.iter_errors(answer.json())] == []


@pytest.mark.parametrize(
    "query",
    ["severity=worst", f"q={'x' * 401}", "span=2h", "confidence=most", f"platform={'x' * 401}"],
)
def test_what_the_document_does_not_allow_is_refused(client: httpx.Client, query: str):
    place = "alerts" if query.startswith(("severity", "q=")) else "series"
    for path in (f"{PREFIX}/{place}", f"/{place}"):
        answer = client.get(f"{path}?{query}")
        assert (answer.status_code, "error" in answer.json()) == (400, True)


def test_a_story_is_what_the_document_says(client: httpx.Client, document: dict[str, Any]):
    schema = {"$ref": "#/components/schemas/Alert", "components": document["components"]}
    alerts = client.get(f"{PREFIX}/alerts").json()["open"]
    assert alerts
    for alert in alerts:
        story = client.get(f"{PREFIX}/alerts/{alert['fingerprint']}").json()
        jsonschema.Draft202012Validator(schema).validate(story)
        assert story["history"]


def test_every_path_of_the_document_is_served(client: httpx.Client, document: dict[str, Any]):
    for path, methods in document["paths"].items():
        for method in methods:
            place = path.replace("{id}", "nothing")
            answer = client.request(method.upper(), place, json={} if method == "post" else None)
            assert answer.status_code != 405, path
            if "{id}" not in path:
                assert answer.status_code == 200, path
