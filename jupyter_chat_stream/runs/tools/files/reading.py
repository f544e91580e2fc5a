"""Reading a part of a text file. All functions block."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count as counted
from typing import Any, BinaryIO

from ....shared.errors import FileNotReadable

MAX_TEXT_BYTES = 100_000  # of one result: a prompt has to hold it
MAX_LINE_CHARS = 4000
MAX_FILE_BYTES = 64 * 1024 * 1024  # of one file that is looked through
DEFAULT_LINES = 500
_PEEKED_BYTES = 8192


def read_lines(path: str, file: BinaryIO, start: int, count: int | None) -> dict[str, Any]:
    """Read lines of a text file, which are counted from 1.

    Raises:
        FileNotReadable: it is no text.
    """
    most = DEFAULT_LINES if count is None else count
    lines: list[str] = []
    size = 0
    told: dict[str, Any] = {"path": path, "first_line": start}
    for number, line in text_lines(path, file):
        if number < start:
            continue
        size += len(line.encode("utf-8", "replace")) + 1
        if len(lines) == most or (lines and size > MAX_TEXT_BYTES):
            told["next_line"] = number
            break
        lines.append(line)
    return {**told, "text": "\n".join(lines)}


def text_lines(path: str, file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file with their numbers, up to ``MAX_FILE_BYTES`` of it.

    Raises:
        FileNotReadable: its beginning has a byte that no text has.
    """
    head = file.read(_PEEKED_BYTES)
    if b"\0" in head:
        raise FileNotReadable(path, "It is no text: a kernel can open it.")
    file.seek(0)
    left = MAX_FILE_BYTES
    for number in counted(1):
        raw = file.readline(left)
        left -= len(raw)
        if not raw:
            return
        yield number, shortened(raw.decode("utf-8-sig" if number == 1 else "utf-8", "replace"))
        if left <= 0:
            yield number + 1, f"(Only the first {MAX_FILE_BYTES} bytes of this file are read.)"
            return


def shortened(line: str, most: int = MAX_LINE_CHARS) -> str:
    """Return a line without its end, and cut to so many characters."""
    line = line.rstrip("\r\n")
    return line if len(line) <= most else f"{line[:most]}… ({len(line)} characters)"
