"""Who may see and who may act: hosts, origins, tokens, sessions, and how often."""

import pytest
from pydantic import ValidationError

from agents.dashboard.gate import SESSION_S, Access, Buckets, Gate, NoToken
from agents.dashboard.sign_in import _within
from agents.runtime.settings import Settings

ACT, READ = "act-0123456789abcdef", "read-0123456789abcdef"


def gate(**changed: object) -> Gate:
    return Gate(Settings(_env_file=None, **changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "opwatch.example.com"])
def test_an_address_that_others_reach_needs_a_token(host: str):
    with pytest.raises(NoToken, match="OPWATCH_DASHBOARD_READ_TOKEN"):
        gate(dashboard_host=host)
    gate(dashboard_host=host, dashboard_token=ACT)
    gate(dashboard_host=host, dashboard_read_token=READ)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_on_this_machine_anybody_may_see_and_nobody_may_act(host: str):
    made = gate(dashboard_host=host)
    assert made.access(None, None, "a", 0) == Access("reader", "nothing")
    assert not made.can_act


@pytest.mark.parametrize(
    ("header", "is_ours"),
    [
        ("localhost", True),
        ("localhost:9470", True),
        ("127.0.0.1:9470", True),
        ("[::1]:9470", True),
        ("opwatch.example.com", True),
        ("OPWATCH.example.com.:443", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("10.1.2.3", False),
        ("", False),
        (None, False),
        ("localhost@evil.example", False),
        ("evil.example/localhost", False),
        ("[", False),
    ],
)
def test_only_names_of_this_server_are_answered(header: str | None, is_ours: bool):
    assert gate(dashboard_hosts="opwatch.example.com").is_our_host(header) is is_ours


def test_an_address_is_a_name_of_a_server_that_others_reach():
    made = gate(dashboard_host="0.0.0.0", dashboard_token=ACT)
    assert made.is_our_host("10.1.2.3:9470")
    assert not made.is_our_host("evil.example")


@pytest.mark.parametrize(
    ("origin", "is_ours"),
    [
        ("http://localhost:9470", True),
        ("https://localhost:9470", True),
        ("http://localhost", False),
        ("http://evil.example", False),
        ("null", False),
        (None, False),
        ("file://localhost:9470", False),
    ],
)
def test_only_pages_of_this_server_ask_for_changes(origin: str | None, is_ours: bool):
    assert gate().is_our_origin(origin, "localhost:9470") is is_ours


def test_a_token_allows_what_it_is_for():
    made = gate(dashboard_token=ACT, dashboard_read_token=READ)
    assert made.access(None, None, "a", 0) == Access("nobody", "nothing")
    assert made.access(f"Bearer {READ}", None, "a", 0) == Access("reader", "bearer")
    assert made.access(f"bearer {ACT}", None, "a", 0) == Access("actor", "bearer")
    assert made.access("Bearer wrong", None, "a", 0) is None
    # Of a proxy in front that asks for a password of its own:
    assert made.access("Basic abc", None, "a", 0) == Access("nobody", "nothing")


def test_a_session_lasts_for_its_time_and_cannot_be_forged():
    made = gate(dashboard_token=ACT, dashboard_read_token=READ)
    value = made.new_session("reader", 1000)
    assert made.access(None, value, "a", 1000) == Access("reader", "session")
    for wrong in (
        value.replace("reader", "actor"),
        value[:-1],
        value + "0",
        "reader.99999999999.abc",
        "reader.99999999999.0123456789abcdef.abc",
        "nobody.99999999999.abc",
        "",
        "ü",
        "." * 1000,
    ):
        assert made.access(None, wrong, "a", 1000).level == "nobody"  # type: ignore[union-attr]
    late = made.access(None, value, "a", 1001 + SESSION_S)
    assert late == Access("nobody", "nothing")


def test_a_session_that_somebody_ended_is_over_for_all_who_have_it():
    made = gate(dashboard_token=ACT)
    value, other = made.new_session("actor", 1000), made.new_session("actor", 1000)
    access = Access("actor", "session")
    assert made.still_has(access, value, 1000)
    assert not made.still_has(access, value, 1001 + SESSION_S)
    made.end_session(value, 1000)
    assert not made.still_has(access, value, 1000)
    assert made.access(None, value, "a", 1000) == Access("reader", "nothing")
    assert made.still_has(access, other, 1000)
    assert made.still_has(Access("reader", "nothing"), None, 1000)


def test_nobody_fills_the_memory_with_sessions_that_are_none():
    made = gate(dashboard_token=ACT)
    for value in (None, "", "actor.99999999999.abc"):
        made.end_session(value, 1000)
    assert not made._ended


def test_a_session_ends_with_its_token():
    value = gate(dashboard_token=ACT).new_session("actor", 0)
    other = gate(dashboard_token="another-" + ACT)
    assert other.access(None, value, "a", 0) == Access("reader", "nothing")


def test_after_many_wrong_tokens_the_right_one_has_to_wait_too():
    made = gate(dashboard_token=ACT)
    for _ in range(20):
        made.level_of("wrong", "10.0.0.1")
    assert made.level_of(ACT, "10.0.0.1") is None
    assert made.level_of(ACT, "10.0.0.2") == "actor"


def test_a_bucket_is_empty_after_its_burst_and_others_are_not():
    buckets = Buckets(3, 0.0)
    assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]
    assert buckets.take("b")


@pytest.mark.parametrize(
    ("place", "goes_to"),
    [
        ("/alerts?q=a", "/alerts?q=a"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\r\nSet-Cookie: a", "/"),
        ("", "/"),
        ("//[", "/"),
    ],
)
def test_signing_in_leads_nowhere_else(place: str, goes_to: str):
    assert _within(place) == goes_to


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("dashboard_token", "short"),
        ("dashboard_token", "with a space in between"),
        ("dashboard_hosts", "http://a"),
        ("dashboard_origins", "status.example.com"),
        ("dashboard_origins", "https://status.example.com/path"),
        ("dashboard_targets", "nonsense"),
        ("dashboard_claim", "99-96"),
    ],
)
def test_a_wrong_setting_is_refused(variable: str, value: str):
    with pytest.raises(ValidationError):
        Settings(_env_file=None, **{variable: value})


def test_who_may_see_may_not_act_with_the_same_token():
    with pytest.raises(ValidationError, match="the same"):
        Settings(_env_file=None, dashboard_token=ACT, dashboard_read_token=ACT)
