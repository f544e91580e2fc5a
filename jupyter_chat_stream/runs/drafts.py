"""Turns of a prompt before the bytes of their files are read. Pure.

A file of a tool's result stands right after the result, and is left out with it. When its bytes are
read (``add_file``), the file becomes part of the result; if the model does not get the file, a
remark in the result says so.
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
    """The size of the file in the budget, in characters."""
    result_of: str | None = None
    """The call whose result has the file; None for a file that a person attached."""


DraftBlock = Block | FileBlock


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A turn before the bytes of its files are read."""

    role: Role
    blocks: tuple[DraftBlock, ...]

    def chars(self) -> int:
        """Estimate the length of the turn in characters of text."""
        texts = [len(text) for block in self.blocks if (text := _text_of(block)) is not None]
        separators = 2 * max(0, len(texts) - 1)
        files = (block.chars for block in self.blocks if isinstance(block, FileBlock))
        return sum(texts) + separators + sum(files)

    @property
    def is_persons(self) -> bool:
        """Whether the turn has blocks of a person, and not only results of tools."""
        return self.role == "user" and not all(map(_is_of_result, self.blocks))

    def without_results(self) -> Draft:
        """Return a person's turn without results, because their calls are left out."""
        blocks = (block for block in self.blocks if not _is_of_result(block))
        return Draft(role=self.role, blocks=tuple(blocks))

    def shortened(self, max_chars: int) -> Draft:
        """Return the turn with each result cut to about ``max_chars`` characters."""
        blocks = (
            shortened(block, max_chars) if isinstance(block, ToolResultBlock) else block
            for block in self.blocks
        )
        return Draft(role=self.role, blocks=tuple(blocks))

    def without_result_files(self) -> Draft:
        """Return the turn without the files of its results; a remark replaces each file."""
        blocks: list[DraftBlock] = []
        for block in self.blocks:
            if isinstance(block, FileBlock) and block.result_of is not None:
                add_remark(blocks, block.result_of, f"[The file {block.name!r} is left out here.]")
            else:
                blocks.append(block)
        return Draft(role=self.role, blocks=tuple(blocks))


class FileBudget:
    """Leaves out the files for which a prompt has no space. It gets the newest turn first.

    Args:
        size: the most bytes of all files.
        of_results: the most files of results.
    """

    def __init__(self, size: int, of_results: int) -> None:
        self.left_out_names: list[str] = []
        """The names of a person's attached files that were left out."""
        self._size = size
        self._of_results = of_results

    def fitting(self, draft: Draft) -> Draft:
        """Return a turn with the files that fit, and a sentence for each other file."""
        blocks: list[DraftBlock] = []
        remarks: list[tuple[str, str]] = []
        newest_first = not draft.is_persons  # of a person's message, the first files stay
        for block in reversed(draft.blocks) if newest_first else draft.blocks:
            if not isinstance(block, FileBlock) or self._takes(block):
                blocks.append(block)
                continue
            sentence = "left out: the files of this chat are too large together"
            sentence = f"[The file {block.name!r} is {sentence}.]"
            if block.result_of is not None:
                remarks.append((block.result_of, sentence))
            else:
                self.left_out_names.append(block.name)
                blocks.append(TextBlock(text=sentence))
        if newest_first:
            blocks.reverse()
        for tool_call_id, sentence in reversed(remarks):
            add_remark(blocks, tool_call_id, sentence)
        return Draft(role=draft.role, blocks=tuple(join_texts(blocks)))

    def _takes(self, block: FileBlock) -> bool:
        is_of_result = block.result_of is not None
        if block.size > self._size or (is_of_result and not self._of_results):
            return False
        self._size -= block.size
        self._of_results -= is_of_result
        return True


def add_remark(blocks: list[DraftBlock], tool_call_id: str, text: str) -> None:
    """Add a sentence to the result of a call among some blocks."""
    for index, result in _results_of(blocks, tool_call_id):
        blocks[index] = replace(result, remarks=(*result.remarks, text))


def add_file(blocks: list[DraftBlock], tool_call_id: str, block: Block) -> None:
    """Add a file, whose bytes were read, to the result of its call; a text becomes a remark."""
    if isinstance(block, TextBlock):
        add_remark(blocks, tool_call_id, block.text)
    elif isinstance(block, (ImageBlock, DocumentBlock)):
        for index, result in _results_of(blocks, tool_call_id):
            blocks[index] = replace(result, files=(*result.files, block))


def join_texts(blocks: Iterable[B | TextBlock]) -> Iterator[B | TextBlock]:
    """Join neighbouring texts into one, and leave out blank texts."""
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


def _results_of(
    blocks: Sequence[DraftBlock], tool_call_id: str
) -> list[tuple[int, ToolResultBlock]]:
    """Yield the result of a call with its index, if the blocks have it."""
    return [
        (index, block)
        for index, block in enumerate(blocks)
        if isinstance(block, ToolResultBlock) and block.tool_call_id == tool_call_id
    ]


def _text_of(block: DraftBlock) -> str | None:
    text_types = (TextBlock, ToolUseBlock, ToolResultBlock)
    return block.text if isinstance(block, text_types) else None


def _is_of_result(block: DraftBlock) -> bool:
    is_file = isinstance(block, FileBlock) and block.result_of is not None
    return is_file or isinstance(block, ToolResultBlock)
