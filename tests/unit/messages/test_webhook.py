import json
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from streams.channels import webhook
from tests.unit.messages.samples import OTHER_KEY, SIGNING_KEY, WEBHOOK, breach, message, resolved

URL = "https://hooks.example.com/opwatch"
#: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
DOCUMENTED = {
    "version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels",
    "commonLabels", "commonAnnotations", "externalURL", "alerts",
}  # fmt: skip
DOCUMENTED_ALERT = {
    "status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint",
}  # fmt: skip


def signed(keys, now_ms=None, told=None):
    at_ms = int(time.time() * 1000) if now_ms is None else now_ms
    return webhook.request(told or message(), WEBHOOK, URL, keys, at_ms)


def test_every_field_that_alertmanager_documents_is_there():
    body = webhook.payload(message(others=(breach(fingerprint="2"),)), WEBHOOK)
    assert set(body) == DOCUMENTED
    assert [set(alert) for alert in body["alerts"]] == [DOCUMENTED_ALERT] * 2
    assert body["version"] == "4"
    assert body["status"] == "firing"
    assert body["commonLabels"]["alertname"] == "parse_success"
    assert body["alerts"][0]["endsAt"] == "0001-01-01T00:00:00Z"
    for labels in (body["groupLabels"], *(alert["labels"] for alert in body["alerts"])):
        assert all(isinstance(value, str) for value in labels.values())


def test_a_resolve_has_an_end():
    body = webhook.payload(message(resolved(), event="resolved"), WEBHOOK)
    assert body["status"] == body["alerts"][0]["status"] == "resolved"
    assert body["alerts"][0]["endsAt"] == "2027-01-15T08:06:00.000Z"


def test_what_is_left_out_is_counted():
    body = webhook.payload(message(others=tuple(breach() for _ in range(250))), WEBHOOK)
    assert len(body["alerts"]) == webhook.MAX_ALERTS
    assert body["truncatedAlerts"] == 151


@pytest.mark.parametrize("key", [SIGNING_KEY, OTHER_KEY])
def test_the_standardwebhooks_package_accepts_either_key_during_rotation(key):
    request = signed((SIGNING_KEY, OTHER_KEY))
    assert Webhook(key).verify(request.body, request.headers) == json.loads(request.body)


def test_the_standardwebhooks_package_refuses_another_key_and_another_body():
    request = signed((SIGNING_KEY,))
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER_KEY).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SIGNING_KEY).verify(request.body + b" ", request.headers)


def test_the_id_stays_and_the_time_moves_over_attempts():
    first, second = signed((SIGNING_KEY,), 1_000), signed((SIGNING_KEY,), 61_000)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "msg_d0e1f2a3b4c5d6e7"
    assert (first.headers["webhook-timestamp"], second.headers["webhook-timestamp"]) == ("1", "61")
    assert first.body == second.body


def test_the_id_has_no_full_stop():
    request = signed((SIGNING_KEY,), told=message(delivery="a.b c\r\nd"))
    assert "." not in request.headers["webhook-id"]
    assert Webhook(SIGNING_KEY).verify(request.body, request.headers)
