"""The output of a cell that shows a thread: the address of the live view, and a saved copy.

The copy is shown if no server knows the thread. It has a bounded size, and no ids, times or
unfinished answers, so a notebook under version control changes only with the thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from ..shared.endings import words_of_end
from ..shared.events import ENDS
from ..shared.markdown.copied_texts import one_line, visible
from ..shared.markdown.copies import harmless, harmless_start
from ..shared.parts import files_of_results
from ..shared.records import MessageRecord
from . import user_errors
from .shell import shell_of_kernel

MimeBundle = dict[str, Any]  # by MIME type, as IPython takes it
MIME = "application/vnd.jupyter-chat-stream.thread.v1+json"
MAX_SNAPSHOT_BYTES = 20_000
LATER = "*(to be sent later)*"
NEVER = "*(never sent)*"
WRITING = "*(still being written)*"
LEFT_OUT = "*(what came before is left out of this copy)*"
# A copy names so many attachments of a message, and so many characters of a name.
MAX_NAMES = 8
MAX_NAME_CHARS = 60
# A copy holds so many notes of an answer, and so many characters of a note.
MAX_NOTES = 3
MAX_NOTE_CHARS = 300
# Controls that change the direction of the text around them.
_DIRECTION_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def execution_id() -> str | None:
    """Return the id of the cell execution that is under way; None outside a kernel."""
    shell = shell_of_kernel()
    header = shell.get_parent().get("header", {}) if shell is not None else {}
    return header.get("msg_id")


def keep_newest_result(result: object, is_older: Callable[[object], bool]) -> None:
    """Remove older results with the same chat from the kernel's history (``Out``, ``_``).

    Otherwise each run of a cell that shows a chat would keep one more chat alive.
    """
    shell = shell_of_kernel()
    if shell is None:
        return
    hook, spaces = shell.displayhook, (shell.user_ns, shell.user_ns_hidden)
    out = shell.user_ns.get("_oh", {})
    for number in [n for n, value in out.items() if value is not result and is_older(value)]:
        del out[number]
        for names in spaces:
            names.pop(f"_{number}", None)
    for name in ("_", "__", "___"):
        value = getattr(hook, name, None)
        if value is not result and is_older(value):
            setattr(hook, name, "")
            for names in spaces:
                if names.get(name) is value:
                    names[name] = ""


def speaker(message: MessageRecord) -> str:
    return "You" if message["role"] == "user" else message["model"] or "Assistant"


def mark_of(message: MessageRecord) -> str:
    """Return the note that a copy adds to a message; empty for a complete message."""
    role, status = message["role"], message["status"]
    if role == "user" and status != "completed":
        return LATER if status == "waiting" else NEVER
    if status not in ENDS:
        return WRITING
    words = words_of_end(message)
    return f"*({words})*" if words else ""


def without_unsent(messages: Iterable[MessageRecord]) -> list[MessageRecord]:
    """Leave out the empty replies to messages that have not been sent."""
    messages = list(messages)
    unsent = {
        message["id"]
        for message in messages
        if message["role"] == "user" and message["status"] != "completed"
    }
    return [message for message in messages if message["parent_id"] not in unsent]


def snapshot(messages: Iterable[MessageRecord], *, markdown: bool = True) -> str:
    """Return the newest whole messages as text of at most ``MAX_SNAPSHOT_BYTES``.

    The texts are untrusted, so their Markdown is made harmless for every renderer.
    """
    newest_first = without_unsent(messages)[::-1]
    blocks: list[str] = []
    remaining_bytes = MAX_SNAPSHOT_BYTES - len(LEFT_OUT) - 2
    for message in newest_first:
        text = visible(text_of(message)).strip("\n")
        if len(text.encode()) > remaining_bytes:
            break  # the harmless form might be shorter, but a text of this size is cut anyway
        block = _block(message, harmless(text) if markdown else text, markdown=markdown)
        remaining_bytes -= len(block.encode()) + 2
        if remaining_bytes < 0:
            break
        blocks.append(block)
    if not blocks and newest_first:  # the newest message alone is too large: keep its beginning
        blocks = [_beginning(newest_first[0], markdown=markdown)]
    if len(blocks) < len(newest_first):
        blocks.append(LEFT_OUT)
    return "\n\n".join(reversed(blocks))


def text_of(message: MessageRecord) -> str:
    """Return a message's text for a copy; empty while the reply is being written."""
    return "" if mark_of(message) == WRITING else str(message["content"])


def _block(message: MessageRecord, text: str, *, markdown: bool) -> str:
    name = speaker(message)
    head = f"**{one_line(name)}**" if markdown else f"{visible(name)}:"
    files_line = _files_line(message, markdown=markdown)
    notes = _notes(message, markdown=markdown)
    return "\n\n".join(part for part in (head, files_line, text, *notes, mark_of(message)) if part)


def _files_line(message: MessageRecord, *, markdown: bool) -> str:
    """Return the line that names the files of a message; empty if it is only text."""
    names = [part["name"] for part in message["parts"] if part["kind"] == "attachment"]
    tool_files = [file["name"] for file in files_of_results(message["parts"])]
    origin = "from tools" if tool_files else "attached"
    names += tool_files
    if not names:
        return ""
    short_names = (
        _short_line(name, MAX_NAME_CHARS, markdown=markdown) for name in names[:MAX_NAMES]
    )
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"*({origin}: {', '.join(short_names)}{more})*"


def _notes(message: MessageRecord, *, markdown: bool) -> list[str]:
    """Return the notes of the chat about an answer, each in one line."""
    if mark_of(message) == WRITING:
        return []
    notes = [part["text"] for part in message["parts"] if part["kind"] == "note"][:MAX_NOTES]
    return [f"*({_short_line(note, MAX_NOTE_CHARS, markdown=markdown)})*" for note in notes]


def _short_line(text: str, max_chars: int, *, markdown: bool) -> str:
    """Return the beginning of an untrusted text, in one line that turns no text around it."""
    line = re.sub("[ \t\n]+", " ", visible(text)).strip(" ")
    line = _DIRECTION_CONTROLS.sub("\ufffd", line)
    short = f"{line[:max_chars]}…" if len(line) > max_chars else line
    return one_line(short) if markdown else short


def _beginning(message: MessageRecord, *, markdown: bool) -> str:
    block_bytes = len(_block(message, "", markdown=markdown).encode())
    max_bytes = max(0, MAX_SNAPSHOT_BYTES - 64 - block_bytes)
    text = visible(text_of(message)).strip("\n")
    if markdown:
        start = harmless_start(text, max_bytes)
    else:
        start = text.encode()[:max_bytes].decode(errors="ignore") + " …"
    return _block(message, start, markdown=markdown)


def bundle(
    thread_id: str, messages: Iterable[MessageRecord], run_id: str | None = None
) -> MimeBundle:
    """Return the MIME bundle of an output: the address of the live view, and the saved copy.

    It has no widget view, because nbconvert would then leave the copy out.
    """
    messages = list(messages)
    address = {"thread": thread_id} if run_id is None else {"thread": thread_id, "run": run_id}
    return {
        MIME: address,
        "text/markdown": snapshot(messages),
        "text/plain": snapshot(messages, markdown=False),
    }


class LiveOutput:
    """Shows a run in the output of the cell that waits for it, and saves the copy at the end.

    In a script or a terminal it shows nothing.
    """

    def __init__(self, run: Any) -> None:
        self._run = run
        self._handle: Any = None
        self.execution_id: str | None = None

    def __enter__(self) -> LiveOutput:
        if shell_of_kernel() is not None:
            from IPython.display import display

            with user_errors.reporting("Showing an answer"):  # display() calls hooks of the user
                self._handle = display(self._run, display_id=True)
                self.execution_id = execution_id()
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            with user_errors.reporting("Showing an answer"):
                self._handle.update(self._run)
