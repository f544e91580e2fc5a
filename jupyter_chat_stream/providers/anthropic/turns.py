"""Turns of the conversation as content of the Messages API, without I/O.

The API refuses a blank text, and an assistant's turn that ends with blanks or with thinking. This
module leaves them out. Thinking goes back unchanged, because the API checks its signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..base import Block, DocumentBlock, ImageBlock, TextBlock, Turn
from ..carried_files import base64_of
from .blocks import THINKING

if TYPE_CHECKING:
    from anthropic.types import (
        Base64ImageSourceParam,
        CacheControlEphemeralParam,
        ContentBlockParam,
        DocumentBlockParam,
        ImageBlockParam,
    )

CACHE_MARK: CacheControlEphemeralParam = {"type": "ephemeral"}
MAX_TITLE_CHARS = 500  # the API's own limit


def to_content(turn: Turn) -> list[ContentBlockParam]:
    """Return a turn's blocks as the API takes them; an empty list for a turn that says nothing."""
    content = [made for block in turn.blocks if (made := _to_param(block, turn)) is not None]
    while content and content[-1]["type"] in THINKING:
        content.pop()
    return content


def mark(content: list[ContentBlockParam]) -> None:
    """Mark the end of a turn, so that the API caches the prompt up to there."""
    cast("dict[str, Any]", content[-1])["cache_control"] = CACHE_MARK


def _to_param(block: Block, turn: Turn) -> ContentBlockParam | None:
    if isinstance(block, TextBlock):
        # All of the assistant's turns are trimmed and not only the last one, so that the cached
        # beginning is the same in every request.
        text = block.text.rstrip() if turn.role == "assistant" else block.text
        return {"type": "text", "text": text} if text.strip() else None
    if isinstance(block, ImageBlock):
        return _image(block)
    if isinstance(block, DocumentBlock):
        return _document(block)
    return _thinking(block.data)


def _image(block: ImageBlock) -> ImageBlockParam:
    source = {"type": "base64", "media_type": block.type, "data": base64_of(block.data)}
    return {"type": "image", "source": cast("Base64ImageSourceParam", source)}


def _document(block: DocumentBlock) -> DocumentBlockParam:
    made: DocumentBlockParam = {
        "type": "document",
        "source": {
            "type": "base64",
            "media_type": "application/pdf",
            "data": base64_of(block.data),
        },
    }
    title = block.name.strip()[:MAX_TITLE_CHARS]
    return {**made, "title": title} if title else made


def _thinking(data: Mapping[str, Any]) -> ContentBlockParam | None:
    """Return a block of thinking; None for data that is not of this API."""
    known_by = THINKING.get(str(data.get("type")))
    return cast("ContentBlockParam", dict(data)) if known_by and data.get(known_by) else None
