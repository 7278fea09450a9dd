"""Read a file's lines as text, in the encoding that it has or that a person named."""

import codecs
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

UTF_8 = "utf-8"
#: The longer marks first: UTF-32's begins as UTF-16's does.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, UTF_8),
)
_GZIP = b"\x1f\x8b"
_PIECE = 1024 * 1024


class UnusableFile(Exception):
    """Nothing of the file can be read; the sentence says why."""


class NotText(ValueError):
    """A line is not of the encoding."""


def is_encoding(encoding: str) -> bool:
    """Return whether an encoding of texts has this name."""
    try:
        "".encode(encoding)
    except (LookupError, ValueError):
        return False
    return True


def in_utf8(file: BinaryIO, encoding: str | None) -> tuple[BinaryIO, str]:
    """Return a file of which lines can be cut at line ends, and its encoding.

    That is the same file, or a copy if its encoding has line ends of several bytes.

    Args:
        file: seekable, at its start.
        encoding: None: as its first bytes say, else UTF-8.

    Raises:
        UnusableFile: it is not of the encoding, or it is compressed.
        OSError: the copy does not fit on the disk.
    """
    head = file.read(4)
    file.seek(0)
    if head.startswith(_GZIP):
        raise UnusableFile("it is compressed: zcat it, and name - as the file")
    if encoding is None:
        encoding = next((name for mark, name in _MARKS if head.startswith(mark)), UTF_8)
        if encoding == UTF_8 and 0 in head[:2]:
            encoding = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    if codecs.encode("a\n", encoding) == b"a\n":
        return file, encoding
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the reading
    decode = codecs.getincrementaldecoder(encoding)().decode
    try:
        while piece := file.read(_PIECE):
            copy.write(decode(piece).encode())
        copy.write(decode(b"", final=True).encode())
    except UnicodeError as error:
        copy.close()
        raise UnusableFile(f"it is not {encoding}: {error}") from None
    copy.seek(0)
    return copy, UTF_8


class TextLines:
    """The lines of a file, each with its end; a line that is not of the encoding costs no other."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self.number = 0
        """The number of the last line that was read."""
        self.consumed = 0
        """Bytes read so far."""
        self._file = file
        self._encoding = encoding

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """Return the next line.

        Raises:
            NotText: it is not of the encoding.
        """
        line = next(self._file)
        self.number += 1
        self.consumed += len(line)
        return text_of(without_mark(line) if self.number == 1 else line, self._encoding)


def text_of(line: bytes, encoding: str) -> str:
    """Return a line as text.

    Raises:
        NotText: it is not of the encoding.
    """
    try:
        return line.decode(encoding)
    except UnicodeDecodeError as error:
        byte = line[error.start]
        advice = " (--encoding cp1252 if Windows wrote it)" if encoding == UTF_8 else ""
        raise NotText(
            f"byte {error.start + 1} is 0x{byte:02X}, which is not {encoding}{advice}"
        ) from None


def without_mark(line: bytes) -> bytes:
    """Return a file's first line without the mark of UTF-8."""
    return line.removeprefix(codecs.BOM_UTF8)
