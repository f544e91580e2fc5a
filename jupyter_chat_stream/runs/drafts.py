"""Turns of a prompt before the bytes of their files are read. Pure.

A file of a tool's result stands right after the result, and goes with it. It becomes part of the
result once its bytes are there (``given``), or a remark in the result if the model does not get it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ..providers.base import (
    Block,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from ..shared.records import Role
from .reply_turns import shortened

B = TypeVar("B")


@dataclass(frozen=True, kw_only=True)
class FileBlock:
    """A file of a turn whose bytes are not read yet."""

    attachment_id: str
    name: str
    type: str
    size: int
    chars: int
    """The size that the budget counts for it."""
    result_of: str | None = None
    """The call whose result has the file; None of a file that a person attached."""


DraftBlock = Block | FileBlock


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A turn before the bytes of its files are there."""

    role: Role
    blocks: tuple[DraftBlock, ...]

    def chars(self) -> int:
        """Estimate the length of the turn in characters of text."""
        texts = [len(text) for block in self.blocks if (text := _text_of(block)) is not None]
        joints = 2 * max(0, len(texts) - 1)
        files = (block.chars for block in self.blocks if isinstance(block, FileBlock))
        return sum(texts) + joints + sum(files)

    @property
    def is_persons(self) -> bool:
        """Whether the turn holds what a person sent, beside results of tools."""
        return self.role == "user" and not all(map(_is_of_result, self.blocks))

    def without_results(self) -> Draft:
        """Return a person's turn without the results before it: their calls are left out."""
        kept = (block for block in self.blocks if not _is_of_result(block))
        return Draft(role=self.role, blocks=tuple(kept))

    def shortened(self, most: int) -> Draft:
        """Return the turn with results of at most about so many characters each."""
        blocks = (
            shortened(block, most) if isinstance(block, ToolResultBlock) else block
            for block in self.blocks
        )
        return Draft(role=self.role, blocks=tuple(blocks))

    def without_result_files(self) -> Draft:
        """Return the turn without the files of its results, each of which tells that."""
        blocks: list[DraftBlock] = []
        for block in self.blocks:
            if isinstance(block, FileBlock) and block.result_of is not None:
                remark(blocks, block.result_of, f"[The file {block.name!r} is left out here.]")
            else:
                blocks.append(block)
        return Draft(role=self.role, blocks=tuple(blocks))


def remark(blocks: list[DraftBlock], tool_call_id: str, text: str) -> None:
    """Add a sentence to the newest result of a call among some blocks."""
    place = _place_of(blocks, tool_call_id)
    result = blocks[place]
    if isinstance(result, ToolResultBlock):
        blocks[place] = replace(result, remarks=(*result.remarks, text))


def give(blocks: list[DraftBlock], tool_call_id: str, made: Block) -> None:
    """Add a file that was read to the result of its call; a text becomes a remark."""
    place = _place_of(blocks, tool_call_id)
    result = blocks[place]
    if not isinstance(result, ToolResultBlock):
        return
    if isinstance(made, (ImageBlock, DocumentBlock)):
        blocks[place] = replace(result, files=(*result.files, made))
    elif isinstance(made, TextBlock):
        blocks[place] = replace(result, remarks=(*result.remarks, made.text))


def joined(blocks: Iterable[B | TextBlock]) -> Iterator[B | TextBlock]:
    """Join neighbouring texts into one, and leave out blank ones."""
    texts: list[str] = []
    for block in blocks:
        if isinstance(block, TextBlock):
            texts += [block.text] if block.text.strip() else []
            continue
        if texts:
            yield TextBlock(text="\n\n".join(texts))
            texts = []
        yield block
    if texts:
        yield TextBlock(text="\n\n".join(texts))


def _place_of(blocks: Sequence[DraftBlock], tool_call_id: str) -> int:
    places = (
        place
        for place in range(len(blocks) - 1, -1, -1)
        if getattr(blocks[place], "tool_call_id", None) == tool_call_id
    )
    return next(places, -1)


def _text_of(block: DraftBlock) -> str | None:
    told = (TextBlock, ToolUseBlock, ToolResultBlock)
    return block.text if isinstance(block, told) else None


def _is_of_result(block: DraftBlock) -> bool:
    is_file = isinstance(block, FileBlock) and block.result_of is not None
    return is_file or isinstance(block, ToolResultBlock)
