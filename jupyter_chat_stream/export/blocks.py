"""The blocks of an exported message: texts, folded details, pictures, and remarks.

Markdown, notebook cells and HTML use the same blocks. A remark marks a partial answer, or names an
attachment that the document does not show.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

from ..shared.endings import is_cut_call
from ..shared.events import ENDS
from ..shared.media_types import IMAGES
from ..shared.parts import result_files
from ..shared.records import (
    AttachmentPart,
    InputRequestPart,
    MessageRecord,
    Part,
    PartKind,
    ToolCallPart,
)
from ..shared.sizes import size_in_words


@dataclass(frozen=True, kw_only=True)
class Text:
    """Markdown of the message, unchanged."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Folded:
    """Text that a reader opens on demand: an attachment, reasoning, a tool's input or output."""

    title: str
    text: str
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class NoteLine:
    """A sentence of the chat itself about an answer, as plain text."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Remark:
    """A remark of the export itself; ``label`` and ``text`` are plain text."""

    label: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image of a message or of a tool's result, with its bytes for the document."""

    id: str
    title: str
    type: str
    data: bytes


ExportBlock = Text | Folded | NoteLine | Picture | Remark
# Reads the bytes of an attached image; None if the document must not contain them.
ReadPicture = Callable[[AttachmentPart], bytes | None]

_KINDS: frozenset[str] = frozenset(get_args(PartKind))

_ENDED_EARLY = {
    "failed": "The answer failed.",
    "cancelled": "The answer was stopped; the text above came before.",
    "interrupted": "The answer was interrupted; the text above came before.",
}


def speaker(message: MessageRecord) -> str:
    """Return the name of the speaker: the person or the model."""
    return "You" if message["role"] == "user" else str(message["model"] or "Assistant")


def no_picture(part: AttachmentPart) -> None:
    """Read no picture, for a document that only names attachments."""


def blocks_of(
    message: MessageRecord, read_picture: ReadPicture = no_picture
) -> Iterator[ExportBlock]:
    """Yield the blocks of a message in order; adjacent text parts become one block."""
    text: list[str] = []
    for part in message["parts"]:
        if part["kind"] == "text":
            text.append(part["text"])
            continue
        if text:
            yield Text(text="".join(text))
            text = []
        yield from _blocks_of_part(part, read_picture)
    if text:
        yield Text(text="".join(text))
    yield from _remarks(message)


def _blocks_of_part(part: Part, read_picture: ReadPicture) -> Iterator[ExportBlock]:
    kind: str = part["kind"]
    if kind not in _KINDS:  # a newer version has written the part
        yield Folded(title=kind, text=_json(part), language="json")
    elif part["kind"] == "attachment":
        yield _block_of_attachment(part, read_picture)
    elif part["kind"] == "note":
        yield NoteLine(text=part["text"])
    elif part["kind"] == "tool_call":
        yield _block_of_call(part)
    elif part["kind"] == "tool_result":
        outcome = "returned" if part["success"] else "failed"
        output = part["output"]
        is_text = isinstance(output, str)
        yield Folded(
            title=f"Tool {outcome}: {part['name']}",
            text=output if is_text else _json(output),
            language="" if is_text else "json",
        )
        for file in result_files(part):
            yield _block_of_attachment(file, read_picture, tool=part["name"])
    elif part["kind"] == "input_request":
        yield Remark(label="Asked", text=_question_text(part))
        if part["by"] is not None:
            value = part["value"]
            yield Remark(label="Answered", text=value if isinstance(value, str) else _json(value))
    else:
        yield Folded(title="Reasoning", text=part["text"])


def _block_of_attachment(
    part: AttachmentPart, read_picture: ReadPicture, tool: str | None = None
) -> ExportBlock:
    """Return a block for a file that a person has attached, or that a tool has returned."""
    label = "Attached" if tool is None else "File of the result"
    title = str(part.get("name"))
    type_, text = str(part.get("type", "")), str(part.get("text", ""))
    if "attachment_id" in part:
        title += f" ({type_}, {size_in_words(part.get('size', 0))})"
    if tool is not None:
        title += f", from the tool {tool}"
    data = read_picture(part) if type_ in IMAGES else None
    if data is not None:
        return Picture(id=part["attachment_id"], title=title, type=type_, data=data)
    if text or "attachment_id" not in part:
        return Folded(title=f"{label}: {title}", text=text)
    return Remark(label=label, text=title)


def _block_of_call(part: ToolCallPart) -> ExportBlock:
    if is_cut_call(part):
        return Folded(title="Tool call, cut off", text=part["text"], language="json")
    return Folded(title=f"Tool called: {part['name']}", text=_json(part["input"]), language="json")


def _question_text(part: InputRequestPart) -> str:
    choices = part["choices"]
    return f"{part['prompt']} ({' / '.join(choices)})" if choices else str(part["prompt"])


def _remarks(message: MessageRecord) -> Iterator[Remark]:
    status = message["status"]
    if message["role"] == "user":
        if status == "waiting":
            yield Remark(label="Later", text="This message was not sent yet.")
        elif status == "cancelled":
            yield Remark(label="Cancelled", text="This message was never sent.")
        return
    if status not in ENDS:
        yield Remark(
            label="Partial", text=f"This answer had not ended ({status}) when it was exported."
        )
    elif status in _ENDED_EARLY:
        error = message["error"]
        reason = f" {error['message']} ({error['code']})" if error else ""
        yield Remark(label=status.capitalize(), text=_ENDED_EARLY[status] + reason)
    elif incomplete := message.get("incomplete"):
        yield Remark(label="Incomplete", text=incomplete["message"])


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
