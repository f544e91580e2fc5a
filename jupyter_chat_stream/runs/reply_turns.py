"""Turns the parts of a reply, with its rounds of tool calls, into blocks of a prompt. Pure.

::

    text, calls, results, text, calls, results, text
    └─ assistant ─┘ └user─┘ └ assistant ─┘ └user─┘ └ assistant, or the prompt's partial text

A round ends with the results of its calls. The next round begins with the model's first part after
a result. Calls of tools that the provider itself executes belong to no round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeGuard

from ..providers.base import (
    Block,
    ReasoningBlock,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
)
from ..shared.endings import content_of
from ..shared.parts import output_instead
from ..shared.records import Part, Role, ToolCallPart, ToolResultPart
from ..store.front import ProviderData

CUT_MARK = "[The rest of this result is left out, because it is too long.]"
MIN_RESULT_CHARS = 1_000  # a shorter result is never shortened


def reply_turns(
    parts: Sequence[Part], data: Sequence[ProviderData], *, is_ended: bool
) -> list[Turn]:
    """Return the turns of a reply: the assistant's blocks, and after calls the results.

    Args:
        data: the provider's own blocks, which it gets back.
        is_ended: whether no more results come. If so, a call without a result counts as
            interrupted or not made; otherwise such a call is left out.
    """
    return _Rounds(parts, is_ended=is_ended).reply_turns(data)


def end_of_rounds(parts: Sequence[Part]) -> int:
    """Return the index of the first part after the last round."""
    own_ids = {part["tool_call_id"] for part in parts if _is_own_call(part)}
    ends = (i + 1 for i, part in enumerate(parts) if _result_id(part) in own_ids)
    return max(ends, default=0)


def shortened(block: ToolResultBlock, max_chars: int) -> ToolResultBlock:
    """Return a result with its output cut to about ``max_chars`` characters, and a mark."""
    text = replace(block, remarks=()).output_text
    if len(text) <= max(max_chars, MIN_RESULT_CHARS):
        return block
    return replace(block, output=f"{text[: max(max_chars, MIN_RESULT_CHARS)]}\n{CUT_MARK}")


class _Rounds:
    """The state while iterating over the parts of one reply."""

    def __init__(self, parts: Sequence[Part], *, is_ended: bool) -> None:
        self._parts = parts
        self._is_ended = is_ended
        self._results: dict[str, ToolResultPart] = {
            part["tool_call_id"]: part for part in parts if part["kind"] == "tool_result"
        }
        self._turns: list[Turn] = []
        self._blocks: list[Block] = []
        self._calls: list[ToolCallPart] = []
        self._own_ids: set[str] = set()
        self._text_from = 0  # the first part whose text is in no block yet
        self._has_result = False  # whether this round has a result already

    def reply_turns(self, data: Sequence[ProviderData]) -> list[Turn]:
        for item in data:
            if item.part < 0:
                self._blocks.append(ReasoningBlock(data=item.data))
        for index, part in enumerate(self._parts):
            self._add_part(index, part)
            for item in data:
                if item.part == index:
                    self._begin_round(index + 1)
                    self._end_text(index + 1)
                    self._blocks.append(ReasoningBlock(data=item.data))
        self._end_round(len(self._parts))
        return self._turns

    def _add_part(self, index: int, part: Part) -> None:
        if _is_own_call(part):
            self._begin_round(index)
            self._end_text(index)
            self._add_call(part)
        elif part["kind"] in ("text", "reasoning"):
            self._begin_round(index)
        elif _result_id(part) in self._own_ids:
            self._has_result = True

    def _add_call(self, part: ToolCallPart) -> None:
        id_ = part["tool_call_id"]
        self._own_ids.add(id_)
        if id_ in self._results or self._is_ended:
            self._calls.append(part)
            self._blocks.append(
                ToolUseBlock(tool_call_id=id_, name=part["name"], input=part["input"])
            )

    def _begin_round(self, index: int) -> None:
        if self._has_result:
            self._end_round(index)

    def _end_round(self, index: int) -> None:
        self._end_text(index)
        self._add("assistant", self._blocks)
        self._add("user", list(self._round_results()))
        self._blocks, self._calls, self._has_result = [], [], False

    def _round_results(self) -> Iterator[Block]:
        for call in self._calls:
            id_, name = call["tool_call_id"], call["name"]
            result = self._results.get(id_)
            success = result is not None and result["success"]
            output = output_instead(call) if result is None else result["output"]
            yield ToolResultBlock(tool_call_id=id_, name=name, success=success, output=output)

    def _end_text(self, index: int) -> None:
        """Make one block from the texts since the last block."""
        text = content_of(self._parts[self._text_from : index])
        self._text_from = index
        if text.strip():
            self._blocks.append(TextBlock(text=text))

    def _add(self, role: Role, blocks: Sequence[Block]) -> None:
        if blocks:
            self._turns.append(Turn(role=role, blocks=tuple(blocks)))


def has_rounds(parts: Sequence[Part]) -> bool:
    """Return whether a reply has a call for one of our executors."""
    return any(map(_is_own_call, parts))


def _is_own_call(part: Part) -> TypeGuard[ToolCallPart]:
    """Return whether a part is a complete call for one of our executors."""
    return part["kind"] == "tool_call" and "where" in part and "input" in part


def _result_id(part: Part) -> str | None:
    return part["tool_call_id"] if part["kind"] == "tool_result" else None
