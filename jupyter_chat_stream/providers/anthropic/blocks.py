"""Content blocks of the Messages API: what is shown of them, and what a paused turn needs back.

A block is kept as the API's own object, its deltas beside it, because a turn that paused is gone on
with by sending its blocks back as they came. Of a tool that the API runs itself, call and result
are shown; a block of a kind that this version does not know is shown like a result, so that it
neither breaks the answer nor lets the texts around it run together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..base import ToolResultChunk

MAX_TEXT_CHARS = 20_000  # of one text in a tool's result; web pages and files are longer
MAX_RESULT_CHARS = 200_000  # of a whole result, as JSON
KNOWN = ("text", "thinking", "redacted_thinking")
# What each kind of delta adds, and to which field of its block; citations are a list.
FIELDS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


class Block:
    """One block while it comes."""

    def __init__(self, value: dict[str, Any]) -> None:
        self.value = value
        self.kind = str(value.get("type") or "block")
        self._pieces: dict[str, list[str]] = {}

    @property
    def is_call(self) -> bool:
        """Whether it is a tool's call, whoever runs the tool."""
        return self.kind.endswith("tool_use")

    @property
    def is_result(self) -> bool:
        """Whether it is what a tool of the API gave back."""
        return self.kind.endswith("tool_result")

    @property
    def id(self) -> str:
        return str(self.value.get("id") or "call")

    @property
    def name(self) -> str:
        return str(self.value.get("name") or self.kind)

    def add(self, delta: Any) -> None:
        """Take a delta in; of an unknown kind, its texts."""
        field = FIELDS.get(delta.type)
        if field is not None:
            self._pieces.setdefault(field, []).append(getattr(delta, field) or "")
        elif delta.type == "citations_delta":
            cited = self.value.get("citations") or []
            self.value["citations"] = [*cited, plain(delta).get("citation")]
        else:
            for name, text in plain(delta).items():
                if isinstance(text, str) and name != "type":
                    self._pieces.setdefault(name, []).append(text)

    def joined(self, field: str) -> str:
        """Return what the deltas have added to a field."""
        return "".join(self._pieces.get(field, ()))

    def input(self) -> dict[str, Any] | None:
        """Return a call's input, from its deltas or from its start; None where it is not whole."""
        text = self.joined("partial_json")
        if not text.strip():
            given = self.value.get("input")
            return dict(given) if isinstance(given, Mapping) else {}
        try:
            whole = json.loads(text)
        except ValueError:
            return None
        return whole if isinstance(whole, dict) else None

    def result(self, names: Mapping[str, str]) -> ToolResultChunk:
        """Return what is shown of a result, or of a block of an unknown kind."""
        value = self.whole() or self.value
        call = str(value.get("tool_use_id") or value.get("id") or self.kind)
        name = names.get(call) or self.kind.removesuffix("_tool_result")
        fields = {key: value[key] for key in value if key not in ("type", "tool_use_id", "id")}
        output = fields["content"] if self.is_result and "content" in fields else fields
        return ToolResultChunk(
            tool_call_id=call, name=name, success=_is_success(value), output=readable(output)
        )

    def whole(self) -> dict[str, Any] | None:
        """Return the block as the API takes it back; None where it does not take it."""
        value = dict(self.value)
        for field in self._pieces:
            if field != "partial_json":
                value[field] = str(value.get(field) or "") + self.joined(field)
        if self.is_call:
            whole = self.input()
            return None if whole is None else {**value, "input": whole}
        if self.kind == "text" and not value.get("text"):
            return None
        return None if self.kind == "thinking" and not value.get("signature") else value


def plain(value: Any) -> dict[str, Any]:
    """Return an object of the SDK as the JSON that came; kinds it does not know, too."""
    if hasattr(value, "to_dict"):
        found: dict[str, Any] = value.to_dict(mode="json", warnings=False)
        return found
    return dict(value) if isinstance(value, Mapping) else {}


def given_back(blocks: Iterable[Block]) -> list[dict[str, Any]]:
    """Return the blocks of a paused turn for the next request, without blanks at the end."""
    found = [whole for whole in (block.whole() for block in blocks) if whole is not None]
    while found and found[-1].get("type") == "text":
        text = found[-1]["text"].rstrip()
        if text:
            found[-1] = {**found[-1], "text": text}
            break
        found.pop()
    return found


def readable(value: Any) -> Any:
    """Leave out of a result what nobody can read: encrypted text, files, what is too long."""
    shown = _readable(value)
    text = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)
    return shown if len(text) <= MAX_RESULT_CHARS else _shortened(text, MAX_RESULT_CHARS)


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        return _shortened(value, MAX_TEXT_CHARS)
    if isinstance(value, Mapping):
        if value.get("type") == "base64":
            return {key: value[key] for key in value if key != "data"}
        shown = {key: value[key] for key in value if not str(key).startswith("encrypted_")}
        return {key: _readable(item) for key, item in shown.items()}
    if isinstance(value, list):
        return [_readable(item) for item in value]
    return value


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} characters more)"


def _is_success(value: Mapping[str, Any]) -> bool:
    content = value.get("content")
    if value.get("is_error") is True:
        return False
    if not isinstance(content, Mapping):
        return True
    is_error = "error_code" in content or str(content.get("type")).endswith("_error")
    return not is_error and content.get("return_code", 0) in (0, None)
