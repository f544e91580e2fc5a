"""The size of an image and the pages of a PDF, from the bytes of their headers.

The bytes come from people: whatever they are, the functions return None for what they do not find.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

Pixels = tuple[int, int]  # width, height

# Steps through the head of a JPEG. Real files have about ten; a step takes a microsecond.
MAX_SEGMENTS = 10_000

# Markers of a JPEG that begin a frame with its size: SOF0 to SOF15, but DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers of a JPEG without a length: TEM and the restarts.
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")


def pixels_of(type_: str, data: bytes) -> Pixels | None:
    """Return the size of an image in pixels, or None if its header does not tell it."""
    read = _READERS.get(type_)
    try:
        size = read(data) if read else None
    except (struct.error, IndexError):  # the bytes end within the header
        return None
    return size if size and min(size) > 0 else None


def _png(data: bytes) -> Pixels | None:
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _gif(data: bytes) -> Pixels | None:
    if data[:6] not in (b"GIF87a", b"GIF89a"):
        return None
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _jpeg(data: bytes) -> Pixels | None:
    if data[:2] != b"\xff\xd8":
        return None
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


def _webp(data: bytes) -> Pixels | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
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


_READERS: dict[str, Callable[[bytes], Pixels | None]] = {
    "image/png": _png,
    "image/gif": _gif,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
}


def pages_of(data: bytes) -> int | None:
    """Count the pages of a PDF, or return None if its page objects are compressed.

    An object that was written again keeps its number, and counts once.
    """
    if b"%PDF-" not in data[:1024]:
        return None
    objects = (data.rfind(b" obj", 0, page.start()) for page in _PAGE.finditer(data))
    return len({_number_before(data, begin) for begin in objects}) or None


def _number_before(data: bytes, end: int) -> bytes:
    """Return the number of the object whose ``obj`` stands here, as in ``12 0 obj``."""
    words = data[max(0, end - 32) : max(0, end)].split()
    return words[-2] if len(words) > 1 else b""
