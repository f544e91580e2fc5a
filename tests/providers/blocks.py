"""Turns of blocks, as a run makes them of messages with files and reasoning."""

from __future__ import annotations

from typing import Any

from jupyter_chat_stream.providers.base import Block, DocumentBlock, ImageBlock, TextBlock, Turn
from tests.providers.files import pdf, png

PNG = ImageBlock(name="plot.png", type="image/png", data=png())
PDF = DocumentBlock(name="report.pdf", type="application/pdf", data=pdf())


def user(*blocks: Block, cache: bool = False) -> Turn:
    return Turn(role="user", blocks=blocks, cache=cache)


def assistant(*blocks: Block, cache: bool = False) -> Turn:
    return Turn(role="assistant", blocks=blocks, cache=cache)


def say(text: str) -> TextBlock:
    return TextBlock(text=text)


def kinds(message: dict[str, Any]) -> list[str]:
    """Return the types of the blocks of a message in the body of a request."""
    return [block["type"] for block in message["content"]]
