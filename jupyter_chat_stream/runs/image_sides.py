"""The sides of an image, as its first bytes tell them. Pure; nothing is decoded."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

Sides = tuple[int, int]
# The markers of a JPEG before its sides that have no length of their own.
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def sides_of(data: bytes) -> Sides | None:
    """Return width and height in pixels; None if the bytes are no whole beginning of an image."""
    try:
        for start, read in _READERS:
            if data.startswith(start):
                width, height = read(data)
                return (width, height) if width > 0 and height > 0 else None
    except (struct.error, IndexError, ValueError):
        pass
    return None


def _png(data: bytes) -> Sides:
    if data[12:16] != b"IHDR":
        raise ValueError
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _gif(data: bytes) -> Sides:
    width, height = struct.unpack("<HH", data[6:10])
    return width, height


def _webp(data: bytes) -> Sides:
    kind = data[12:16]
    if len(data) < 30:
        raise ValueError
    if kind == b"VP8X":
        return _whole(data[24:27]) + 1, _whole(data[27:30]) + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack("<I", data[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError


def _whole(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _jpeg(data: bytes) -> Sides:
    place = 2
    while True:
        if data[place] != 0xFF:
            raise ValueError
        marker = data[place + 1]
        if marker == 0xFF:  # padding
            place += 1
        elif marker in _BARE:
            place += 2
        elif marker in _FRAMES:
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return width, height
        else:
            (length,) = struct.unpack(">H", data[place + 2 : place + 4])
            if length < 2:
                raise ValueError
            place += 2 + length


_READERS: Sequence[tuple[bytes, Callable[[bytes], Sides]]] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"GIF8", _gif),
    (b"RIFF", _webp),
    (b"\xff\xd8", _jpeg),
)
