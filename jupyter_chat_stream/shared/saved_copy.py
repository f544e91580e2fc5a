"""The saved copy of a chat: the text that a notebook file keeps of it. Pure.

The copy has a bounded size, and no ids, times or unfinished answers, so a notebook under version
control changes only with the thread. Kernels and the server write it with these functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .endings import words_of_end
from .events import ENDS
from .markdown.copied_texts import one_line, visible
from .markdown.copies import harmless, harmless_start
from .parts import files_of_results
from .records import MessageRecord

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
    """Return the newest whole messages as text of at most ``MAX_SNAPSHOT_BYTES``."""
    return join_newest(reversed(without_unsent(messages)), markdown=markdown)


def join_newest(newest_first: Iterable[MessageRecord], *, markdown: bool = True) -> str:
    """Return ``snapshot`` of messages that come newest first; takes one more than it keeps.

    The texts are untrusted, so their Markdown is made harmless for every renderer.
    """
    blocks: list[str] = []
    remaining_bytes = MAX_SNAPSHOT_BYTES - len(LEFT_OUT) - 2
    for message in newest_first:
        block = _whole_block(message, remaining_bytes, markdown=markdown)
        if block is not None:
            remaining_bytes -= len(block.encode()) + 2
        elif blocks:
            blocks.append(LEFT_OUT)
            break
        else:  # the newest message alone is too large: keep its beginning
            block, remaining_bytes = _beginning(message, markdown=markdown), 0
        blocks.append(block)
    return "\n\n".join(reversed(blocks))


def text_of(message: MessageRecord) -> str:
    """Return a message's text for a copy; empty while the reply is being written."""
    return "" if mark_of(message) == WRITING else str(message["content"])


def _whole_block(message: MessageRecord, max_bytes: int, *, markdown: bool) -> str | None:
    """Return a message's text with what stands around it; None if that is too large."""
    text = visible(text_of(message)).strip("\n")
    if len(text.encode()) > max_bytes:
        return None  # the harmless form might be shorter, but a text of this size is cut anyway
    block = _block(message, harmless(text) if markdown else text, markdown=markdown)
    return block if len(block.encode()) + 2 <= max_bytes else None


def _block(message: MessageRecord, text: str, *, markdown: bool) -> str:
    name = speaker(message)
    head = f"**{one_line(name)}**" if markdown else f"{visible(name)}:"
    files_line = _files_line(message, markdown=markdown)
    notes = _notes(message, markdown=markdown)
    return "\n\n".join(part for part in (head, files_line, text, *notes, mark_of(message)) if part)


def _files_line(message: MessageRecord, *, markdown: bool) -> str:
    """Return the line that names the files of a message; empty if it is only text."""
    if mark_of(message) == WRITING:
        return ""
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
