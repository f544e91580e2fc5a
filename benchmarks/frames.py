"""The client's end of a WebSocket, no more than a benchmark needs: bytes in, frames out, no I/O.

At ten thousand frames a second whoever measures must cost little: a library takes as long for a
frame as the server that is measured. RFC 6455; servers mask nothing and here compress nothing.
"""

from __future__ import annotations

import base64
import os
import struct
from urllib.parse import urlsplit

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def handshake(url: str, token: str) -> bytes:
    """Return the request that opens a socket."""
    parts = urlsplit(url)
    lines = (
        f"GET {parts.path}{'?' + parts.query if parts.query else ''} HTTP/1.1",
        f"Host: {parts.netloc}",
        f"Authorization: token {token}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
    )
    return "\r\n".join([*lines, "", ""]).encode()


def masked(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame; its mask is all zeros, which leaves the payload as it is."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    return head + bytes(4) + payload


class Cutter:
    """Cuts a stream of bytes into frames; none of ours is sent in fragments."""

    def __init__(self) -> None:
        self._kept = b""
        self._is_open = False

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the (opcode, payload) that are whole by now.

        Raises:
            ConnectionError: the server refused to open a socket.
        """
        data = self._kept + data if self._kept else data
        if not self._is_open:
            head, end, rest = data.partition(b"\r\n\r\n")
            if not end:
                self._kept = data
                return []
            if b" 101 " not in head.split(b"\r\n")[0]:
                raise ConnectionError(f"no socket: {head[:100]!r}")
            self._is_open, data = True, rest
        found, at = [], 0
        while (cut := _cut(data, at)) is not None:
            opcode, first, at = cut
            found.append((opcode, data[first:at]))
        self._kept = data[at:]
        return found


def _cut(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Find the frame that begins there: its opcode, where its payload begins and ends."""
    left = len(data) - at
    if left < 2:
        return None
    size, first = data[at + 1], at + 2
    if size > 125:
        first += 2 if size == 126 else 8
        if first > len(data):
            return None
        size = int.from_bytes(data[at + 2 : first], "big")
    return (data[at] & 15, first, first + size) if first + size <= len(data) else None
