"""Markdown: each exchange under its heading, every text made harmless for whatever renders it.

What is not Markdown of theirs is fenced by more backticks than it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..shared.markdown.copies import harmless, one_line, visible
from .blocks import Block, Folded, Text, blocks_of, speaker
from .source import Source


def pieces(source: Source) -> Iterator[str]:
    """Give the file, piece by piece."""
    yield f"# {one_line(source.title)}\n\n{preface(source)}\n"
    for message in source.shown_messages():
        yield f"\n{heading(message)}\n\n{body(message)}\n"
    if source.others:
        yield f"\n---\n\n{others(source)}\n"


def preface(source: Source) -> str:
    """Say which thread this is, and as of when."""
    return f"Thread `{source.info['id']}` up to event {source.seq}, exported {moment(source.at)}."


def others(source: Source) -> str:
    """Say what is not shown."""
    what = "message is" if source.others == 1 else "messages are"
    return f"{source.others} more {what} on other branches; the JSON export has all."


def heading(message: Mapping[str, Any]) -> str:
    """Say who speaks and when."""
    return f"## {one_line(speaker(message))} · {moment(message['created_at'])}"


def body(message: Mapping[str, Any]) -> str:
    """Give what a message says."""
    return "\n\n".join(_block(block) for block in blocks_of(message))


def moment(at: str) -> str:
    """Write a time of the wire to the minute."""
    return f"{at[:10]} {at[11:16]} UTC"


def _block(block: Block) -> str:
    if isinstance(block, Text):
        return harmless(block.text)
    if isinstance(block, Folded):
        text = visible(block.text).rstrip("\n")
        fence = "`" * max(3, 1 + _longest(text))
        fenced = f"{fence}{block.language}\n{text}\n{fence}"
        return f"<details><summary>{one_line(block.title)}</summary>\n\n{fenced}\n\n</details>"
    lines = visible(block.text).split("\n")
    quoted = "\n".join(f"> {one_line(line)}" for line in lines)
    return f"> **{block.label}**\n>\n{quoted}"


def _longest(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
