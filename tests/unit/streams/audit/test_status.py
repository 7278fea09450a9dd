"""The topics' records say how alerts, silences and channels stand."""

from streams.alerting.inputs import why_gone
from streams.audit.status import alert_status, alert_statuses, channels_gone, silence_statuses
from tests.unit.streams.audit.samples import FINGERPRINT, HOUR_MS, ROUTING
from tests.unit.streams.story_samples import OPENED_MS, Records, resolved


def told_of(records: Records) -> dict[str, str]:
    found = alert_status(records.log, FINGERPRINT, records.now_ms)
    return {one.channel: one.state for one in found.channels}


# ------------------------------------------------------------------ alerts


def test_a_breach_nobody_has_decided_about_says_so(records: Records):
    records.breached()

    found = alert_status(records.log, FINGERPRINT, records.now_ms)

    assert found.state == "firing"
    assert [(one.channel, one.state) for one in found.channels] == [
        ("slack_engineering", "undecided")
    ]
    assert "does an alert worker run?" in found.channels[0].sentence


def test_each_channel_says_whether_it_was_told(records: Records):
    records.breached(routing=ROUTING)
    records.told("slack_engineering")
    records.decided("below_severity", "engineering_email")

    assert told_of(records) == {"slack_engineering": "sent", "engineering_email": "not_sent"}


def test_who_was_told_once_stays_told(records: Records):
    records.breached()
    records.told("slack_engineering")
    records.decided("duplicate", "slack_engineering")
    records.decided("cooldown", "slack_engineering")

    assert told_of(records) == {"slack_engineering": "sent"}


def test_a_decision_about_all_channels_is_about_each(records: Records):
    records.breached(routing=ROUTING)
    records.decided("silenced")

    assert told_of(records) == {"slack_engineering": "not_sent", "engineering_email": "not_sent"}


def test_what_is_given_up_is_not_told_until_it_gets_through(records: Records):
    records.breached()
    records.decided("due", "slack_engineering", delivery="d", parcel="d")
    assert told_of(records) == {"slack_engineering": "pending"}
    records.decided("gave_up", "slack_engineering", delivery="d", parcel="d")
    assert told_of(records) == {"slack_engineering": "failed"}
    records.told("slack_engineering")
    assert told_of(records) == {"slack_engineering": "sent"}


def test_opened_and_resolved_in_one_message_is_told(records: Records):
    records.breached()
    records.decided("due", "slack_engineering", delivery="d", parcel="d")
    records.breached(resolved())
    records.decided("cancelled", "slack_engineering", delivery="d", parcel="d")
    records.told("slack_engineering", event="resolved", delivery="e", parcel="e")

    found = alert_status(records.log, FINGERPRINT, records.now_ms)

    assert found.state == "resolved"
    assert told_of(records) == {"slack_engineering": "sent"}
    assert found.channels[0].resolved_ms == records.now_ms


def test_an_earlier_episodes_message_tells_nobody_of_this_one(records: Records):
    records.breached(id="first")
    records.told("slack_engineering")
    records.breached(resolved(id="first"))
    later = OPENED_MS + HOUR_MS
    records.breached(id="second", since_ms=later, opened_ms=later)
    records.decided("cooldown", "slack_engineering")

    assert told_of(records) == {"slack_engineering": "not_sent"}


def test_a_message_shared_with_another_alert_counts_for_both(records: Records):
    records.breached()
    records.decided("grouped", "slack_engineering", delivery="d", parcel="shared")
    records.decided(
        "sent",
        "slack_engineering",
        delivery="other",
        parcel="shared",
        fingerprint="other",
        breach_id="another",
        attempt=1,
    )

    assert told_of(records) == {"slack_engineering": "sent"}


def test_the_larger_revision_stands_whatever_comes_last(records: Records):
    records.breached(resolved())
    records.breached()

    assert alert_status(records.log, FINGERPRINT, records.now_ms).state == "resolved"


def test_an_acknowledgement_counts_once_it_is_done_and_for_its_episode_only(records: Records):
    records.breached()
    records.asked("acknowledge", comment="on it")
    assert alert_status(records.log, FINGERPRINT, records.now_ms).state == "firing"
    records.decided("command_done")
    found = alert_status(records.log, FINGERPRINT, records.now_ms)
    assert (found.state, found.by, found.comment) == ("acknowledged", "ada", "on it")

    later = OPENED_MS + HOUR_MS
    records.breached(id="later", since_ms=later, opened_ms=later)
    assert alert_status(records.log, FINGERPRINT, records.now_ms).state == "firing"


def test_what_gets_worse_is_acknowledged_no_more(records: Records):
    records.breached()
    records.asked("acknowledge")
    records.decided("command_done")
    records.breached(revision=2, state="updated", why="confirmed")
    assert alert_status(records.log, FINGERPRINT, records.now_ms).state == "acknowledged"
    records.breached(revision=3, state="updated", why="severity_changed", severity="critical")
    assert alert_status(records.log, FINGERPRINT, records.now_ms).state == "firing"


def test_what_needs_somebody_stands_first(records: Records):
    for name, severity in (("a", "low"), ("b", "critical"), ("c", "high")):
        records.breached(id=name, fingerprint=name, severity=severity)
    records.breached(resolved(id="d", fingerprint="d", severity="critical"))

    order = [one.breach.fingerprint for one in alert_statuses(records.log, records.now_ms)]

    assert order == ["b", "c", "a", "d"]


# ------------------------------------------------------------------ silences


def test_a_silence_goes_from_unanswered_over_active_to_ended(records: Records):
    records.breached()
    records.asked("silence", id="quiet")
    assert _state(records) == "unanswered"
    records.decided("command_done")
    assert _state(records) == "active"
    assert alert_status(records.log, FINGERPRINT, records.now_ms).state == "silenced"
    records.asked("end_silence", silence="quiet")
    assert _state(records) == "active"
    records.decided("command_done")
    assert _state(records) == "ended"
    assert alert_status(records.log, FINGERPRINT, records.now_ms).state == "firing"


def test_a_silence_waits_expires_or_is_refused(records: Records):
    start = records.now_ms + HOUR_MS
    records.asked("silence", start_ms=start, end_ms=start + HOUR_MS)
    records.decided("command_done")
    assert _state(records) == "pending"
    assert _state(records, start) == "active"
    assert _state(records, start + HOUR_MS) == "expired"
    other = Records()
    other.asked("silence")
    other.decided("command_refused")
    assert _state(other) == "refused"


def _state(records: Records, now_ms: int | None = None) -> str:
    (found,) = silence_statuses(records.log, now_ms or records.now_ms)
    return found.state


# ------------------------------------------------------------------ channels


def test_a_channel_is_gone_from_its_410_until_it_takes_a_message():
    records = Records()
    of_nobody = records.decision("no_channel")
    refused = records.decision("gave_up", "hook", gave_up="refused")
    gone = records.decision("gave_up", "hook", gave_up="channel_gone")
    other = records.decision("sent", "slack")
    taken = records.decision("sent", "hook")
    assert channels_gone([of_nobody, refused]) == {}
    assert channels_gone([gone, other]) == {"hook": why_gone("hook")}
    assert channels_gone([gone, refused, taken]) == {}
