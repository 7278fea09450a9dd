"""No attempt to send begins after the decision that forbids it, whatever happens in between."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.commands import Acknowledge, EndSilence, Silence
from tests.effort import examples
from tests.properties.alerting_shell import RANK, SEEDS, shell


class Forbidden:
    """What the records alone say of which pages may not be sent: a model of its own."""

    def __init__(self):
        self.alerts, self.silences = {}, {}

    def copy(self):
        """Return what is known now: records are never changed, what is known of them is."""
        return {
            "alerts": {key: known.copy() for key, known in self.alerts.items()},
            "silences": {key: known.copy() for key, known in self.silences.items()},
        }

    def restore(self, copy):
        """Know again what a copy knows, which stays as it is."""
        self.__dict__.update(copy)
        self.__dict__.update(self.copy())

    def take(self, given_, now_ms):
        one = getattr(given_, "breach", None) or getattr(given_, "command", None)
        if hasattr(one, "rule"):
            self._breach(one, now_ms)
        elif isinstance(one, Acknowledge):
            known = self.alerts.get(one.fingerprint)
            if known and known["breach"].id == one.breach_id and known["state"] == "firing":
                known["state"] = "acknowledged"
        elif isinstance(one, Silence) and one.end_ms > now_ms:
            self.silences[one.id] = [one, one.end_ms]
        elif isinstance(one, EndSilence) and one.silence in self.silences:
            silence = self.silences[one.silence]
            silence[1] = min(silence[1], now_ms)

    def _breach(self, one, now_ms):
        known = self.alerts.get(one.fingerprint)
        same = known is not None and known["breach"].id == one.id
        if same and one.revision <= known["breach"].revision:
            return
        rises = same and RANK[one.severity] > RANK[known["breach"].severity]
        state = "firing" if not same or rises else known["state"]
        if one.state == "resolved":
            state = "resolved"
        self.alerts[one.fingerprint] = {"breach": one, "state": state}

    def why(self, one, channel, now_ms):
        known = self.alerts.get(one.fingerprint)
        if known is None:
            return None
        newest = known["breach"]
        if (newest.since_ms, newest.revision) > (one.since_ms, one.revision):
            return f"it is at {newest.id}/{newest.revision}"
        if newest != one:
            return None  # a crash cut the writes short, and this alert's row was among the written
        if known["state"] != "firing":
            return known["state"]
        for silence, end_ms in self.silences.values():
            pattern = silence.matchers[0].value
            if silence.start_ms <= now_ms < end_ms and re.fullmatch(
                pattern, one.labels.get("platform", "")
            ):
                return "silenced"
        if one.kind != "service_status" and one.labels.get("service") == "x":
            service = self.alerts.get("fp-svc")
            if (
                service
                and service["state"] != "resolved"
                and service["breach"].evidence["status"] == "down"
            ):
                return "inhibited"
        if channel == "pager" and RANK[one.severity] < RANK["high"]:
            return "below severity"
        return None


@settings(max_examples=examples(60))
@given(SEEDS, st.sampled_from([0.3, 0.7, 0.95]), st.sampled_from([0.0, 0.05]))
def test_no_attempt_begins_after_the_decision_that_forbids_it(seed, troubles, kills):
    world = shell(seed, troubles=troubles, kills=kills)
    known, wrong = Forbidden(), []
    give, flush, claim = world.give, world.flush, world.alerting.next_attempt

    def given_too(given_):
        known.take(given_, world.now)
        return give(given_)

    def flushed():
        lived = flush()
        if lived:
            flushed.known = known.copy()
        return lived

    flushed.known = known.copy()

    def claimed(channel, now_ms, *more):
        attempt = claimed.real(channel, now_ms, *more)
        if attempt is not None and attempt.message.event not in ("resolved", "acknowledged"):
            message = attempt.message
            for one in (message.breach, *message.others):
                if one.state == "resolved":
                    continue
                why = known.why(one, channel, now_ms)
                if why and not (kills and why in ("silenced", "inhibited")):  # an end is read twice
                    wrong.append((channel, now_ms, message.event, one.id, one.revision, why))
        return attempt

    claimed.real = claim
    world.give, world.flush = given_too, flushed
    start = world.start

    def started():
        start()
        known.restore(flushed.known)  # what was not written is read again
        claimed.real = world.alerting.next_attempt
        world.alerting.next_attempt = claimed
        return world

    world.start, world.alerting.next_attempt = started, claimed
    world.finish()
    assert wrong == []
    assert sum(world.alerting.queued.values()) == 0
