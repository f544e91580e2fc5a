"""From the chunks of Chat Completions to ours: fed one at a time, no I/O.

::

    {delta: content | reasoning | tool_calls | refusal} … ─► {finish_reason} ─► {usage} ─► [DONE]

This module decides whether a stream was whole, because the SDK raises nothing when one is cut. It
was whole if a finish reason came. The usage and ``[DONE]`` may be missing. Unknown fields are
ignored, and a field with a wrong type counts as missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...shared.errors import NotTheProvider, Refusal, StreamCut
from ...shared.json_objects import JsonObject
from ..base import (
    Chunk,
    EndChunk,
    Model,
    ProviderDataChunk,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    ToolInputChunk,
    UsageChunk,
)
from ..call_ids import CallIds
from ..call_inputs import input_of
from ..continuation import KnownBlanks
from . import failures
from .chat_request import REASONING_FIELDS, reasoning_data
from .failures import OpenAIRequest, refusal_error
from .usage import count, is_context_full

_STOP_REASONS = {
    "stop": "end_turn",
    "eos": "end_turn",
    "length": "max_tokens",
    "model_length": "model_context_window_exceeded",  # Mistral
    "tool_calls": "tool_use",
    "function_call": "tool_use",
}
_FILTER_REASONS = ("content_filter", "refusal")
_ERROR_REASONS = ("error", "abort")  # OpenRouter, Mistral; vLLM
_CUT_BY_ITSELF = ("max_tokens", "model_context_window_exceeded")


@dataclass(kw_only=True)
class _Call:
    """A tool call whose input is growing."""

    id: str  # in our log
    api_id: str  # the server's own; empty if it sends none
    name: str
    pieces: list[str] = field(default_factory=list)

    def input(self) -> JsonObject | str:
        """Return the input, or a sentence if it is no JSON object."""
        return input_of("".join(self.pieces))


class ChatReading:
    """The state of reading one answer.

    Args:
        request: its prompt holds the partial text.
        model: the size of its context.
    """

    def __init__(self, request: OpenAIRequest, model: Model) -> None:
        self.is_ended = False  # ``[DONE]`` ends the stream, and the SDK keeps it to itself
        self.usage: UsageChunk | None = None
        prompt = request.prompt
        self._request, self._model = request, model
        self._prompt, self._endpoint = prompt, request.endpoint
        self._has_chunks = False
        self._finish_reason: str | None = None
        self._refusal: list[str] = []
        self._reasoning: list[str] = []  # that no provider's data holds yet
        self._reasoning_field = ""
        self._usage: dict[str, int] = {}
        self._calls: list[_Call] = []
        self._ids = CallIds(prompt)
        self._call_by_index: dict[int, _Call] = {}  # the newest call of each index
        self._blanks = KnownBlanks(prompt.partial)

    def feed(self, chunk: Any) -> list[Chunk]:
        """Take the next chunk; return the chunks that it brings.

        Raises:
            ProviderError: the chunk is an error that the server sends in place of one.
        """
        if getattr(chunk, "object", None) == "error":
            raise failures.from_stream(chunk.to_dict(), self._request)
        self._count(getattr(chunk, "usage", None))
        chunks: list[Chunk] = []
        for choice in _list(getattr(chunk, "choices", None)):
            self._has_chunks = True
            if getattr(choice, "index", 0) not in (0, None):
                continue
            delta = getattr(choice, "delta", None)
            if delta is not None:
                chunks += self._delta(delta)
            reason = getattr(choice, "finish_reason", None)
            if isinstance(reason, str) and reason:
                self._finish_reason = reason
        return chunks

    def finish(self) -> list[Chunk]:
        """Return the chunks that the end of the stream brings.

        Raises:
            StreamCut: no finish reason came.
            NotTheProvider: no chunk came.
            Refusal: the model, or a filter, declined to answer.
        """
        reason = self._finish_reason
        if reason is None and not self._has_chunks:
            raise NotTheProvider(
                f"What answers at {self._endpoint.place} is no server of Chat Completions: its "
                f"stream was empty. Look at the 'base_url' of the endpoint {self._endpoint.name!r}."
            )
        if reason in _FILTER_REASONS or (self._refusal and reason not in (None, *_ERROR_REASONS)):
            raise self._refusal_error()
        if reason is None or reason in _ERROR_REASONS:
            ending = "did not say it was done" if reason is None else f"said {reason!r}"
            raise StreamCut(f"The answer ended in the middle: {self._endpoint.title} {ending}.")
        stop_reason = _STOP_REASONS.get(reason, reason)
        is_cut = stop_reason == "max_tokens"
        if is_cut and is_context_full(self._usage, self._prompt, self._model):
            stop_reason = "model_context_window_exceeded"
        calls = list(self._whole_calls(stop_reason))
        if calls and stop_reason == "end_turn":
            stop_reason = "tool_use"  # some servers say "stop" after a tool call
        name = self._prompt.model
        return [*calls, EndChunk(stop_reason=stop_reason, model=name, usage=dict(self._usage))]

    def _delta(self, delta: Any) -> list[Chunk]:
        chunks: list[Chunk] = []
        # Servers that renamed the field send both for a while, with the same text.
        for name in REASONING_FIELDS:
            reasoning = _text(getattr(delta, name, None))
            if reasoning:
                self._reasoning.append(reasoning)
                self._reasoning_field = name
                chunks.append(ReasoningChunk(text=reasoning))
                break
        content = getattr(delta, "content", None)
        if isinstance(content, str):
            chunks += self._content(content)
        else:  # Mistral's reasoning models: a list of typed pieces
            for piece in _list(content):
                chunks += self._piece(piece)
        self._refusal += [refusal] if (refusal := _text(getattr(delta, "refusal", None))) else []
        for call in _list(getattr(delta, "tool_calls", None)):
            chunks += self._call(call)
        return chunks

    def _piece(self, piece: Any) -> list[Chunk]:
        if not isinstance(piece, Mapping):
            return []
        if piece.get("type") == "thinking":
            thought = "".join(
                _text(part.get("text")) for part in _list(piece.get("thinking"))
                if isinstance(part, Mapping)
            )  # fmt: skip
            return [ReasoningChunk(text=thought)] if thought else []
        return self._content(_text(piece.get("text")))

    def _content(self, text: str) -> list[Chunk]:
        text = self._blanks.drop(text)
        return [TextChunk(text=text)] if text else []

    def _call(self, piece: Any) -> list[Chunk]:
        function = getattr(piece, "function", None)
        name = _text(getattr(function, "name", None))
        text = _text(getattr(function, "arguments", None))
        id_ = _text(getattr(piece, "id", None))
        index = getattr(piece, "index", None)
        index = index if isinstance(index, int) else None
        call = self._call_to_continue(index, id_, name)
        chunks: list[Chunk] = []
        if call is None:
            chunks += self._keep_reasoning()
            call = _Call(id=self._ids.take(id_), api_id=id_, name=name)
            self._calls.append(call)
            chunks.append(ToolInputChunk(tool_call_id=call.id, name=call.name, text=""))
        if index is not None:
            self._call_by_index[index] = call
        call.name = call.name or name
        if text:
            call.pieces.append(text)
            chunks.append(ToolInputChunk(tool_call_id=call.id, name=call.name, text=text))
        return chunks

    def _keep_reasoning(self) -> list[Chunk]:
        """Keep the reasoning so far: the server may want it back with the call."""
        text, self._reasoning = "".join(self._reasoning), []
        if not text:
            return []
        data = reasoning_data(self._prompt.model, self._reasoning_field, text)
        return [ProviderDataChunk(data=data)]

    def _call_to_continue(self, index: int | None, id_: str, name: str) -> _Call | None:
        """Return the call that a piece continues; None if the piece begins a call.

        Some servers send parallel calls with one index, or with none. Others send a new id with
        each piece of a call, so a new id begins a call only together with a name.
        """
        if index is not None:
            call = self._call_by_index.get(index)
            is_other = call is not None and bool(id_ and name) and id_ != call.api_id
            return None if is_other else call
        if id_:
            return next((call for call in self._calls if call.api_id == id_), None)
        last = self._calls[-1] if self._calls else None
        return None if last is not None and last.name and name else last

    def _whole_calls(self, stop_reason: str) -> Iterator[ToolCallChunk]:
        """Yield the calls; a broken input fails its call, unless the answer's length cut it."""
        for call in self._calls:
            call_input = call.input()
            if not isinstance(call_input, str):
                yield ToolCallChunk(tool_call_id=call.id, name=call.name, input=call_input)
            elif stop_reason not in _CUT_BY_ITSELF:
                yield ToolCallChunk(
                    tool_call_id=call.id, name=call.name, input={}, error=call_input
                )

    def _count(self, usage: Any) -> None:
        """Take the usage; if a server sends it more than once, the last one counts."""
        input_tokens, output_tokens = (
            getattr(usage, "prompt_tokens", None),
            getattr(usage, "completion_tokens", None),
        )
        tokens = count(input_tokens, output_tokens, getattr(usage, "prompt_tokens_details", None))
        if tokens:
            self._usage = tokens
            self.usage = UsageChunk(model=self._prompt.model, usage=tokens)

    def _refusal_error(self) -> Refusal:
        is_filtered = self._finish_reason == "content_filter"
        return refusal_error("".join(self._refusal), is_filtered=is_filtered)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
