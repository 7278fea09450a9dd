"""Judge what was told: by the receivers' own record, and by the decision log."""

import json
import math
from collections import Counter, defaultdict
from typing import Any, NamedTuple

from schemas.rules import SEVERITIES
from streams.alerting.state import digest
from streams.channels.text_format import rfc3339
from tests.acceptance.alert_scene import CHANNELS, Receivers
from tests.receivers.http import Arrived, taken

COOLDOWN_MS = 20_000
#: A decision about a delivery that is none of these ends it.
_ON_ITS_WAY = ("due", "grouped", "storm", "attempted", "retry", "command_done")
_PAGES = ("opened", "escalated", "severity_raised", "summary")
#: A mark begins when the answer is read, a little after the receiver had the message.
_SLACK_MS = 500

Decisions = list[dict[str, Any]]


def open_deliveries(decisions: Decisions) -> set[str]:
    """Return the deliveries that are owed and not over."""
    owed: set[str] = set()
    for one in decisions:
        if one["delivery"] is not None:
            owed.add(one["delivery"])
    return owed - {one["delivery"] for one in decisions if one["reason"] not in _ON_ITS_WAY}


def figures(opened: Decisions, decisions: Decisions, receivers: Receivers) -> dict[str, Any]:
    """Return what is promised to be zero, and what is to be small."""
    got = {name: taken(one.arrived) for name, one in receivers.by_name.items()}
    undelivered = untold(opened, decisions, got["hook"])
    broken = violations(decisions) + violations_seen(got["hook"])
    repeats, unexplained = duplicates(decisions, got)
    paged = paged_after_acknowledgement(opened, decisions, receivers.by_name["hook"].arrived)
    refused = [why for one in receivers.by_name.values() for why in one.mistakes]
    return {
        "alerts": len(opened),
        "messages": {name: len(arrived) for name, arrived in got.items()},
        "undelivered": len(undelivered),
        "cooldown violations": len(broken),
        "incidents left open": len(receivers.pagerduty.open),
        "duplicates": repeats,
        "claims left open": lapsed_attempts(decisions),
        "duplicates without an open claim": len(unexplained),
        "acknowledged": sum(map(_acknowledges, decisions)),
        "dropped as acknowledged": sum(map(_drops, decisions)),
        "pages after an acknowledgement": len(paged),
        "refused by receivers": len(refused),
        "held by a cooldown": sum(one["reason"] == "cooldown" for one in decisions),
        "examples": [
            *undelivered[:3],
            *broken[:3],
            *unexplained[:3],
            *paged[:3],
            *refused[:3],
            *sorted(receivers.pagerduty.open)[:3],
        ],
    }


def untold(opened: Decisions, decisions: Decisions, hook: list[Arrived]) -> list[str]:
    """Return what was neither told nor visibly not told."""
    reasons: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in decisions:
        reasons[one["breach_id"], one["channel"]].add(one["reason"])
        if one["channel"] is None:
            for name in CHANNELS:
                reasons[one["breach_id"], name].add(one["reason"])
    missing = []
    for one in opened:
        for name in CHANNELS:
            said = reasons[one["id"], name]
            if "sent" not in said and not {"cooldown", "cancelled", "acknowledged"} & said:
                missing.append(f"{one['id']} {name}: {sorted(said)}")
    heard = {alert["fingerprint"] for arrived in hook for alert in _alerts(arrived)}
    sent = {one["fingerprint"] for one in decisions if _sent(one) and one["channel"] == "hook"}
    return missing + [f"{one}: sent, and the hook never heard" for one in sorted(sent - heard)]


def paged_after_acknowledgement(
    opened: Decisions, decisions: Decisions, hook: list[Arrived]
) -> list[str]:
    """Return the pages whose attempt began, or that arrived, after their acknowledgement."""
    spans = _acknowledged(decisions)
    attempts: dict[tuple[str, int], int] = {}  # the last so far: summaries of a storm have one id
    wrong = []
    for place, one in enumerate(decisions):
        if one["reason"] == "attempted":
            attempts[one["parcel"], one["attempt"]] = place
        if one["reason"] == "sent" and one["event"] in _PAGES:
            begun = attempts[one["parcel"], one["attempt"]]
            if any(span.first < begun < span.last for span in spans[one["breach_id"]]):
                wrong.append(f"{one['breach_id']}: attempt {one['attempt']} at {one['channel']}")
    names = {(one["fingerprint"], rfc3339(one["opened_ms"])): one["id"] for one in opened}
    for arrived in hook:
        for alert in _alerts(arrived):
            if alert["status"] != "firing" or alert["annotations"]["event"] not in _PAGES:
                continue
            name, at_ms = names[alert["fingerprint"], alert["startsAt"]], arrived.at * 1000
            for span in spans[name]:
                if span.begin_ms + _SLACK_MS < at_ms < span.end_ms:
                    wrong.append(f"{name}: arrived {at_ms - span.begin_ms:.0f} ms after it")
    return wrong


class _Acknowledged(NamedTuple):
    """From which to which decision, and moment, an acknowledgement held: until a rise ends it."""

    first: float
    begin_ms: float
    last: float = math.inf
    end_ms: float = math.inf


def _acknowledged(decisions: Decisions) -> dict[str, list[_Acknowledged]]:
    """Return when each episode was acknowledged."""
    spans: dict[str, list[_Acknowledged]] = defaultdict(list)
    for place, one in enumerate(decisions):
        of = spans[one["breach_id"]]
        if _acknowledges(one):
            of.append(_Acknowledged(place, one["now_ms"]))
        elif of and of[-1].last == math.inf and _rises(one):
            of[-1] = of[-1]._replace(last=place, end_ms=one["now_ms"])
    return spans


def _acknowledges(one: dict[str, Any]) -> bool:
    return bool(one["reason"] == "command_done" and one["cause"]["kind"] == "command")


def _rises(one: dict[str, Any]) -> bool:
    """Whether a breach is decided about as one that pages: else `acknowledged` or `updated`."""
    pages = one["event"] in _PAGES and one["reason"] != "acknowledged"
    return bool(pages and one["cause"]["kind"] == "breach")


def _drops(one: dict[str, Any]) -> bool:
    return bool(one["reason"] == "acknowledged" and one["delivery"] is not None)


def violations(decisions: Decisions) -> list[str]:
    """Return the openings that were sent within a cooldown of another episode's."""
    last: dict[tuple[str, str], dict[str, Any]] = {}
    wrong = []
    for one in sorted(filter(_sent, decisions), key=lambda one: one["now_ms"]):
        if one["event"] not in ("opened", "severity_raised"):
            continue
        key = (one["channel"], one["fingerprint"])
        before = last.get(key)
        if (
            before is not None
            and before["breach_id"] != one["breach_id"]
            and one["now_ms"] - before["now_ms"] < COOLDOWN_MS
            and _rank(one) <= _rank(before)
        ):
            wrong.append(f"{key}: {before['breach_id']}, then {one['breach_id']}")
        last[key] = one
    return wrong


def violations_seen(hook: list[Arrived]) -> list[str]:
    """Return the episodes that the hook heard begin within the cooldown of the one before."""
    begun: dict[tuple[str, str], tuple[float, str]] = {}
    wrong = []
    for arrived in hook:
        for alert in _alerts(arrived):
            if alert["status"] != "firing":
                continue
            name, episode = alert["fingerprint"], alert["startsAt"]
            if (name, episode) in begun:
                continue
            severity = alert["labels"]["severity"]
            for (other, _), (at, milder) in begun.items():
                within = (arrived.at - at) * 1000 < COOLDOWN_MS - _SLACK_MS
                rises = SEVERITIES.index(severity) > SEVERITIES.index(milder)
                if other == name and within and not rises:
                    wrong.append(f"{name} {episode}: {arrived.at - at:.1f} s after the one before")
            begun[name, episode] = (arrived.at, severity)
    return wrong


def duplicates(decisions: Decisions, got: dict[str, list[Arrived]]) -> tuple[int, list[str]]:
    """Return how many messages came again, and which of them without a claim left open."""
    repeats = Counter(
        (name, arrived.headers.get("webhook-id") or arrived.body.decode())
        for name, arrivals in got.items()
        for arrived in arrivals
    )
    again = {key: count - 1 for key, count in repeats.items() if count > 1}
    lapsed = _lapsed(decisions)
    known = {f"msg_{one}" for one in _messages(decisions, lapsed)}
    unexplained = [
        f"{name} {message}" for name, message in again if name == "hook" and message not in known
    ]
    if (total := sum(again.values())) > lapsed_attempts(decisions):
        unexplained.append(f"{total} repeats, {lapsed_attempts(decisions)} claims left open")
    return total, unexplained


def lapsed_attempts(decisions: Decisions) -> int:
    """Return how many claims nobody closed."""
    return sum(_is_lapse(one) for one in decisions)


def _lapsed(decisions: Decisions) -> set[str]:
    """Return the batches (`parcel` in a record) with a lease that nobody closed."""
    return {one["parcel"] for one in decisions if _is_lapse(one)}


def _is_lapse(one: dict[str, Any]) -> bool:
    return one["reason"] in ("retry", "gave_up") and one["cause"]["kind"] == "tick"


def _messages(decisions: Decisions, batches: set[str]) -> set[str]:
    """Return how the messages of batches are named on the wire."""
    members: dict[str, set[str]] = defaultdict(set)
    for one in decisions:
        if _sent(one) and one["parcel"] in batches:
            members[one["parcel"]].add(one["delivery"])
    return {
        next(iter(ids)) if len(ids) == 1 else digest("batch", batch, *sorted(ids))
        for batch, ids in members.items()
    }


def _alerts(arrived: Arrived) -> list[dict[str, Any]]:
    alerts: list[dict[str, Any]] = json.loads(arrived.body)["alerts"]
    return alerts


def _sent(one: dict[str, Any]) -> bool:
    return bool(one["reason"] == "sent")


def _rank(one: dict[str, Any]) -> int:
    return SEVERITIES.index(one["severity"])
