"""Decompress a record batch's records, up to a bound."""

import contextlib
import mmap
import struct
import zlib
from collections.abc import Callable
from typing import Any

import cramjam

#: The highest size of a batch's records, decompressed; compressed, a broker takes a megabyte.
MAX_BATCH_BYTES = 64 * 1024 * 1024
#: A buffer that is enough for nearly all batches.
_USUAL_BYTES, _USUAL_RATIO = 256 * 1024, 16
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
#: The highest number of gzip members; producers write one.
_MAX_MEMBERS = 100
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES = 16


class Broken(Exception):
    """Why a batch cannot be read."""


def decompress(codec: int, data: memoryview) -> bytes:
    """Return what was compressed, up to the bound.

    Raises:
        Exception: it cannot be decompressed, or is larger.
    """
    if codec not in _DECOMPRESS:
        raise Broken(f"unknown codec {codec}")
    return _DECOMPRESS[codec](data)


def _gunzip(data: memoryview) -> bytes:
    parts: list[bytes] = []
    room, rest = MAX_BATCH_BYTES, bytes(data)
    while rest:
        if len(parts) == _MAX_MEMBERS:
            raise Broken(f"its gzip data has more than {_MAX_MEMBERS} members")
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        parts.append(member.decompress(rest, room + 1))
        room -= len(parts[-1])
        if room < 0:
            raise Broken(f"its gzip data holds more than {MAX_BATCH_BYTES} bytes")
        if not member.eof:
            raise Broken("its gzip data is cut off")
        rest = member.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _unsnap(data: memoryview) -> bytes:
    blocks = [data]
    if data[: len(_XERIAL)] == _XERIAL:
        blocks, at = [], _XERIAL_HEADER_BYTES
        while at < len(data):
            (size,) = struct.unpack_from(">i", data, at)
            if not 0 < size <= len(data) - at - 4:
                raise Broken("its snappy data is cut off")
            blocks.append(data[at + 4 : at + 4 + size])
            at += 4 + size
    if sum(map(cramjam.snappy.decompress_raw_len, blocks)) > MAX_BATCH_BYTES:
        raise Broken(f"its snappy data holds more than {MAX_BATCH_BYTES} bytes")
    return b"".join([bytes(cramjam.snappy.decompress_raw(block)) for block in blocks])


def _stream(decompress_into: Callable[[Any, Any], int]) -> Callable[[memoryview], bytes]:
    def into(data: memoryview) -> bytes:
        packed = bytes(data)
        with contextlib.suppress(cramjam.DecompressionError):  # nearly always enough
            usual = bytearray(max(_USUAL_BYTES, _USUAL_RATIO * len(packed)))
            return bytes(memoryview(usual)[: decompress_into(packed, usual)])
        with mmap.mmap(-1, MAX_BATCH_BYTES) as room:  # unused pages take no memory
            return room[: decompress_into(packed, room)]

    return into


_DECOMPRESS: dict[int, Callable[[memoryview], bytes]] = {
    1: _gunzip,
    2: _unsnap,
    3: _stream(cramjam.lz4.decompress_into),
    4: _stream(cramjam.zstd.decompress_into),
}
