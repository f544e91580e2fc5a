"""From chunks to events: chunks close together become one delta. Pure, no clock.

A delta has one part and one kind, is at most ``max_chars`` long, and holds no U+0000 and no lone
surrogate: half of a pair waits for its other half. An attempt adds its parts after those of earlier
attempts and never changes them. A part is opened by its first text.
"""

from __future__ import annotations

from ..providers.base import (
    Chunk,
    EndChunk,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    ToolInputChunk,
    ToolResultChunk,
)
from ..shared.errors import BadRequest
from ..shared.events import Body, Delta, ToolReturned, ToolStarted, clean_json, clean_text
from ..shared.records import DeltaKind


class Coalescer:
    """Collects an attempt's chunks until ``take``; ``pending_chars`` counts their characters."""

    def __init__(self, *, parts: int, max_chars: int) -> None:
        self._parts = parts  # how many the message has, including opened ones
        self._max_chars = max_chars
        self._open: tuple[DeltaKind, str] | None = None  # kind and tool call
        self._part: int | None = None  # its part, once it has any text
        self._pieces: list[str] = []
        self._held = ""  # the first half of a surrogate pair
        self._ready: list[Body] = []
        self._tool_parts: dict[str, int] = {}
        self.pending_chars = 0

    @property
    def is_empty(self) -> bool:
        """Whether ``take`` would return nothing."""
        return not (self._pieces or self._ready)

    def add(self, chunk: Chunk) -> None:
        if isinstance(chunk, TextChunk):
            self._write("text", "", chunk.text)
        elif isinstance(chunk, ReasoningChunk):
            self._write("reasoning", "", chunk.text)
        elif isinstance(chunk, ToolInputChunk):
            self._write("tool_input", chunk.tool_call_id, chunk.text)
        elif isinstance(chunk, ToolCallChunk):
            self._start_tool(chunk)
        elif isinstance(chunk, ToolResultChunk):
            self._return_tool(chunk)
        elif not isinstance(chunk, EndChunk):
            raise BadRequest(f"The provider gave a chunk of unknown type {type(chunk).__name__!r}.")

    def add_body(self, body: Body) -> None:
        """Add an event of another kind after the chunks so far."""
        self._close_delta()
        self._ready.append(body)

    def take(self) -> list[Body]:
        """Remove and return all events that can be written now."""
        self._close_delta()
        ready, self._ready = self._ready, []
        self.pending_chars = len(self._held)
        return ready

    def finish(self) -> list[Body]:
        """Remove and return all remaining events; half a surrogate pair becomes U+FFFD."""
        if self._held:
            self._pieces.append("\ufffd")
            self._held = ""
        return self.take()

    def _write(self, kind: DeltaKind, call: str, text: str) -> None:
        if self._open != (kind, call):
            self._end_part()
            self._open = (kind, call)
        text = self._held + text
        self._held = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._held, text = text[-1], text[:-1]
        if text:
            self._pieces.append(text)
            self.pending_chars += len(text)

    def _start_tool(self, chunk: ToolCallChunk) -> None:
        self._end_part()
        part = self._tool_parts.get(chunk.tool_call_id)
        self._ready.append(
            ToolStarted(
                part=self._next_part() if part is None else part,
                tool_call_id=clean_text(chunk.tool_call_id),
                name=clean_text(chunk.name),
                input=clean_json(chunk.input),
            )
        )

    def _return_tool(self, chunk: ToolResultChunk) -> None:
        self._end_part()
        self._next_part()  # the fold appends one
        self._ready.append(
            ToolReturned(
                tool_call_id=clean_text(chunk.tool_call_id),
                name=clean_text(chunk.name),
                success=chunk.success,
                output=clean_json(chunk.output),
            )
        )

    def _next_part(self) -> int:
        self._parts += 1
        return self._parts - 1

    def _end_part(self) -> None:
        if self._held:
            self._pieces.append("\ufffd")
            self._held = ""
        self._close_delta()
        self._open = self._part = None

    def _close_delta(self) -> None:
        if not self._pieces or self._open is None:
            return
        text = clean_text("".join(self._pieces))
        self._pieces = []
        kind, call = self._open
        if self._part is None:
            self._part = self._next_part()
            if kind == "tool_input":
                self._tool_parts.setdefault(call, self._part)
        part = self._part
        for start in range(0, len(text), self._max_chars):
            self._ready.append(
                Delta(part=part, kind=kind, text=text[start : start + self._max_chars])
            )
