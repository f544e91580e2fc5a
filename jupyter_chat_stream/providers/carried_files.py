"""The files of one request, which its JSON names by marks; `file_bodies` sends the bytes.

As base64 in the SDK's arguments, a file of 19 MB held the event loop for 0.2 to 0.35 s: to encode
it, to write and encode the JSON, and to copy the body. So the arguments hold a mark where the text
of a file belongs. The SDK encodes them as ever, and nothing of a file can reach its logs.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar


class CarriedFiles:
    """The files of one request. No text of a prompt can hold their marks: they are random."""

    def __init__(self) -> None:
        self._prefix = f"file-{secrets.token_hex(16)}-"
        self._files: list[bytes] = []

    def mark(self, data: bytes) -> str:
        """Take a file; returns the mark that stands for its base64 text."""
        self._files.append(data)
        return f"{self._prefix}{len(self._files) - 1}-"

    def split(self, body: bytes) -> Sequence[bytes | memoryview]:
        """Split a body at the marks: JSON as bytes, files as views of their bytes."""
        if not self._files:
            return [body]
        # With one group in the pattern, every second piece is the number of a file.
        pieces = re.split(re.escape(self._prefix.encode()) + rb"(\d+)-", body)
        return [
            memoryview(self._files[int(piece)]) if place % 2 else piece
            for place, piece in enumerate(pieces)
        ]


_current_files: ContextVar[CarriedFiles | None] = ContextVar(
    "chat_stream_carried_files", default=None
)


@contextmanager
def carrying() -> Iterator[None]:
    """Let the files of the request that the block builds and sends be named by marks."""
    token = _current_files.set(CarriedFiles())
    try:
        yield
    finally:
        _current_files.reset(token)


def current_files() -> CarriedFiles | None:
    """Return the files of the request that is being sent; None outside of ``carrying``."""
    return _current_files.get()


def base64_of(data: bytes) -> str:
    """Return the base64 text of a file, or the mark that stands for it."""
    files = _current_files.get()
    return base64.b64encode(data).decode("ascii") if files is None else files.mark(data)
