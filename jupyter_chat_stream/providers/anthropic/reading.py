"""Turns the events of the Messages API into chunks, one event at a time and without I/O.

::

    message_start ─► (content_block_start ─► delta … ─► content_block_stop) … ─► message_delta
                                                                      message_stop ─► EndChunk

This module decides whether the stream was whole, because the SDK raises nothing at the end of a cut
one. A stream is whole if its stop reason came and its HTTP answer ended well, even without
``message_stop``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...shared.errors import Refusal, StreamCut
from ...shared.json_objects import JsonObject
from ..base import (
    Chunk,
    EndChunk,
    ProviderDataChunk,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    ToolInputChunk,
    UsageChunk,
)
from ..call_ids import CallIds
from ..continuation import KnownBlanks
from ..quoting import as_line, as_reason
from . import foreign
from .api_request import MessagesRequest
from .blocks import THINKING, WITHOUT_RESULT, StreamedBlock, plain, to_send_back

if TYPE_CHECKING:
    from anthropic.types import (
        ContentBlockParam,
        MessageDeltaUsage,
        RawContentBlockDelta,
        RawMessageStreamEvent,
        Usage,
    )
    from anthropic.types.raw_message_delta_event import Delta

_USAGE = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
}
_CUT_SHORT = ("max_tokens", "model_context_window_exceeded")


class MessagesReading:
    """The state of reading one answer.

    Args:
        request: its model answers; this answer continues its prompt's partial text.
    """

    def __init__(self, request: MessagesRequest) -> None:
        self.request = request
        prompt = request.prompt
        self.is_ended = False
        self.usage: UsageChunk | None = None
        self._has_events = False  # whether any request of this answer brought an event
        self._model = prompt.model
        self._usage = dict.fromkeys(_USAGE.values(), 0)
        self._usage_before = dict(self._usage)  # of the requests before a pause
        self._stop_reason: str | None = None
        self._stop_details: JsonObject = {}
        self._blocks: list[StreamedBlock] = []
        self._open_blocks: dict[int, StreamedBlock] = {}
        self._names: dict[str, str] = {}  # of the tools called, by the call's id
        self._ids = CallIds(prompt)
        # A call without input, or with a broken one: the model wrote it so, or its length cut it.
        self._unsure_call: ToolCallChunk | None = None
        self._broken_tool: str | None = None  # a call of the API's own tool, without whole input
        self._blanks = KnownBlanks(prompt.partial)

    def feed(self, event: RawMessageStreamEvent) -> list[Chunk]:
        """Take the next event; return the chunks that it brings.

        Raises:
            Refusal: the model declined to answer.
            StreamCut: the input of a tool of the API is cut off, although the turn has ended.
        """
        self._has_events = True
        if event.type == "content_block_delta":
            return self._delta(event.index, event.delta)
        if event.type == "content_block_start":
            return [*self._take_unsure_call(), *self._start(event.index, event.content_block)]
        if event.type == "content_block_stop":
            return self._stop(event.index)
        if event.type == "message_start":
            self._model = event.message.model or self._model
            self._count(event.message.usage)
        elif event.type == "message_delta":
            self._count(event.usage)
            return self._note_stop(event.delta)
        elif event.type == "message_stop":
            return [*self._take_unsure_call(), self._end()]
        return []  # an event this version does not know

    def finish(self) -> list[Chunk]:
        """Take the good end of an HTTP answer that had no ``message_stop``.

        Raises:
            StreamCut: there was no stop reason.
            NotTheProvider: there was no event at all.
            Refusal: the model declined to answer.
        """
        if self._stop_reason is not None:
            return [*self._take_unsure_call(), self._end()]
        if not self._has_events:
            raise foreign.not_this_api("its stream had no events", self.request)
        who = self.request.whom
        raise StreamCut(f"The answer ended in the middle: {who} did not say that it was done.")

    def go_on(self) -> list[ContentBlockParam]:
        """Get ready for the next request after a pause; return the blocks to send back."""
        blocks = to_send_back(self._blocks)
        last = self._blocks[-1].whole() if self._blocks else None
        if last is not None and last.get("type") == "text":
            text = str(last["text"])
            self._blanks.remaining = text[len(text.rstrip()) :]
        self._blocks, self._open_blocks = [], {}
        self._usage_before = self._total()
        self._usage = dict.fromkeys(self._usage, 0)
        self._stop_reason, self.is_ended = None, False
        return blocks

    def _start(self, index: int, content_block: object) -> list[Chunk]:
        block = self._open_blocks[index] = StreamedBlock(plain(content_block))
        self._blocks.append(block)
        if block.is_call:
            self._names[block.call_id] = block.name
            if block.kind == "tool_use":  # the calls of the API's own tools keep their id
                block.call_id = self._ids.take(str(block.value.get("id") or ""))
            return [ToolInputChunk(tool_call_id=block.call_id, name=block.name, text="")]
        if block.kind == "text":
            return self._text(str(block.value.get("text") or ""))
        thought = block.value.get("thinking")
        if block.kind == "thinking" and thought:
            return [ReasoningChunk(text=str(thought))]
        return []

    def _delta(self, index: int, delta: RawContentBlockDelta) -> list[Chunk]:
        block = self._open_blocks.get(index)
        if block is None:  # its start is missing; the text of the delta counts anyway
            kinds = {"text_delta": "text", "thinking_delta": "thinking"}
            block = self._open_blocks[index] = StreamedBlock(
                {"type": kinds.get(delta.type, "redacted_thinking")}
            )
            self._blocks.append(block)
        block.add(delta)
        if delta.type == "text_delta" and block.kind == "text":
            return self._text(delta.text)
        if delta.type == "thinking_delta" and block.kind == "thinking":
            return [ReasoningChunk(text=delta.thinking)] if delta.thinking else []
        if delta.type == "input_json_delta" and block.is_call and delta.partial_json:
            name, text = block.name, delta.partial_json
            return [ToolInputChunk(tool_call_id=block.call_id, name=name, text=text)]
        return []  # signatures, citations, and results, which `_stop` returns

    def _stop(self, index: int) -> list[Chunk]:
        block = self._open_blocks.pop(index, None)
        if block is None:
            return []
        if block.kind in WITHOUT_RESULT:
            return _thinking_data(block)
        if not block.is_call:
            return [block.result(self._names)]
        earlier_chunks, call_input = self._take_unsure_call(), block.input()
        is_broken, is_hosted = isinstance(call_input, str), block.kind != "tool_use"
        if is_broken and is_hosted:
            self._broken_tool = block.call_id  # `_end` decides: max_tokens may have cut it
            return earlier_chunks
        call = ToolCallChunk(
            tool_call_id=block.call_id,
            name=block.name,
            input={} if isinstance(call_input, str) else call_input,
            error=call_input if isinstance(call_input, str) else "",
            is_hosted=is_hosted,
        )
        if not is_broken and (call_input or block.text_of("partial_json")):
            return [*earlier_chunks, call]
        self._unsure_call = call
        return earlier_chunks

    def _take_unsure_call(self) -> list[Chunk]:
        """Return the unsure call: the model ended it, because something came after it."""
        call, self._unsure_call = self._unsure_call, None
        return [] if call is None else [call]

    def _count(self, usage: Usage | MessageDeltaUsage) -> None:
        for theirs, ours in _USAGE.items():
            count = getattr(usage, theirs, None)
            if isinstance(count, int):  # cumulative: the last one counts
                self._usage[ours] = count
        self.usage = UsageChunk(model=self._model, usage=self._total())

    def _total(self) -> dict[str, int]:
        return {name: self._usage_before[name] + count for name, count in self._usage.items()}

    def _note_stop(self, delta: Delta) -> list[Chunk]:
        """Keep the stop reason, and close the blocks that are still open."""
        if not delta.stop_reason:
            return []
        self._stop_reason = str(delta.stop_reason)
        self._stop_details = plain(getattr(delta, "stop_details", None))
        chunks = [chunk for index in sorted(self._open_blocks) for chunk in self._stop(index)]
        if self._stop_reason in _CUT_SHORT:
            self._unsure_call = None  # cut before the end of its input
        return [*chunks, *self._take_unsure_call()]

    def _end(self) -> EndChunk:
        self.is_ended = True
        stop_reason = self._stop_reason or "end_turn"
        if stop_reason == "refusal":
            raise self._refusal()
        if self._broken_tool is not None and stop_reason not in _CUT_SHORT:
            raise StreamCut(f"The input of tool call {self._broken_tool!r} is cut off.")
        return EndChunk(stop_reason=stop_reason, model=self._model, usage=self._total())

    def _refusal(self) -> Refusal:
        category = self._stop_details.get("category")
        explanation = self._stop_details.get("explanation")
        reason = as_reason(explanation if isinstance(explanation, str) else "")
        if isinstance(category, str) and reason == ".":
            reason = f" (category: {as_line(category, 64)})."
        return Refusal(
            f"The model declined to answer{reason} Ask in other words, or choose another model.",
            category=category if isinstance(category, str) else "unnamed",
        )

    def _text(self, text: str) -> list[Chunk]:
        text = self._blanks.drop(text)
        return [TextChunk(text=text)] if text else []


def _thinking_data(block: StreamedBlock) -> list[Chunk]:
    """Return a whole block of thinking as data that a later request sends back."""
    whole = block.whole() if block.kind in THINKING else None
    return [] if whole is None else [ProviderDataChunk(data=whole)]
