"""Decide who may see and who may act: hosts, origins, tokens, sessions, and how often.

A name that resolves to this machine after the page was loaded (DNS rebinding) is none of ours: the
Host is checked. A page of another origin can open a WebSocket and post a form: the Origin is, too.
"""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from agents.runtime.dashboard_settings import is_of_this_machine, listed
from agents.runtime.settings import Settings

Level = Literal["nobody", "reader", "actor"]
SESSION = "opwatch_session"
SESSION_S = 12 * 3600
_PURPOSE = b"opwatch dashboard session 1\0"
_MAX_VALUE = 300
#: Requests of one address: how many at once, and how many a second on average.
_BURST, _PER_SECOND = 300.0, 50.0
#: Wrong tokens of an address.
_TRIES, _TRIES_PER_SECOND = 10.0, 0.1
_ADDRESSES = 4_096
#: Sessions that somebody ended before their time are remembered, as many as this.
_ENDED = 4_096

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Not no-referrer: browsers would say that our own forms come from nowhere.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


class NoToken(Exception):
    """The address is not of this machine, and nobody could prove that they may see it."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"OPWATCH_DASHBOARD_HOST is {host}, which others can reach: set"
            " OPWATCH_DASHBOARD_READ_TOKEN or OPWATCH_DASHBOARD_TOKEN (16 characters or more), or"
            " leave it 127.0.0.1."
        )


class Access(NamedTuple):
    """What a request's sender may do, and how they proved it."""

    level: Level
    by: Literal["nothing", "bearer", "session"]


class Gate:
    """Knows the tokens and the names of this server."""

    def __init__(self, settings: Settings) -> None:
        """Read the settings.

        Raises:
            NoToken: others could reach it, and there is no token.
        """
        self._tokens: dict[Level, bytes] = {}
        if settings.dashboard_read_token is not None:
            self._tokens["reader"] = settings.dashboard_read_token.get_secret_value().encode()
        if settings.dashboard_token is not None:
            self._tokens["actor"] = settings.dashboard_token.get_secret_value().encode()
        host = settings.dashboard_host
        self._is_local = is_of_this_machine(host)
        if not self._is_local and not self._tokens:
            raise NoToken(host)
        self._hosts = {name.lower() for name in listed(settings.dashboard_hosts)}
        if not self._is_local and not _is_address(host):
            self._hosts.add(host.lower())
        self._origins = set(listed(settings.dashboard_origins))
        self._requests = Buckets(_BURST, _PER_SECOND)
        self._tries = Buckets(_TRIES, _TRIES_PER_SECOND)
        self._ended: OrderedDict[str, None] = OrderedDict()

    @property
    def anybody_reads(self) -> bool:
        """Whether nobody has to prove anything to see pages."""
        return self._is_local and "reader" not in self._tokens

    @property
    def can_act(self) -> bool:
        """Whether there is a token with which people act."""
        return "actor" in self._tokens

    def is_our_host(self, host: str | None) -> bool:
        """Return whether a Host header names this server."""
        name = _host_of(host or "")
        if name is None:
            return False
        if name == "localhost" or name in self._hosts:
            return True
        # No name resolves to an address that is written as one.
        return is_of_this_machine(name) or (_is_address(name) and not self._is_local)

    def is_our_origin(self, origin: str | None, host: str | None) -> bool:
        """Return whether a request with an Origin comes from a page of this server."""
        if origin is None or host is None:
            return False
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()

    def may_read_from(self, origin: str | None) -> bool:
        """Return whether pages of another origin may read the API."""
        return origin is not None and origin in self._origins

    def allows_request(self, address: str) -> bool:
        """Return whether an address asks no more often than it may."""
        return self._requests.take(address)

    def access(
        self, authorization: str | None, session: str | None, address: str, now_s: float
    ) -> Access | None:
        """Return what a sender may do; None if they showed a token that is wrong.

        Args:
            authorization: the header.
            session: the cookie's value.
            address: whose wrong tokens are counted.
            now_s: the clock.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() == "bearer":  # another one is a proxy's
            level = self.level_of(token.strip(), address)
            return None if level is None else Access(level, "bearer")
        if session is not None and (found := self._level_of_session(session, now_s)) is not None:
            return Access(found, "session")
        return Access("reader" if self.anybody_reads else "nobody", "nothing")

    def level_of(self, token: str, address: str) -> Level | None:
        """Return what a token allows; None if it is wrong, or too many wrong ones came."""
        if not self._tries.has(address):
            return None
        shown = token.encode("utf-8", "replace")[:_MAX_VALUE]
        for level, expected in self._tokens.items():
            if hmac.compare_digest(shown, expected):
                return level
        self._tries.take(address)
        return None

    def new_session(self, level: Level, now_s: float) -> str:
        """Return the value of a cookie that proves a level until it expires."""
        # Two people who sign in within a second have sessions of their own.
        body = f"{level}.{int(now_s) + SESSION_S}.{secrets.token_hex(8)}"
        return f"{body}.{self._signature(level, body)}"

    def end_session(self, value: str | None, now_s: float) -> None:
        """End the session that a cookie proves, whoever else has the cookie."""
        if value is not None and self._level_of_session(value, now_s) is not None:
            self._ended[value] = None
            if len(self._ended) > _ENDED:
                self._ended.popitem(last=False)

    def still_has(self, access: Access, session: str | None, now_s: float) -> bool:
        """Return whether a sender still has the access they had: a session may have ended."""
        if access.by != "session":
            return True
        return self._level_of_session(session or "", now_s) == access.level

    def _level_of_session(self, value: str, now_s: float) -> Level | None:
        if len(value) > _MAX_VALUE or not value.isascii() or value in self._ended:
            return None
        body, _, signature = value.rpartition(".")
        level, _, rest = body.partition(".")
        expires = rest.partition(".")[0]
        found = next((it for it in self._tokens if it == level), None)
        if found is None or not expires.isdigit() or int(expires) < now_s:
            return None
        expected = self._signature(found, body)
        return found if hmac.compare_digest(signature, expected) else None

    def _signature(self, level: Level, body: str) -> str:
        return hmac.new(self._tokens[level], _PURPOSE + body.encode(), hashlib.sha256).hexdigest()


class Buckets:
    """Counts what addresses do: a bucket each, which fills again with time."""

    def __init__(self, size: float, per_second: float) -> None:
        self._size = size
        self._per_second = per_second
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def has(self, address: str) -> bool:
        """Return whether anything is left in the bucket of an address."""
        return self._now_left(address) >= 1

    def take(self, address: str) -> bool:
        """Take from the bucket of an address; return whether anything was left."""
        left = self._now_left(address)
        took = left >= 1
        self._left[address] = (left - 1 if took else left), time.monotonic()
        self._left.move_to_end(address)
        if len(self._left) > _ADDRESSES:
            self._left.popitem(last=False)
        return took

    def _now_left(self, address: str) -> float:
        left, at_s = self._left.get(address, (self._size, time.monotonic()))
        return min(self._size, left + (time.monotonic() - at_s) * self._per_second)


def _host_of(header: str) -> str | None:
    """Return the name or address of a Host header without its port; None if it is none."""
    try:
        name = urlsplit(f"//{header}").hostname
    except ValueError:
        return None
    if name is None or "@" in header or "/" in header or "?" in header or "#" in header:
        return None
    return name.lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
