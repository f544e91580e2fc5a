"""The blocks of a turn, as both dialects write them.

Images and documents become data URLs. No dialect marks a failed call, so its output says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from ..base import (
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
)
from ..carried_files import base64_of
from ..prompt_blocks import RESULT_FILES

MAX_FILE_NAME_CHARS = 200


_MORE = (ImageBlock, DocumentBlock, ToolUseBlock, ToolResultBlock)


def has_content(turn: Turn) -> bool:
    """Return whether a turn holds anything that a server takes: no server takes a blank one."""
    return any(isinstance(block, _MORE) for block in turn.blocks) or bool(turn.text.strip())


def calls(turn: Turn) -> list[ToolUseBlock]:
    """Return the tool calls of a turn."""
    return [block for block in turn.blocks if isinstance(block, ToolUseBlock)]


def results(turn: Turn) -> list[ToolResultBlock]:
    """Return the results of tools in a turn."""
    return [block for block in turn.blocks if isinstance(block, ToolResultBlock)]


def input_text(block: ToolUseBlock) -> str:
    """Return the input of a call as the text of a JSON object."""
    return json.dumps(block.input, ensure_ascii=False)


def output_text(block: ToolResultBlock) -> str:
    """Return the output of a call as a model reads it."""
    return block.output_text if block.success else f"Error: {block.output_text}"


def result_files(turn: Turn) -> Iterator[TextBlock | ImageBlock | DocumentBlock]:
    """Yield the files of a turn's results, each after a text that tells whose it is."""
    files = [(block, file) for block in results(turn) for file in block.files]
    if files:
        yield TextBlock(text=RESULT_FILES)
    for block, file in files:
        yield TextBlock(text=f"{file.name!r} of {block.name!r}:")
        yield file


def visible_blocks(turn: Turn) -> Iterable[TextBlock | ImageBlock | DocumentBlock]:
    """Yield the texts of a turn that are not blank, its images and its documents."""
    for block in turn.blocks:
        if isinstance(block, (ImageBlock, DocumentBlock)) or (
            isinstance(block, TextBlock) and block.text.strip()
        ):
            yield block


def is_text(turn: Turn) -> bool:
    """Return whether a turn holds only text, which every server takes as a plain string."""
    return all(isinstance(block, TextBlock) for block in visible_blocks(turn))


def data_url(block: ImageBlock | DocumentBlock) -> str:
    """Return the bytes of an image or a document as a URL."""
    return f"data:{block.type};base64,{base64_of(block.data)}"


def file_name(block: DocumentBlock) -> str:
    """Return the name under which a model sees a document."""
    return block.name[-MAX_FILE_NAME_CHARS:] or "document"
