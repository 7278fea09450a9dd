"""Show the page behind an acknowledge link: a GET shows how the alert stands, only its POST acts.

Mail scanners and chat previews fetch links; they must not acknowledge anything.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from html import escape
from urllib.parse import parse_qsl

import structlog
from aiohttp import web
from aiokafka.errors import KafkaError

from agents.alert.ack_links import PATH, BadLink, Grant, Links, command
from agents.alert.clock import now_ms
from schemas.commands import Acknowledge
from schemas.notifications import Notification
from streams.alerting.engine import AlertView
from streams.channels import wording
from streams.channels.request import FORM
from streams.channels.text_format import fit, moment, one_line

log = structlog.get_logger()

_MAX_NAME = 200
_MAX_COMMENT = 1000
_MAX_SHOWN = 2000
#: What a form with a name and a comment takes, each letter written as `%F0%9F%98%80`.
_MAX_BODY = 16 * 1024
_MAX_FIELDS = 10
#: Whoever sends so slowly is let go.
_BODY_S = 10.0
#: Nothing is loaded, nothing frames the page, and the link goes to no other site.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>opwatch</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:3rem auto;padding:0 1rem}}
input,button{{font:inherit;padding:.4rem .6rem;margin:.2rem 0}}
th{{text-align:left;vertical-align:top;padding-right:1rem;font-weight:normal;color:#666}}
td{{overflow-wrap:anywhere}}</style></head>
<body>{body}</body></html>
"""
_FORM = """<p>Nobody else is notified and nothing escalates while you work on it.</p>
<form method="post"><p><label>Your name<br><input name="by" maxlength="200" required></label></p>
<p><label>Comment<br><input name="comment" maxlength="1000"></label></p>
<button>Acknowledge</button></form>"""
_STANDS_BY = "This worker stands by, so it does not know how the alert stands."
_UNKNOWN = "Nothing is facts of this alert any more: it was over long ago."


class Pages:
    """The routes of acknowledge links."""

    def __init__(
        self,
        links: Links,
        ask: Callable[[Acknowledge], Awaitable[Notification | None]],
        alert: Callable[[str], AlertView | None],
        on_duty: Callable[[], bool],
    ) -> None:
        """Acknowledge by a command.

        Args:
            links: reads the links.
            ask: publishes the command and returns what was decided, None if nothing was in time.
            alert: returns how the alert of a fingerprint stands, if this worker knows it.
            on_duty: whether this worker knows how alerts stand.
        """
        self._links = links
        self._ask = ask
        self._alert = alert
        self._on_duty = on_duty

    @property
    def routes(self) -> list[web.RouteDef]:
        """What to serve."""
        place = PATH + "{token}"
        return [web.get(place, self._show), web.post(place, self._acknowledge)]

    async def _show(self, request: web.Request) -> web.Response:
        grant = self._grant(request)
        return _page(self._alert_page(grant))

    async def _acknowledge(self, request: web.Request) -> web.Response:
        grant = self._grant(request)
        form = await _form(request)
        by, comment = form.get("by", "")[:_MAX_NAME], form.get("comment", "")[:_MAX_COMMENT]
        if not by:
            raise _refused(web.HTTPBadRequest, "Who are you? Go back and write your name.")
        try:
            decision = await self._ask(command(grant, by, comment, now_ms()))
        except (KafkaError, TimeoutError, OSError) as error:
            log.warning("an acknowledgement cannot be published", error=repr(error))
            why = (
                "Kafka has not taken the acknowledgement in time. Try again: to send it twice does"
                " no harm."
            )
            raise _refused(web.HTTPServiceUnavailable, why) from None
        if decision is None:
            why = (
                "No alert worker has decided about it yet. Your acknowledgement is on record and"
                " counts as soon as one runs; open the link again to see."
            )
            return _page(f"<h1>Not decided yet</h1><p>{why}</p>", 202)
        log.info(
            "acknowledge link used",
            fingerprint=grant.fingerprint,
            by=by,
            decision=decision.reason,
        )
        refused = decision.reason == "command_refused"
        return _page(self._alert_page(grant, decision), 409 if refused else 200)

    def _alert_page(self, grant: Grant, decision: Notification | None = None) -> str:
        """Return the page of an alert as it stands, with a form if it can be acknowledged."""
        rule = _shown(grant.rule)
        decided = f"<p>{_shown(decision.sentence)}</p>" if decision is not None else ""
        facts = _table({"Rule": grant.rule, "Series": grant.series})
        if not self._on_duty():
            if decision is None:
                return f"<h1>Acknowledge {rule}?</h1>{facts}<p>{_STANDS_BY}</p>{_FORM}"
            refused = decision.reason == "command_refused"
            return f"<h1>{rule} is {'not ' if refused else ''}acknowledged</h1>{decided}{facts}"
        alert = self._alert(grant.fingerprint)
        if alert is None:
            return f"<h1>{rule} is over</h1>{decided}{facts}<p>{_UNKNOWN}</p>"
        title, note, form = _about(grant, alert)
        note = f"<p>{_shown(note)}</p>" if note else ""
        return f"<h1>{title}</h1>{decided}{note}{_table(_facts(alert))}{form}"

    def _grant(self, request: web.Request) -> Grant:
        try:
            return self._links.read(request.match_info["token"], now_ms())
        except BadLink as bad:
            raise _refused(web.HTTPForbidden, str(bad)) from None


def _about(grant: Grant, alert: AlertView) -> tuple[str, str, str]:
    """Return title, note and form."""
    rule = _shown(grant.rule)
    if alert.phase == "resolved":
        return f"{rule} is over", "There is nothing to acknowledge.", ""
    if alert.breach.id != grant.breach_id:
        note = (
            "This link is about an episode that is over; the alert has opened again since. The"
            " message about the new one has a link of its own."
        )
        return f"{rule} fires again", note, ""
    if alert.phase == "acknowledged":
        return f"{rule} is acknowledged by {_shown(alert.acknowledged_by)}", "", ""
    return f"Acknowledge {rule}?", "", _FORM


def _facts(alert: AlertView) -> dict[str, str]:
    """Return what a person needs to know of an alert before taking it."""
    breach = alert.breach
    facts = {
        "Alert": wording.name(breach),
        "State": alert.phase,
        "Severity": breach.severity,
        "Opened": moment(breach.opened_ms),
    }
    if alert.phase == "acknowledged":
        facts |= {"Acknowledged by": alert.acknowledged_by, "Since": moment(alert.since_ms)}
    if breach.resolved_ms is not None:
        facts["Resolved"] = moment(breach.resolved_ms)
    return facts | {"What happened": breach.summary}


def _table(facts: Mapping[str, str]) -> str:
    rows = "".join(
        f"<tr><th>{name}</th><td>{_shown(text)}</td></tr>" for name, text in facts.items()
    )
    return f"<table>{rows}</table>"


async def _form(request: web.Request) -> dict[str, str]:
    """Return the form's fields, each in one line and once.

    Raises:
        web.HTTPClientError: it is none, or too large.
    """
    if request.content_type != FORM:
        why = f"What was sent is no form: its content type has to be {FORM}."
        raise _refused(web.HTTPUnsupportedMediaType, why)
    too_large = "What was sent is larger than a name and a comment."
    if (request.content_length or 0) > _MAX_BODY:
        raise _refused(web.HTTPBadRequest, too_large)
    body = b""
    try:
        async with asyncio.timeout(_BODY_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > _MAX_BODY:
                    raise _refused(web.HTTPBadRequest, too_large)
    except web.RequestPayloadError:
        raise _refused(web.HTTPBadRequest, "What was sent cannot be decoded.") from None
    except TimeoutError:
        raise _refused(web.HTTPRequestTimeout, "The form did not arrive in time.") from None
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise _refused(web.HTTPBadRequest, "What was sent cannot be read as a form.") from None
    fields = {name: one_line(text) for name, text in pairs}
    if len(fields) < len(pairs):
        raise _refused(web.HTTPBadRequest, "A field of the form was sent twice.")
    return fields


def _refused(kind: type[web.HTTPException], why: str) -> web.HTTPException:
    """Return an answer that says why nothing was done."""
    text = _PAGE.format(body=f"<h1>Nothing was acknowledged</h1><p>{_shown(why)}</p>")
    return kind(text=text, content_type="text/html", headers=HEADERS)


def _shown(text: str) -> str:
    return escape(fit(one_line(text), _MAX_SHOWN))


def _page(body: str, status: int = 200) -> web.Response:
    return web.Response(
        text=_PAGE.format(body=body), status=status, content_type="text/html", headers=HEADERS
    )
