"""The blocks of a turn, as both dialects write them: images and documents as data URLs."""

from __future__ import annotations

from collections.abc import Iterable

from ..base import DocumentBlock, ImageBlock, TextBlock, Turn
from ..carried_files import base64_of

MAX_FILE_NAME_CHARS = 200


def has_content(turn: Turn) -> bool:
    """Return whether a turn holds anything that a server takes: no server takes a blank one."""
    is_more = any(isinstance(block, (ImageBlock, DocumentBlock)) for block in turn.blocks)
    return is_more or bool(turn.text.strip())


def shown(turn: Turn) -> Iterable[TextBlock | ImageBlock | DocumentBlock]:
    """Yield the blocks of a turn that are not blank and no reasoning."""
    for block in turn.blocks:
        if isinstance(block, (ImageBlock, DocumentBlock)) or (
            isinstance(block, TextBlock) and block.text.strip()
        ):
            yield block


def is_text(turn: Turn) -> bool:
    """Return whether a turn holds only text, which every server takes as a plain string."""
    return all(isinstance(block, TextBlock) for block in shown(turn))


def data_url(block: ImageBlock | DocumentBlock) -> str:
    """Return the bytes of an image or a document as a URL."""
    return f"data:{block.type};base64,{base64_of(block.data)}"


def file_name(block: DocumentBlock) -> str:
    """Return the name under which a model sees a document."""
    return block.name[-MAX_FILE_NAME_CHARS:] or "document"
