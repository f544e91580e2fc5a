"""The tool ``files``: lists, reads and searches files below the server's root.

The tool only reads, so a call may be repeated (L14). Reading blocks, so it runs in a thread, which
ends soon after the call is stopped.
"""

from __future__ import annotations

import asyncio
import threading

from ....shared.errors import ChatStreamError
from ....shared.events import iso
from ....shared.json_objects import JsonObject
from ....shared.tool_records import ToolInput, ToolRecord
from ..base import CallContext, ToolDone, ToolOutcome
from ..concealing import SecretConcealer
from .below_root import BelowRoot
from .limits import LookLimit
from .notebooks import SUFFIX, read_cells
from .reading import read_lines
from .searching import FileSearch, search

MAX_LISTED = 500
MAX_CALLS = 2  # at the same time
MAX_SCANNED = 20_000  # entries of a folder that are read for sorting
MAX_PATTERN_CHARS = 200

FILES: ToolRecord = {
    "name": "files",
    "description": (
        "Read the files of the person's Jupyter server. Paths are relative to its root, as in the "
        "file browser: 'data/a.csv'; an empty path is the root. Hidden files cannot be read.\n"
        "- list: the entries of the folder 'path'.\n"
        "- read: a text file by lines, or a notebook (.ipynb) by cells with their ids, types, "
        "sources and outputs as text, as saved on the disk. 'start' is the first line or cell, "
        "from 1; 'count' is how many. 'next_line' or 'next_cell' of the result tells where to go "
        "on.\n"
        "- search: the files below the folder 'path' whose lines hold 'text' (in any case), whose "
        "names match 'name', such as '*.py', or both. Folders behind links, node_modules and "
        "site-packages are left out. 'complete' tells whether all the others were searched."
    ),
    "input_schema": {
        "type": "object",
        "properties": {
            "operation": {"enum": ["list", "read", "search"]},
            "path": {"type": "string", "description": "Default: the root."},
            "start": {"type": "integer", "minimum": 1},
            "count": {"type": "integer", "minimum": 1},
            "text": {"type": "string", "minLength": 1, "maxLength": MAX_PATTERN_CHARS},
            "name": {"type": "string", "minLength": 1, "maxLength": MAX_PATTERN_CHARS},
        },
        "required": ["operation"],
        "additionalProperties": False,
    },
    "where": "server",
    "effect": "read",
    "operations": {"list": "read", "read": "read", "search": "read"},
    "idempotent": True,
    "source": "builtin",
}


class FilesTool:
    """The tool ``files`` for one root folder."""

    definition = FILES

    def __init__(self, below: BelowRoot) -> None:
        self.below = below
        self._concealer = SecretConcealer()
        # Parsing a notebook's JSON blocks all other threads, so few calls run at a time.
        self._call_slots = asyncio.Semaphore(MAX_CALLS)

    async def call(self, input: ToolInput, context: CallContext) -> ToolOutcome:
        """Do one operation in a thread, and return its result or its error."""
        problem = _problem_with(input)
        if problem:
            return ToolDone(success=False, output=problem)
        stop_event = threading.Event()
        try:
            async with self._call_slots:
                output = await asyncio.to_thread(self._do, input, LookLimit(stop_event.is_set))
        except ChatStreamError as error:
            return ToolDone(success=False, output=error.message)
        finally:
            stop_event.set()
        return ToolDone(output=self._concealer.concealed(output))

    def _do(self, input: ToolInput, limit: LookLimit) -> JsonObject:
        path = input.get("path", "")
        match input["operation"]:
            case "list":
                return self._list(path, limit)
            case "read":
                return self._read(path, input.get("start", 1), input.get("count"), limit)
            case _:
                criteria = FileSearch(text=input.get("text"), name=input.get("name"))
                return search(self.below, path, criteria, limit, self._concealer.texts.concealed)

    def _list(self, path: str, limit: LookLimit) -> JsonObject:
        found_entries = self.below.entries(path, MAX_SCANNED, limit.check)
        found_entries.sort(key=lambda entry: (not entry.is_folder, entry.name))
        entries = [
            {
                "name": entry.name,
                "type": "folder" if entry.is_folder else "file",
                **({} if entry.is_folder else {"size": entry.size}),
                **modified(entry.modified_s),
            }
            for entry in found_entries[:MAX_LISTED]
        ]
        unlisted = len(found_entries) - len(entries)
        return {"path": path, "entries": entries, **({"not_listed": unlisted} if unlisted else {})}

    def _read(self, path: str, start: int, count: int | None, limit: LookLimit) -> JsonObject:
        read_part = read_cells if path.endswith(SUFFIX) else read_lines
        with self.below.open_file(path) as file:
            return read_part(path, file, start, count, limit)


def modified(at_s: float) -> dict[str, str]:
    """Return a file's time of change; empty if it cannot be expressed as a date."""
    try:
        return {"modified": iso(int(at_s * 1000))}
    except (ValueError, OverflowError, OSError):
        return {}


def _problem_with(input: ToolInput) -> str:
    """Return why an input is invalid, as a sentence for the model; empty if it is valid."""
    if input.get("operation") not in FILES["operations"]:
        return "'operation' must be list, read or search."
    for name in ("path", "text", "name"):
        if not isinstance(input.get(name, ""), str):
            return f"{name!r} must be a text."
    for name in ("start", "count"):
        value = input.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            return f"{name!r} must be a whole number, at least 1."
    if input["operation"] != "search":
        return ""
    patterns = [input[name] for name in ("text", "name") if name in input]
    if not patterns or not all(0 < len(pattern) <= MAX_PATTERN_CHARS for pattern in patterns):
        return f"A search needs a 'text' or a 'name' of 1 to {MAX_PATTERN_CHARS} characters."
    return ""
