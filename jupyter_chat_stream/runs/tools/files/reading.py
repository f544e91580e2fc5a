"""Reads a part of a text file. All functions block."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count as count_from
from typing import BinaryIO

from ....shared.errors import FileNotReadable
from ....shared.json_objects import JsonObject
from .limits import LookLimit

MAX_TEXT_BYTES = 100_000  # of one result, so that it fits into a prompt
MAX_LINE_CHARS = 4000
MAX_FILE_BYTES = 64 * 1024 * 1024  # read from one file
DEFAULT_LINES = 500
_PEEKED_BYTES = 8192
_LINES_BETWEEN_CHECKS = 1000


def read_lines(
    path: str, file: BinaryIO, start: int, count: int | None, limit: LookLimit
) -> JsonObject:
    """Read lines of a text file, counted from 1.

    Raises:
        FileNotReadable: the file is no text, or reading takes too long.
    """
    max_lines = DEFAULT_LINES if count is None else count
    lines: list[str] = []
    size = 0
    result: JsonObject = {"path": path, "first_line": start}
    for number, line in text_lines(path, file, limit):
        if number < start:
            continue
        line = shortened(line)
        size += len(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace"))
        if len(lines) == max_lines or (lines and size > MAX_TEXT_BYTES):
            result["next_line"] = number
            break
        lines.append(line)
    if file.tell() >= MAX_FILE_BYTES:
        result["note"] = f"Only the first {MAX_FILE_BYTES} bytes of a file are read."
    return {**result, "text": "\n".join(lines)}


def text_lines(path: str, file: BinaryIO, limit: LookLimit) -> Iterator[tuple[int, str]]:
    """Yield numbered lines from the first ``MAX_FILE_BYTES`` of a text file.

    Raises:
        FileNotReadable: the file begins with bytes that are no text, or reading takes too long.
    """
    head = file.read(_PEEKED_BYTES)
    if b"\0" in head:
        raise FileNotReadable(path, "It is no text: a kernel can open it.")
    file.seek(0)
    bytes_left = MAX_FILE_BYTES
    for number in count_from(1):
        if number % _LINES_BETWEEN_CHECKS == 0:
            limit.check()
        raw = file.readline(bytes_left)
        bytes_left -= len(raw)
        if not raw:
            return
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8", "replace")
        yield number, text.rstrip("\r\n")


def shortened(line: str, max_chars: int = MAX_LINE_CHARS) -> str:
    """Cut a line to ``max_chars`` characters."""
    return line if len(line) <= max_chars else f"{line[:max_chars]}… ({len(line)} characters)"
