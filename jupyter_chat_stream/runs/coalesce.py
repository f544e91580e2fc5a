"""Turns chunks into events; chunks that arrive close together become one delta. Pure, no clock.

After the first ``UpstreamChunk`` of an attempt, a chunk is only taken when a later
``UpstreamChunk`` covers it. So the committed text ends exactly at the committed cursor, and no
text comes twice (L15).

A delta has one part and one kind, and at most ``max_chars`` characters. It contains no U+0000 and
no lone surrogate: the first half of a pair waits for the second. An attempt adds its parts after
the parts of earlier attempts, and never changes those. The first text of a part opens the part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ..providers.base import (
    Chunk,
    EndChunk,
    ProviderDataChunk,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    ToolInputChunk,
    ToolResultChunk,
    UpstreamChunk,
)
from ..shared.errors import BadRequest
from ..shared.events import (
    Body,
    Delta,
    NoteAdded,
    ToolReturned,
    ToolStarted,
    clean_json,
    clean_text,
)
from ..shared.json_objects import JsonView
from ..shared.records import DeltaKind
from ..shared.tool_records import FailedFor
from .toolset import CallFacts

MAX_UNCOVERED_CHARS = 8_000_000  # in memory, of one answer


@dataclass(frozen=True, kw_only=True)
class EventBatch:
    """Events that can be written now, with further data for the same transaction."""

    bodies: Sequence[Body] = ()
    upstream: UpstreamChunk | None = None
    data: Sequence[tuple[int, JsonView]] = ()
    """Blocks for the provider's next prompts, each with the index of its part."""


class Coalescer:
    """Collects an attempt's chunks until ``take``; ``pending_chars`` counts their characters."""

    def __init__(
        self,
        *,
        parts: int,
        max_chars: int,
        is_joined: bool = False,
        facts_of: Callable[[ToolCallChunk], CallFacts | None] = lambda _: None,
    ) -> None:
        self._parts = parts  # the number of the message's parts, including opened ones
        self._max_chars = max_chars
        self._open_kind: tuple[DeltaKind, str] | None = None  # kind and tool call
        self._part: int | None = None  # the index of the open part, once it has text
        self._pieces: list[str] = []
        self._half_pair = ""  # the first half of a surrogate pair
        self._ready: list[Body] = []
        self._tool_parts: dict[str, int] = {}
        self._invalid_calls: list[ToolCallChunk] = []  # calls whose input is no JSON object
        self._facts_of = facts_of  # looks up executor, effect and expiry of a call
        self._upstream: UpstreamChunk | None = None
        self._data: list[tuple[int, JsonView]] = []
        self._is_joined = is_joined  # the upstream can be joined again
        self._uncovered: list[Callable[[], None]] = []  # functions that add the uncovered chunks
        self._uncovered_chars = 0
        self._cuts_pair = False  # the last uncovered chunk ends within a surrogate pair
        self.pending_chars = 0

    @property
    def parts(self) -> int:
        """The number of the message's parts, including the parts of taken events."""
        return self._parts

    @property
    def is_empty(self) -> bool:
        """Whether ``take`` would return nothing."""
        return not (self._pieces or self._ready or self._upstream or self._data)

    def add(self, chunk: Chunk) -> None:
        if isinstance(chunk, UpstreamChunk):
            self._cover(chunk)
        elif self._is_joined:
            self._count_uncovered(chunk)
            self._uncovered.append(partial(self._add, chunk))
            self._cuts_pair = isinstance(chunk, TextChunk | ReasoningChunk) and _ends_in_half(
                chunk.text
            )
        else:
            self._add(chunk)

    def _count_uncovered(self, chunk: Chunk) -> None:
        self._uncovered_chars += len(getattr(chunk, "text", ""))
        if self._uncovered_chars > MAX_UNCOVERED_CHARS:
            raise BadRequest(
                f"The provider gave more than {MAX_UNCOVERED_CHARS} characters without a cursor, "
                "although its answers can be joined again. Report this to the provider's author."
            )

    def _cover(self, place: UpstreamChunk) -> None:
        """Take the chunks up to this place, unless the place is within a surrogate pair."""
        if self._cuts_pair:
            return
        self._add_uncovered()
        self._is_joined, self._upstream = True, place

    def _add_uncovered(self) -> None:
        uncovered, self._uncovered, self._uncovered_chars = self._uncovered, [], 0
        for add in uncovered:
            add()

    def _add(self, chunk: Chunk) -> None:
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
        elif isinstance(chunk, ProviderDataChunk):
            self._close_delta()
            self._data.append((self._parts - 1, clean_json(chunk.data)))
        elif not isinstance(chunk, EndChunk):
            raise BadRequest(f"The provider gave a chunk of unknown type {type(chunk).__name__!r}.")

    def add_body(self, body: Body) -> None:
        """Add an event of another kind after the chunks so far."""
        if self._is_joined:
            self._uncovered.append(partial(self._add_body, body))
        else:
            self._add_body(body)

    def _add_body(self, body: Body) -> None:
        if isinstance(body, NoteAdded):
            self._end_part()
            self._next_part()
        else:
            self._close_delta()
        self._ready.append(body)

    def take(self) -> EventBatch:
        """Remove and return all events that can be written now."""
        self._close_delta()
        batch = EventBatch(bodies=self._ready, upstream=self._upstream, data=self._data)
        self._ready, self._data, self._upstream = [], [], None
        self.pending_chars = len(self._half_pair)
        return batch

    def drop_uncovered(self) -> None:
        """Drop the chunks after the last cursor, which the upstream sends again."""
        self._uncovered, self._uncovered_chars, self._cuts_pair = [], 0, False

    def finish(self) -> EventBatch:
        """Remove and return all remaining events; half a surrogate pair becomes U+FFFD."""
        self._add_uncovered()
        if self._half_pair:
            self._pieces.append("\ufffd")
            self._half_pair = ""
        self._fail_invalid_calls()
        return self.take()

    def _write(self, kind: DeltaKind, call: str, text: str) -> None:
        if self._open_kind != (kind, call):
            self._end_part()
            self._open_kind = (kind, call)
        text = self._half_pair + text
        self._half_pair = ""
        if _ends_in_half(text):
            self._half_pair, text = text[-1], text[:-1]
        if text:
            self._pieces.append(text)
            self.pending_chars += len(text)

    def _start_tool(self, chunk: ToolCallChunk) -> None:
        self._end_part()
        if chunk.error:
            self._invalid_calls.append(chunk)
            return
        self._ready.append(self._started_event(chunk))

    def _fail_invalid_calls(self) -> None:
        """Add the calls with an invalid input, each with a failed result.

        They come last and in one append, so that no result stands between the calls of a round.
        """
        invalid_calls, self._invalid_calls = self._invalid_calls, []
        if invalid_calls:
            self._end_part()
        self._ready += [self._started_event(chunk) for chunk in invalid_calls]
        for chunk in invalid_calls:
            call = {"tool_call_id": chunk.tool_call_id, "name": chunk.name}
            result = ToolResultChunk(**call, success=False, output=chunk.error)
            self._return_tool(result, reason="denied")

    def _started_event(self, chunk: ToolCallChunk) -> ToolStarted:
        part = self._tool_parts.get(chunk.tool_call_id)
        facts = self._facts_of(chunk)
        return started_event(chunk, self._next_part() if part is None else part, facts)

    def _return_tool(self, chunk: ToolResultChunk, reason: FailedFor | None = None) -> None:
        self._end_part()
        self._next_part()  # the fold appends a part, too
        self._ready.append(
            ToolReturned(
                tool_call_id=clean_text(chunk.tool_call_id),
                name=clean_text(chunk.name),
                success=chunk.success,
                output=clean_json(chunk.output),
                reason=reason,
            )
        )

    def _next_part(self) -> int:
        self._parts += 1
        return self._parts - 1

    def _end_part(self) -> None:
        if self._half_pair:
            self._pieces.append("\ufffd")
            self._half_pair = ""
        self._close_delta()
        self._open_kind = self._part = None

    def _close_delta(self) -> None:
        if not self._pieces or self._open_kind is None:
            return
        text = clean_text("".join(self._pieces))
        self._pieces = []
        kind, call = self._open_kind
        if self._part is None:
            self._part = self._next_part()
            if kind == "tool_input":
                self._tool_parts.setdefault(call, self._part)
        part = self._part
        for start in range(0, len(text), self._max_chars):
            self._ready.append(
                Delta(part=part, kind=kind, text=text[start : start + self._max_chars])
            )


def started_event(chunk: ToolCallChunk, part: int, facts: CallFacts | None) -> ToolStarted:
    """Return the event of the start of a tool call.

    Args:
        facts: None for a call that no executor makes.
    """
    return ToolStarted(
        part=part,
        tool_call_id=clean_text(chunk.tool_call_id),
        name=clean_text(chunk.name),
        input=clean_json(chunk.input),
        **({} if facts is None else vars(facts)),
    )


def _ends_in_half(text: str) -> bool:
    """Return whether a text ends with the first half of a surrogate pair."""
    return bool(text) and "\ud800" <= text[-1] <= "\udbff"
