"""The blocks of an exported message: its text, folded details, and remarks of the export.

Markdown, notebook cells and HTML are made of the same blocks. A remark marks a partial answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from ..shared.endings import is_cut_call
from ..shared.events import ENDS
from ..shared.records import InputRequestPart, MessageRecord, Part, PartKind, ToolCallPart


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
    """A sentence of the chat itself about an answer, plain text."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Remark:
    """A remark of the export itself; ``label`` is one word, ``text`` is plain text."""

    label: str
    text: str


Block = Text | Folded | NoteLine | Remark

_KINDS: frozenset[str] = frozenset(get_args(PartKind))

_ENDED_EARLY = {
    "failed": "The answer failed.",
    "cancelled": "It was stopped; what is above came before.",
    "interrupted": "It was interrupted; what is above came before.",
}


def speaker(message: MessageRecord) -> str:
    """Return the name of the speaker: the person or the model."""
    return "You" if message["role"] == "user" else str(message["model"] or "Assistant")


def blocks_of(message: MessageRecord) -> Iterator[Block]:
    """Yield the blocks of a message in order; adjacent text parts become one block."""
    text: list[str] = []
    for part in message["parts"]:
        if part["kind"] == "text":
            text.append(part["text"])
            continue
        if text:
            yield Text(text="".join(text))
            text = []
        yield from _blocks_of_part(part)
    if text:
        yield Text(text="".join(text))
    yield from _remarks(message)


def _blocks_of_part(part: Part) -> Iterator[Block]:
    kind: str = part["kind"]
    if kind not in _KINDS:  # a newer writer made it
        yield Folded(title=kind, text=_json(part), language="json")
    elif part["kind"] == "attachment":
        yield Folded(title=f"Attached: {part.get('name')}", text=str(part.get("text", "")))
    elif part["kind"] == "note":
        yield NoteLine(text=part["text"])
    elif part["kind"] == "tool_call":
        yield _block_of_call(part)
    elif part["kind"] == "tool_result":
        how = "returned" if part["success"] else "failed"
        output = part["output"]
        is_text = isinstance(output, str)
        yield Folded(
            title=f"Tool {how}: {part['name']}",
            text=output if is_text else _json(output),
            language="" if is_text else "json",
        )
    elif part["kind"] == "input_request":
        yield Remark(label="Asked", text=_asked(part))
        if part["by"] is not None:
            value = part["value"]
            yield Remark(label="Answered", text=value if isinstance(value, str) else _json(value))
    else:
        yield Folded(title="Reasoning", text=part["text"])


def _block_of_call(part: ToolCallPart) -> Block:
    if is_cut_call(part):
        return Folded(title="Tool call, cut off", text=part["text"], language="json")
    return Folded(title=f"Tool called: {part['name']}", text=_json(part["input"]), language="json")


def _asked(part: InputRequestPart) -> str:
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
        told = f" {error['message']} ({error['code']})" if error else ""
        yield Remark(label=status.capitalize(), text=_ENDED_EARLY[status] + told)
    elif incomplete := message.get("incomplete"):
        yield Remark(label="Incomplete", text=incomplete["message"])


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
