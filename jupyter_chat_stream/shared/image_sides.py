"""The sides of an image, as its first bytes tell them. Pure; nothing is decoded.

The bytes come from people and tools: whatever they are, the answer is two numbers or None.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

Sides = tuple[int, int]  # width and height in pixels

# Steps through the head of a JPEG. Real files have about ten; a step takes a microsecond.
MAX_SEGMENTS = 10_000

# Markers of a JPEG that begin a frame with its sides: SOF0 to SOF15, but DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers of a JPEG that have no length of their own: TEM, the restarts and the start.
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})


def sides_of(data: bytes) -> Sides | None:
    """Return width and height; None if the bytes are no whole beginning of an image."""
    try:
        for start, read_sides in _READERS:
            if data.startswith(start):
                sides = read_sides(data)
                return sides if sides and min(sides) > 0 else None
    except (struct.error, IndexError):  # the bytes end within the header
        pass
    return None


def _png(data: bytes) -> Sides | None:
    if data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _gif(data: bytes) -> Sides:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _jpeg(data: bytes) -> Sides | None:
    at = 2
    for _ in range(MAX_SEGMENTS):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _BARE:
            at += 2
        else:
            at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return None


def _webp(data: bytes) -> Sides | None:
    if data[8:12] != b"WEBP":
        return None
    form = data[12:16]
    if form == b"VP8X":  # extended: two numbers of 24 bits, each less one
        low, high, upper = struct.unpack_from("<HHH", data, 24)
        return (low | (high & 0xFF) << 16) + 1, (high >> 8 | upper << 8) + 1
    if form == b"VP8L" and data[20] == 0x2F:  # lossless: two numbers of 14 bits, each less one
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":  # lossy: the upper 2 bits are a scale
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


_READERS: Sequence[tuple[bytes, Callable[[bytes], Sides | None]]] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"RIFF", _webp),
    (b"\xff\xd8", _jpeg),
)
