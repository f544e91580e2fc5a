"""From the events of the Messages API to chunks: fed one event at a time, no I/O.

::

    message_start ─► (content_block_start ─► delta … ─► content_block_stop) … ─► message_delta
                                                                      message_stop ─► EndChunk

Whether the stream was whole is known here (`is_ended`): the SDK ends a cut one without a word.
"""

from __future__ import annotations

import json
from typing import Any

from ...errors import Refusal, StreamCut
from ..base import Chunk, EndChunk, Prompt, ReasoningChunk, TextChunk, ToolCallChunk, ToolInputChunk

_USAGE = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
}
_CUT_BY_ITSELF = ("max_tokens", "model_context_window_exceeded")


class Reading:
    """The state of reading one answer.

    Args:
        prompt: for the model's name, and for the partial text that this answer goes on from.
    """

    def __init__(self, prompt: Prompt) -> None:
        self.is_ended = False
        self._model = prompt.model
        self._usage = dict.fromkeys(_USAGE.values(), 0)
        self._stop_reason = "end_turn"
        self._refusal: str | None = None
        self._open_tools: dict[int, _OpenTool] = {}
        self._broken_tool: str | None = None
        # The API got the partial text without the blanks at its end, so a model that goes on
        # properly writes them again; what we have already is dropped, character by character.
        kept = prompt.partial.rstrip()
        self._blanks_again = prompt.partial[len(kept) :] if kept else ""

    def feed(self, event: Any) -> list[Chunk]:
        """Take the next event in; answer what it brings.

        Raises:
            Refusal: the model declined to answer.
            StreamCut: a tool's input is not whole although the model says it is done.
        """
        kind = event.type
        if kind == "content_block_delta":
            return self._delta(event.index, event.delta)
        if kind == "content_block_start":
            return self._start(event.index, event.content_block)
        if kind == "content_block_stop":
            return self._stop(event.index)
        if kind == "message_start":
            self._model = event.message.model or self._model
            self._count(event.message.usage)
        elif kind == "message_delta":
            self._count(event.usage)
            self._note_stop(event.delta)
        elif kind == "message_stop":
            return [self._end()]
        return []  # an event this version does not know

    def _delta(self, index: int, delta: Any) -> list[Chunk]:
        if delta.type == "text_delta":
            text = self._without_known_blanks(delta.text)
            return [TextChunk(text=text)] if text else []
        if delta.type == "thinking_delta":
            return [ReasoningChunk(text=delta.thinking)] if delta.thinking else []
        if delta.type == "input_json_delta" and index in self._open_tools:
            tool = self._open_tools[index]
            tool.pieces.append(delta.partial_json)
            return [tool.chunk(delta.partial_json)] if delta.partial_json else []
        return []  # signatures, citations

    def _start(self, index: int, block: Any) -> list[Chunk]:
        if block.type == "text" and block.text:
            return [TextChunk(text=block.text)]
        if block.type == "tool_use":
            tool = self._open_tools[index] = _OpenTool(block.id, block.name)
            return [tool.chunk("")]
        return []

    def _stop(self, index: int) -> list[Chunk]:
        tool = self._open_tools.pop(index, None)
        if tool is None:
            return []
        try:
            whole = json.loads("".join(tool.pieces) or "{}")
        except ValueError:
            whole = None
        if not isinstance(whole, dict):
            self._broken_tool = tool.id  # max_tokens may have cut it: known at the end
            return []
        return [ToolCallChunk(tool_call_id=tool.id, name=tool.name, input=whole)]

    def _count(self, usage: Any) -> None:
        for theirs, ours in _USAGE.items():
            count = getattr(usage, theirs, None)
            if isinstance(count, int):  # cumulative: the last one counts
                self._usage[ours] = count

    def _note_stop(self, delta: Any) -> None:
        if not delta.stop_reason:
            return
        self._stop_reason = delta.stop_reason
        if delta.stop_reason == "refusal":
            category = getattr(delta.stop_details, "category", None)
            self._refusal = category if isinstance(category, str) else "unnamed"

    def _end(self) -> EndChunk:
        self.is_ended = True
        if self._refusal is not None:
            raise Refusal(
                f"The model {self._model!r} declined to answer (category: {self._refusal}). "
                "Ask differently, or choose another model.",
                category=self._refusal,
            )
        if self._broken_tool is not None and self._stop_reason not in _CUT_BY_ITSELF:
            raise StreamCut(f"The input of tool call {self._broken_tool!r} did not come whole.")
        return EndChunk(stop_reason=self._stop_reason, model=self._model, usage=dict(self._usage))

    def _without_known_blanks(self, text: str) -> str:
        while self._blanks_again and text:
            if text[0] != self._blanks_again[0]:
                self._blanks_again = ""
                break
            text, self._blanks_again = text[1:], self._blanks_again[1:]
        return text


class _OpenTool:
    """A tool call whose input is still coming."""

    def __init__(self, id_: str, name: str) -> None:
        self.id = id_
        self.name = name
        self.pieces: list[str] = []

    def chunk(self, text: str) -> ToolInputChunk:
        return ToolInputChunk(tool_call_id=self.id, name=self.name, text=text)
