"""Write a mail's headers: text beyond ASCII by whole encoded words, and addresses.

Python's own folding (`email.policy`) leaves empty encoded words, and blanks between two of them
that readers see: a provider refuses such a mail.
"""

from collections.abc import Iterable
from email.charset import BASE64, Charset
from email.header import Header
from email.utils import quote

from schemas.mail_addresses import MailAddress
from streams.channels.text_format import one_line

LINE_END = "\r\n"
#: https://www.rfc-editor.org/rfc/rfc2047#section-2: a line with an encoded word, and the word.
_MAX_LINE = 75
_UTF8 = Charset("utf-8")
_UTF8.header_encoding = BASE64
#: What would be read as an encoded word that nobody wrote.
_LOOKS_ENCODED = "=?"


def text_header(name: str, value: str) -> str:
    """Return the header's lines: a reader reads the value, as one line."""
    return f"{name}: {_folded(one_line(value), f'{name}: ')}{LINE_END}"


def address_header(name: str, addresses: Iterable[MailAddress]) -> str:
    """Return the header's lines: an address each."""
    listed = f",{LINE_END} ".join(map(_shown, addresses))
    return f"{name}: {listed}{LINE_END}"


def _shown(address: MailAddress) -> str:
    name = one_line(address.name)
    if not name:
        return address.bare
    if name.isascii() and _LOOKS_ENCODED not in name:
        return f'"{quote(name)}"{LINE_END} <{address.bare}>'
    return f"{_folded(name, ' ')}{LINE_END} <{address.bare}>"


def _folded(value: str, before: str) -> str:
    """Return the value in lines, the first of which has room for what stands before it."""
    is_plain = value.isascii() and _LOOKS_ENCODED not in value
    charset = Charset("us-ascii") if is_plain else _UTF8
    # Header wants the name without its colon and blank, which it counts.
    header = Header(value, charset, maxlinelen=_MAX_LINE, header_name=before[:-2] or None)
    return header.encode(linesep=LINE_END)
