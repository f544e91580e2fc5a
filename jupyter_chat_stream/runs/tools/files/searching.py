"""Searches the files below a folder for a text or for names. All functions block.

A search reads the files one after the other, breadth first, and ends when it reaches a limit. It
tells the model if the search is incomplete.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from itertools import islice
from typing import Any

from ....shared.errors import FileNotReadable
from ....shared.json_objects import JsonObject
from .below_root import BelowRoot
from .limits import LookLimit, TookTooLong
from .notebooks import SUFFIX, notebook_cells, source_of
from .reading import shortened, text_lines

MAX_HITS = 100
MAX_HITS_IN_FILE = 10
MAX_ENTRIES = 20_000
MAX_SEARCHED_BYTES = 128 * 1024 * 1024
MAX_SEARCHED_FILE_BYTES = 16 * 1024 * 1024
MAX_HIT_CHARS = 300
# Secrets are searched within this distance of a hit in a long line; keys are shorter.
_CONCEALED_CHARS = 20_000
# Folders with copies and foreign code, whose hits would hide all other hits.
_LEFT_OUT = ("node_modules", "__pycache__", "site-packages")


@dataclass(frozen=True, kw_only=True)
class FileSearch:
    """The criteria of a search: a text, names, or both."""

    text: str | None
    name: str | None
    """A pattern for file names, such as ``*.csv``."""


@dataclass(kw_only=True)
class _FileHits:
    hits: list[JsonObject] = field(default_factory=list)
    is_whole: bool = True
    entries_left: int = field(default_factory=lambda: MAX_ENTRIES)
    bytes_left: int = field(default_factory=lambda: MAX_SEARCHED_BYTES)


def search(
    below: BelowRoot,
    path: str,
    criteria: FileSearch,
    limit: LookLimit,
    conceal: Callable[[str], str] = str,
) -> JsonObject:
    """Search the files below a folder.

    Args:
        conceal: removes secrets from a whole line, before a part of the line is returned.

    Raises:
        FileNotReadable: there is no such folder.
    """
    result = _FileHits()
    try:
        for file, size in _walk(below, path, result, limit):
            if criteria.name is not None and not fnmatch(file.rpartition("/")[2], criteria.name):
                continue
            if criteria.text is None:
                result.hits.append({"path": file})
            else:
                hits = _hits_in(below, file, criteria.text.casefold(), limit, conceal)
                _look_into(result, size, hits)
            if len(result.hits) >= MAX_HITS or result.bytes_left <= 0:
                result.is_whole = False
                break
    except TookTooLong:
        result.is_whole = False
    return {"hits": result.hits[:MAX_HITS], "complete": result.is_whole}


def _walk(
    below: BelowRoot, path: str, result: _FileHits, limit: LookLimit
) -> Iterator[tuple[str, int]]:
    """Yield the files below a folder with their sizes, nearest first; visit each folder once."""
    folders = deque([path.rstrip("/") or path])
    is_first = True
    while folders:
        folder = folders.popleft()
        try:
            entries = below.entries(folder, result.entries_left, limit.check)
        except TookTooLong:
            raise
        except FileNotReadable:
            if is_first:
                raise
            continue
        is_first = False
        result.entries_left -= len(entries)
        for entry in sorted(entries, key=lambda entry: entry.name):
            inner = f"{folder}/{entry.name}" if folder not in ("", ".") else entry.name
            if not entry.is_folder:
                yield inner, entry.size
            elif entry.name not in _LEFT_OUT and not entry.is_link:  # a link may lead back
                folders.append(inner)
        if result.entries_left <= 0:
            result.is_whole = False
            return


def _look_into(result: _FileHits, size: int, hits: Iterator[JsonObject]) -> None:
    """Add the hits of a file with ``size`` bytes."""
    if size > MAX_SEARCHED_FILE_BYTES:
        result.is_whole = False
        return
    result.bytes_left -= size
    result.hits += islice(hits, MAX_HITS_IN_FILE)
    if next(hits, None) is not None:
        result.is_whole = False


def _hits_in(
    below: BelowRoot,
    path: str,
    text: str,
    limit: LookLimit,
    conceal: Callable[[str], str],
) -> Iterator[JsonObject]:
    """Yield the places in a file that contain ``text``, which is in lower case."""
    try:
        with below.open_file(path) as file:
            for place, line in _lines_of(path, file, limit):
                if text not in line.casefold():
                    continue
                begin = max(0, line.casefold().find(text) - _CONCEALED_CHARS)
                line = conceal(line[begin : begin + 2 * _CONCEALED_CHARS + len(text)])
                if text in line.casefold():  # otherwise the hit was a part of a secret
                    yield {"path": path, **place, "text": _around(line, text)}
    except TookTooLong:
        raise
    except FileNotReadable:  # the file is no text, or was deleted
        return


def _lines_of(path: str, file: Any, limit: LookLimit) -> Iterator[tuple[JsonObject, str]]:
    if not path.endswith(SUFFIX):
        for number, line in text_lines(path, file, limit):
            yield {"line": number}, line
        return
    limit.check()
    for number, cell in enumerate(notebook_cells(path, file), 1):
        for line in source_of(cell).split("\n"):
            yield {"cell": number}, line


def _around(line: str, text: str) -> str:
    """Return the part of a line around the hit."""
    begin = max(0, line.casefold().find(text) - MAX_HIT_CHARS // 3)
    return ("…" if begin else "") + shortened(line[begin:], MAX_HIT_CHARS)
