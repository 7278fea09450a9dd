"""Say how each alert stands: firing, acknowledged, silenced or resolved, and who was told."""

from dataclasses import dataclass
from typing import Literal

from schemas.breaches import Breach
from schemas.commands import Acknowledge, EndSilence, Silence
from schemas.matchers import matches
from schemas.rules import SEVERITIES
from streams.alerting.silences import labels_of
from streams.audit.log import Log
from streams.audit.tellings import Telling, tellings

State = Literal["firing", "acknowledged", "silenced", "resolved"]
SilenceState = Literal["active", "pending", "expired", "ended", "refused", "unanswered"]
_ORDER: tuple[State, ...] = ("firing", "acknowledged", "silenced", "resolved")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How an alert's newest episode stands."""

    breach: Breach
    state: State
    by: str
    """Who acknowledged or silenced it."""
    comment: str
    until_ms: int | None
    """When the silence ends."""
    tellings: tuple[Telling, ...]


@dataclass(frozen=True, kw_only=True)
class SilenceStanding:
    """How a silence stands."""

    silence: Silence
    state: SilenceState
    end_ms: int
    """Earlier than the silence's own if it was ended."""
    ended_by: str
    sentence: str
    """What the alert role answered."""


def standings(log: Log, now_ms: int) -> list[Standing]:
    """Return all alerts: what needs somebody first, of those the worst, then the oldest."""
    quiet = [one for one in silences(log, now_ms) if one.state == "active"]
    found = [_standing(log, fingerprint, quiet) for fingerprint in log.breaches]
    return sorted(found, key=_urgency)


def standing(log: Log, fingerprint: str, now_ms: int) -> Standing:
    """Return how one alert stands.

    Raises:
        KeyError: there is none.
    """
    log.newest(fingerprint)
    return next(one for one in standings(log, now_ms) if one.breach.fingerprint == fingerprint)


def silences(log: Log, now_ms: int) -> list[SilenceStanding]:
    """Return all silences in the order they were asked for."""
    ended = {
        told.command.silence: told for told in log.done() if isinstance(told.command, EndSilence)
    }
    found = []
    for offset, told in log.commands.items():
        silence = told.command
        if not isinstance(silence, Silence):
            continue
        answer, end = log.answers.get(offset), ended.get(silence.id)
        end_ms = silence.end_ms if end is None else min(silence.end_ms, end.at_ms)
        state: SilenceState
        if answer is None:
            state = "unanswered"
        elif answer.reason == "command_refused":
            state = "refused"
        elif end is not None and end_ms <= now_ms:
            state = "ended"
        elif end_ms <= now_ms:
            state = "expired"
        else:
            state = "pending" if now_ms < silence.start_ms else "active"
        found.append(
            SilenceStanding(
                silence=silence,
                state=state,
                end_ms=end_ms,
                ended_by="" if end is None else end.command.by,
                sentence="" if answer is None else answer.sentence,
            )
        )
    return found


def _standing(
    log: Log,
    fingerprint: str,
    quiet: list[SilenceStanding],
) -> Standing:
    breach = log.newest(fingerprint)
    labels = labels_of(breach)
    silence = next((one for one in quiet if matches(one.silence.matchers, labels)), None)
    by = log.acknowledgement(fingerprint)
    state: State = "firing"
    command: Acknowledge | Silence | None = None
    if breach.state == "resolved":
        state = "resolved"
    elif by is not None:
        state, command = "acknowledged", by
    elif silence is not None:
        state, command = "silenced", silence.silence
    return Standing(
        breach=breach,
        state=state,
        by="" if command is None else command.by,
        comment="" if command is None else command.comment,
        until_ms=silence.end_ms if silence is not None and state == "silenced" else None,
        tellings=tuple(tellings(breach, log.about(fingerprint))),
    )


def _urgency(one: Standing) -> tuple[int, int, int]:
    breach = one.breach
    if one.state == "resolved":
        return _ORDER.index("resolved"), 0, -(breach.resolved_ms or 0)
    return _ORDER.index(one.state), -SEVERITIES.index(breach.severity), breach.opened_ms
