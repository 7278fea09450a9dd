"""Read secrets from the environment or from files, and keep them out of whatever is written.

`SLACK_WEBHOOK_URL` holds the value; `SLACK_WEBHOOK_URL_FILE` names a file that does. As for the
settings, a file `.env` in the working directory may hold either; the environment wins.
"""

import json
import os
import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from agents.runtime import channel_variables
from agents.runtime.masking import MASK, redactor
from agents.runtime.settings import own_variables

#: A part of a webhook's URL that is shorter is a word rather than a token.
_MIN_TOKEN = 8
#: A shorter secret would mask half of every word.
_MIN_SECRET = 4
MAX_MASKED = 2000


class MissingSecret(Exception):
    """A secret is missing or cannot be one; the text names the variable and never its value."""


class NotAllowed(MissingSecret):
    """The deployment does not let a channel read a variable, or send its value there."""

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.field = field
        """Of the channel that is wrong, if it is known."""


class Secrets:
    """The variables that hold secrets, and that channels may read. Its repr shows none."""

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        dotenv: str = ".env",
        allowed: str = channel_variables.DEFAULT,
    ) -> None:
        """Read the environment.

        Args:
            environ: in place of the process's and the file's.
            dotenv: a file with more.
            allowed: what OPWATCH_CHANNEL_VARIABLES says.
        """
        self._allowed = channel_variables.patterns(allowed)
        self._ours = own_variables()
        if environ is None:
            held = {name: value for name, value in dotenv_values(dotenv).items() if value}
            environ = held | dict(os.environ)
        self._environ = environ

    def get(self, name: str) -> SecretStr | None:
        """Return the secret, or None if no variable holds or names it.

        Raises:
            NotAllowed: no channel may read it.
            MissingSecret: a file is named and cannot be read.
        """
        self.permit(name)
        if value := self._environ.get(name, "").strip():
            return SecretStr(value)
        path = self._environ.get(f"{name}_FILE", "").strip()
        if not path:
            return None
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise MissingSecret(f"{name}_FILE names a file that cannot be read: {why}.") from None
        return SecretStr(value) if value else None

    def permit(self, name: str, field: str = "") -> None:
        """Do nothing if channels may read the variable.

        Raises:
            NotAllowed: they may not.
        """
        if channel_variables.is_ours(name, self._ours):
            sentence = f"{name} is opwatch's or the system's own: no channel may read it."
            raise NotAllowed(sentence, field)
        if not channel_variables.is_allowed(name, self._allowed):
            sentence = (
                f"OPWATCH_CHANNEL_VARIABLES does not let channels read {name}: add it there, or"
                " choose a name that it allows."
            )
            raise NotAllowed(sentence, field)

    def need(self, name: str) -> SecretStr:
        """Return the secret.

        Raises:
            MissingSecret: there is none.
        """
        if (value := self.get(name)) is None:
            raise MissingSecret(f"Neither {name} nor {name}_FILE is set in the environment.")
        return value

    def need_url(self, name: str) -> SecretStr:
        """Return the secret, which is a URL.

        Raises:
            MissingSecret: there is none, or it is no URL of a web server.
        """
        value = self.need(name)
        try:
            parts = urllib.parse.urlsplit(value.get_secret_value())
            fits = parts.scheme in ("https", "http") and bool(parts.hostname)
            fits = fits and parts.port != 0
        except ValueError:
            fits = False
        if not fits:
            raise MissingSecret(f"{name} is not a URL such as https://example.com/hook.")
        return value


def masking(secrets: Iterable[SecretStr | None]) -> Callable[[str], str]:
    """Return a function that masks the secrets, also the parts of a URL that give it away.

    What it returns is cut to `MAX_MASKED` characters: a receiver may answer at length, and looking
    for what merely looks like a secret takes the square of that.
    """
    values = [secret.get_secret_value() for secret in secrets if secret is not None]
    hidden = [part for value in values for part in (value, *_revealing_parts(value))]
    exact, alike = _exact(hidden), redactor(hidden)
    # First the secrets in all of it, so that no half of one is left where it is cut.
    return lambda text: alike(exact.sub(MASK, text)[:MAX_MASKED])


def _exact(hidden: list[str]) -> re.Pattern[str]:
    forms = {
        form
        for value in hidden
        if len(value) >= _MIN_SECRET
        for form in (value, json.dumps(value)[1:-1], urllib.parse.quote(value, safe=""))
    }
    longest_first = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _revealing_parts(value: str) -> list[str]:
    if "://" not in value:
        return []
    try:
        parts = urllib.parse.urlsplit(value)
    except ValueError:  # as of a password that only looks like one
        return []
    whole = parts.path + (f"?{parts.query}" if parts.query else "")
    tokens = [whole, *parts.path.split("/"), parts.query, parts.username]
    tokens += [item for _, item in urllib.parse.parse_qsl(parts.query)]
    tokens += [item.partition("=")[2] for item in parts.query.split("&")]  # as they are written
    long = [token for token in tokens if token and len(token) >= _MIN_TOKEN]
    password = parts.password or ""  # a secret, however short
    return [*long, password, urllib.parse.unquote(password)]
