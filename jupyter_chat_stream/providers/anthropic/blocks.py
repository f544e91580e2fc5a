"""Content blocks of the Messages API, collected while they stream.

A block is kept as the API's own JSON object beside its deltas, because a paused turn is continued
by sending its blocks back unchanged. For a tool that the API runs itself, its call and its result
are shown. A block of an unknown kind is shown as a result. That keeps the answer readable, and the
texts before and after the block stay apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from ...shared.json_objects import JsonObject
from ..base import ToolResultChunk
from ..call_inputs import input_of

if TYPE_CHECKING:
    from anthropic.types import ContentBlockParam, RawContentBlockDelta

MAX_TEXT_CHARS = 20_000  # of one text in a tool's result; web pages and files may be longer
MAX_RESULT_CHARS = 200_000  # of a whole result, as JSON
# For each kind of thinking block, the field by which the API knows its own block again.
THINKING = {"thinking": "signature", "redacted_thinking": "data"}
WITHOUT_RESULT = ("text", *THINKING)
# For each kind of delta, the field that holds its text. Citations are a list and not here.
FIELDS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


class StreamedBlock:
    """One block and the deltas that have come for it."""

    def __init__(self, value: JsonObject) -> None:
        self.value = value
        self.kind = str(value.get("type") or "block")
        self.call_id = str(value.get("id") or "call")  # a call's id in our log
        self._pieces: dict[str, list[str]] = {}

    @property
    def is_call(self) -> bool:
        """Whether the block calls a tool: one of the caller's or one of the API's."""
        return self.kind.endswith("tool_use")

    @property
    def is_result(self) -> bool:
        """Whether the block is the result of a tool that the API ran."""
        return self.kind.endswith("tool_result")

    @property
    def name(self) -> str:
        return str(self.value.get("name") or self.kind)

    def add(self, delta: RawContentBlockDelta) -> None:
        """Add a delta; of a delta of an unknown kind, all its texts."""
        field = FIELDS.get(delta.type)
        if field is not None:
            self._pieces.setdefault(field, []).append(getattr(delta, field) or "")
        elif delta.type == "citations_delta":
            citations = self.value.get("citations")
            earlier_citations = citations if isinstance(citations, list) else []
            self.value["citations"] = [*earlier_citations, plain(delta).get("citation")]
        else:
            for name, text in plain(delta).items():
                if isinstance(text, str) and name != "type":
                    self._pieces.setdefault(name, []).append(text)

    def text_of(self, field: str) -> str:
        """Return the text that the deltas have added to a field."""
        return "".join(self._pieces.get(field, ()))

    def input(self) -> JsonObject | str:
        """Return a call's input from its deltas, or from its start.

        If its text is no JSON object, return a sentence about it.
        """
        text = self.text_of("partial_json")
        initial = self.value.get("input")
        if not text.strip() and isinstance(initial, Mapping):
            return dict(initial)
        return input_of(text)

    def result(self, names: Mapping[str, str]) -> ToolResultChunk:
        """Return the chunk that shows a result, or a block of an unknown kind.

        Args:
            names: the name of the tool for each call's id.
        """
        value = self.whole() or self.value
        call = str(value.get("tool_use_id") or value.get("id") or self.kind)
        name = names.get(call) or self.kind.removesuffix("_tool_result")
        fields = {key: value[key] for key in value if key not in ("type", "tool_use_id", "id")}
        output = fields["content"] if self.is_result and "content" in fields else fields
        return ToolResultChunk(
            tool_call_id=call, name=name, success=_is_success(value), output=readable(output)
        )

    def whole(self) -> JsonObject | None:
        """Return the block as the API accepts it back; None if the API would refuse it."""
        value = dict(self.value)
        for field in self._pieces:
            if field != "partial_json":
                value[field] = str(value.get(field) or "") + self.text_of(field)
        if self.is_call:
            whole = self.input()
            return None if isinstance(whole, str) else {**value, "input": whole}
        if self.kind == "text" and not value.get("text"):
            return None
        known_by = THINKING.get(self.kind)
        return None if known_by and not value.get(known_by) else value


def plain(value: object) -> JsonObject:
    """Return an object of the SDK as the JSON that came, also of a kind that the SDK ignores."""
    if hasattr(value, "to_dict"):
        fields: JsonObject = value.to_dict(mode="json", warnings=False)
        return fields
    return dict(value) if isinstance(value, Mapping) else {}


def to_send_back(blocks: Iterable[StreamedBlock]) -> list[ContentBlockParam]:
    """Return the blocks of a paused turn for the next request, without blanks at the end."""
    whole_blocks = [whole for whole in (block.whole() for block in blocks) if whole is not None]
    while whole_blocks and whole_blocks[-1].get("type") == "text":
        text = str(whole_blocks[-1].get("text")).rstrip()
        if text:
            whole_blocks[-1] = {**whole_blocks[-1], "text": text}
            break
        whole_blocks.pop()
    return [cast("ContentBlockParam", block) for block in whole_blocks]


def readable(value: object) -> object:
    """Remove from a result the parts that nobody can read: encrypted texts, files, long texts."""
    visible = _drop_unreadable(value)
    text = visible if isinstance(visible, str) else json.dumps(visible, ensure_ascii=False)
    return visible if len(text) <= MAX_RESULT_CHARS else _shorten(text, MAX_RESULT_CHARS)


def _drop_unreadable(value: object) -> object:
    if isinstance(value, str):
        return _shorten(value, MAX_TEXT_CHARS)
    if isinstance(value, Mapping):
        if value.get("type") == "base64":
            return {key: value[key] for key in value if key != "data"}
        fields = {key: value[key] for key in value if not str(key).startswith("encrypted_")}
        return {key: _drop_unreadable(item) for key, item in fields.items()}
    if isinstance(value, list):
        return [_drop_unreadable(item) for item in value]
    return value


def _shorten(text: str, max_chars: int) -> str:
    return (
        text
        if len(text) <= max_chars
        else f"{text[:max_chars]}… ({len(text) - max_chars} more characters)"
    )


def _is_success(value: JsonObject) -> bool:
    content = value.get("content")
    if value.get("is_error") is True:
        return False
    if not isinstance(content, Mapping):
        return True
    is_error = "error_code" in content or str(content.get("type")).endswith("_error")
    return not is_error and content.get("return_code", 0) in (0, None)
