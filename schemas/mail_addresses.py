"""Read a mail address as the rule file writes it: `a@b`, `Name <a@b>`, also with an IDN.

The check of the rule file and the sender read addresses here, so that what is checked can be sent.
"""

import re
import unicodedata
from dataclasses import dataclass

#: https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1: octets.
MAX_LOCAL = 64
MAX_ADDRESS = 254
_MAX_DOMAIN = 253

_WRITTEN = re.compile(
    r'\s*(?:"(?P<quoted>(?:[^"\\]|\\["\\])*)"|(?P<plain>[^"<>@,;\\]*))\s*<(?P<inside>[^<>]*)>\s*'
)
#: A dot-atom, by RFC 6532 also with letters beyond ASCII.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LOCAL = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")


class NoMailAddress(ValueError):
    """A text is no mail address; the message says what to write."""


@dataclass(frozen=True, kw_only=True)
class MailAddress:
    """Where mail goes, and the name that stands before it."""

    name: str
    local: str
    domain: str
    """In ASCII: an IDN as xn--…."""

    @property
    def bare(self) -> str:
        """The address without its name, as SMTP carries it."""
        return f"{self.local}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only servers with SMTPUTF8 take it: the part before the @ is not ASCII."""
        return not self.local.isascii()


def mail_address(written: str) -> MailAddress:
    """Return the address of a text.

    Raises:
        NoMailAddress: it is none.
    """
    match = _WRITTEN.fullmatch(written)
    name, bare = "", written.strip()
    if match is not None:
        name = re.sub(r"\\(.)", r"\1", match["quoted"] or "") or (match["plain"] or "").strip()
        bare = match["inside"].strip()
    local, _, domain = bare.rpartition("@")
    domain = _in_ascii(domain)
    fits = len(local.encode()) <= MAX_LOCAL and len(f"{local}@{domain}".encode()) <= MAX_ADDRESS
    printable = (name + local).isprintable() and not any(map(str.isspace, local))
    if not (fits and printable and _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain)):
        message = "is no mail address: write name@example.com, or Name <name@example.com>"
        raise NoMailAddress(message)
    return MailAddress(name=name, local=unicodedata.normalize("NFC", local), domain=domain)


def _in_ascii(domain: str) -> str:
    """Return a domain as name servers know it; empty if it is none.

    Raises:
        NoMailAddress: the two versions of IDNA read it differently.
    """
    if domain.isascii():
        return domain.lower() if len(domain) <= _MAX_DOMAIN else ""
    try:
        encoded = domain.encode("idna").decode()
        read_back = encoded.encode().decode("idna")
    except UnicodeError:
        return ""
    if read_back != unicodedata.normalize("NFKC", domain).lower():
        # Python's codec is IDNA 2003, which writes ß as ss: another domain since IDNA 2008.
        message = "is no mail address: write its domain in ASCII (xn--…)"
        raise NoMailAddress(message)
    return encoded
