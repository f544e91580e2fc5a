"""What a message is made of when it is read on paper: text, things to fold away, remarks.

Pure: the same blocks become Markdown, a notebook's cells, and HTML. A partial answer says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..shared.endings import is_cut_call
from ..shared.events import ENDS


@dataclass(frozen=True, kw_only=True)
class Text:
    """Markdown, as it was written."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Folded:
    """What is looked at on demand, character by character: attachments, reasoning, tools."""

    title: str
    text: str
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What the export says itself: ``label`` in one word, ``text`` plain."""

    label: str
    text: str


Block = Text | Folded | Remark

_ENDED_EARLY = {
    "failed": "The answer failed.",
    "cancelled": "It was stopped; what is above came before.",
    "interrupted": "It was interrupted; what is above came before.",
}


def speaker(message: Mapping[str, Any]) -> str:
    """Say who speaks: the person, or the model."""
    return "You" if message["role"] == "user" else str(message["model"] or "Assistant")


def blocks_of(message: Mapping[str, Any]) -> Iterator[Block]:
    """Give the blocks of a message, in order; pieces of text that follow each other are one."""
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


def _blocks_of_part(part: Mapping[str, Any]) -> Iterator[Block]:
    kind = part["kind"]
    if kind == "reasoning":
        yield Folded(title="Reasoning", text=part["text"])
    elif kind == "attachment":
        yield Folded(title=f"Attached: {part.get('name')}", text=str(part.get("text", "")))
    elif kind == "tool_call":
        if is_cut_call(part):
            yield Folded(title="Tool call, cut off", text=part["text"], language="json")
        else:
            given = _json(part["input"])
            yield Folded(title=f"Tool called: {part['name']}", text=given, language="json")
    elif kind == "tool_result":
        how = "returned" if part["success"] else "failed"
        output = part["output"]
        is_text = isinstance(output, str)
        yield Folded(
            title=f"Tool {how}: {part['name']}",
            text=output if is_text else _json(output),
            language="" if is_text else "json",
        )
    elif kind == "input_request":
        yield Remark(label="Asked", text=_asked(part))
        if part["by"] is not None:
            value = part["value"]
            yield Remark(label="Answered", text=value if isinstance(value, str) else _json(value))
    else:
        yield Folded(title=str(kind), text=_json(dict(part)), language="json")


def _asked(part: Mapping[str, Any]) -> str:
    choices = part["choices"]
    return f"{part['prompt']} ({' / '.join(choices)})" if choices else str(part["prompt"])


def _remarks(message: Mapping[str, Any]) -> Iterator[Remark]:
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
    elif message.get("incomplete"):
        yield Remark(label="Incomplete", text=message["incomplete"]["message"])


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
