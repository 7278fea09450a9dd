"""Each channel x each response: what it means, without a receiver.

tests/integration/test_vendor_matrix.py says the same of what comes over a socket.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.channels import pagerduty, slack, sms, teams, webhook
from streams.channels.response_meaning import (
    MAX_RETRY_AFTER_MS,
    Rejected,
    Response,
    Retry,
    Sent,
    retry_after_ms,
)

#: 2027-01-15 08:00:00 UTC.
NOW_MS = 1_800_000_000_000
READ = {
    "slack": slack.read,
    "pagerduty": pagerduty.read,
    "sms": sms.read,
    "teams": teams.read,
    "webhook": webhook.read,
}
SUCCESS = {"slack": 200, "pagerduty": 202, "sms": 201, "teams": 202, "webhook": 204}


def meaning(kind: str, status: int, body: bytes = b"", **fields: Any) -> Any:
    return READ[kind](Response(status=status, body=body, **fields), NOW_MS)


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize(
    ("status", "retried"),
    [
        (300, False), (307, False), (399, False), (400, False), (401, False), (403, False),
        (404, False), (408, True), (413, False), (425, True), (429, True), (499, False),
        (500, True), (502, True), (503, True), (504, True), (599, True), (199, True), (600, True),
    ],
)  # fmt: skip
def test_a_status_is_retried_if_the_same_request_may_succeed_later(
    kind: str, status: int, retried: bool
):
    answer = meaning(kind, status, b"no")
    assert isinstance(answer, Retry if retried else Rejected)
    if 300 <= status < 400:
        assert answer.answer == f"{status}: redirects are not followed"
    else:
        assert answer.answer.startswith(f"{status} no")


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize(("status", "ambiguous"), [(429, False), (502, True), (504, True)])
def test_a_gateway_leaves_open_whether_it_was_accepted(kind: str, status: int, ambiguous: bool):
    assert meaning(kind, status).ambiguous is ambiguous


@pytest.mark.parametrize(("kind", "ambiguous"), [(kind, kind == "sms") for kind in READ])
def test_only_of_a_text_message_a_server_error_leaves_it_open(kind: str, ambiguous: bool):
    assert meaning(kind, 500).ambiguous is meaning(kind, 503).ambiguous is ambiguous


@pytest.mark.parametrize("kind", READ)
def test_each_passes_on_how_long_the_receiver_asks_to_wait(kind: str):
    assert meaning(kind, 429, retry_after="7").after_ms == 7_000
    assert meaning(kind, 503, retry_after="Fri, 15 Jan 2027 08:00:31 GMT").after_ms == 31_000
    assert meaning(kind, 429).after_ms is None


@pytest.mark.parametrize(
    ("value", "after_ms"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        (" 7 ", 7_000),
        ("1.5", 1_500),
        ("7.", 7_000),
        (".5", None),
        ("-1", None),
        ("+1", None),
        ("1e9", None),
        ("soon", None),
        ("٧", None),
        ("999999999", MAX_RETRY_AFTER_MS),
        ("9999999999", None),
        ("Fri, 15 Jan 2027 08:00:31 GMT", 31_000),
        ("Fri, 15 Jan 2027 09:00:31 +0100", 31_000),
        ("Fri, 15 Jan 2027 08:00:31 -0000", 31_000),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 15 Jan 9999 08:00:31 GMT", MAX_RETRY_AFTER_MS),
        ("Fri, 99 Jan 2027 08:00:31 GMT", None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date(value: str | None, after_ms: int | None):
    assert retry_after_ms(value, NOW_MS) == after_ms


@given(st.text())
def test_any_retry_after_is_a_time_to_wait_or_none(value: str):
    after_ms = retry_after_ms(value, NOW_MS)
    assert after_ms is None or 0 <= after_ms <= MAX_RETRY_AFTER_MS


@pytest.mark.parametrize("kind", READ)
def test_success_is_what_the_vendor_says_and_no_other_kind_of_success(kind: str):
    body = b"ok" if kind == "slack" else b""
    assert isinstance(meaning(kind, SUCCESS[kind], body), Sent)
    others = {"slack": 202, "pagerduty": 200, "sms": 200}
    if kind in others:
        other = meaning(kind, others[kind], body)
        assert isinstance(other, Retry)
        assert other.ambiguous


@pytest.mark.parametrize(
    ("body", "whole", "expected"),
    [
        (b"ok", True, Sent(answer="200 ok")),
        (b" ok\n", True, Sent(answer="200 ok")),
        (b"ok", False, Retry(answer="200 (cut off) ok", ambiguous=True)),
        (b"o", False, Retry(answer="200 (cut off) o", ambiguous=True)),
        (b"okay", True, Retry(answer="200 (not Slack's ok) okay")),
        (b"<html>\xff", True, Retry(answer="200 (not Slack's ok) <html>�")),
        (b"no_service", True, Rejected(answer="200 no_service")),
        (b"channel_is_archived", True, Rejected(answer="200 channel_is_archived")),
    ],
)
def test_slack_succeeds_by_its_body(body: bytes, whole: bool, expected: Any):
    assert meaning("slack", 200, body, whole=whole) == expected


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (202, b'{"status":"success","message":"Event processed"}',
         Sent(answer="202 Event processed")),
        (202, b"{", Sent(answer="202 {")),
        (202, b"[1]", Sent(answer="202 [1]")),
        (400, b'{"message":"invalid event","errors":["length","key"]}',
         Rejected(answer="400 invalid event: length, key")),
        (400, b'{"errors":["length",5]}', Rejected(answer="400 length, 5")),
        (400, b'{"errors":"length"}', Rejected(answer='400 {"errors":"length"}')),
    ],
)  # fmt: skip
def test_pagerduty_says_why_in_its_body(status: int, body: bytes, expected: Any):
    assert meaning("pagerduty", status, body) == expected


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, 20429, Retry(answer="429 20429 no", after_ms=3_000)),
        (503, 20429, Retry(answer="503 20429 no", after_ms=3_000)),  # it was not accepted
        (400, 21610, Rejected(answer="400 21610 no")),
        (400, 21617, Rejected(answer="400 21617 no")),
        (400, 30004, Rejected(answer="400 30004 no")),
        (500, 30005, Rejected(answer="500 30005 no")),
        (400, 30006, Rejected(answer="400 30006 no")),
        (500, 30007, Rejected(answer="500 30007 no")),
        (400, 21211, Rejected(answer="400 21211 no")),
        (500, 99999, Retry(answer="500 99999 no", after_ms=3_000, ambiguous=True)),
        (429, 99999, Retry(answer="429 99999 no", after_ms=3_000)),
    ],
)
def test_twilios_code_says_more_than_its_status(status: int, code: int, expected: Any):
    body = b'{"code": %d, "message": "no"}' % code
    assert meaning("sms", status, body, retry_after="3") == expected


def test_twilio_names_the_message_that_it_accepted():
    assert meaning("sms", 201, b'{"sid": "SM1", "code": null}') == Sent(answer="201 SM1")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (202, b"", Sent(answer="202 accepted by the workflow", confirmed=False)),
        (200, b"1", Sent(answer="200 1")),
        (200, b"delivery failed with error: Microsoft Teams endpoint returned HTTP error 429",
         Retry),
        (200, b"failed: Teams returned HTTP error 413", Rejected),
        (400, b'{"error": {"code": "Invalid", "message": "no card"}}',
         Rejected(answer="400 Invalid: no card")),
        (413, b'{"error": {"code": "TooLarge"}}', Rejected(answer="413 TooLarge")),
        (401, b'{"error": "sig"}', Rejected(answer='401 {"error": "sig"}')),
        (400, b'{"error": {}}', Rejected(answer='400 {"error": {}}')),
    ],
)  # fmt: skip
def test_teams_accepted_is_not_delivered_and_a_200_may_be_a_failure(
    status: int, body: bytes, expected: Any
):
    answer = meaning("teams", status, body)
    assert (type(answer) is expected) if isinstance(expected, type) else (answer == expected)


@pytest.mark.parametrize("kind", READ)
def test_only_a_webhook_that_is_gone_asks_for_nothing_more_at_all(kind: str):
    assert meaning(kind, 410).gone is (kind == "webhook")
    assert not meaning(kind, 404).gone


@pytest.mark.parametrize("kind", READ)
@given(st.integers(100, 999), st.binary(max_size=40), st.booleans())
def test_any_response_means_something(kind: str, status: int, body: bytes, whole: bool):
    answer = meaning(kind, status, body, whole=whole)
    assert isinstance(answer, Sent | Retry | Rejected)
    assert not (isinstance(answer, Sent) and not 200 <= status < 300)
