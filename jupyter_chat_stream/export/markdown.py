"""Markdown: texts as they were written, each exchange under its heading.

What is not Markdown of theirs is fenced by more backticks than it holds, and a fence that an
answer left open is closed behind it: it would swallow all that follows.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .blocks import Block, Folded, Text, blocks_of, speaker
from .source import Source

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&])")
_FENCE = re.compile(r"( *)(`{3,}|~{3,})(.*)")


def pieces(source: Source) -> Iterator[str]:
    """Give the file, piece by piece."""
    yield f"# {escaped(source.title)}\n\n{preface(source)}\n"
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
    return f"## {escaped(speaker(message))} · {moment(message['created_at'])}"


def body(message: Mapping[str, Any]) -> str:
    """Give what a message says."""
    return "\n\n".join(_block(block) for block in blocks_of(message))


def moment(at: str) -> str:
    """Write a time of the wire to the minute."""
    return f"{at[:10]} {at[11:16]} UTC"


def escaped(text: str) -> str:
    """Write a line of plain text so that Markdown shows it as it is."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _block(block: Block) -> str:
    if isinstance(block, Text):
        return closed(block.text.strip("\n"))
    if isinstance(block, Folded):
        summary = html.escape(" ".join(block.title.split()), quote=False)
        fence = "`" * max(3, 1 + _longest(block.text))
        fenced = f"{fence}{block.language}\n{block.text.rstrip(chr(10))}\n{fence}"
        return f"<details><summary>{summary}</summary>\n\n{fenced}\n\n</details>"
    quoted = "\n".join(f"> {escaped(line)}" for line in block.text.splitlines() or [""])
    return f"> **{block.label}**\n>\n{quoted}"


def _longest(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def closed(text: str) -> str:
    """Close the fence that a text left open, at the same depth."""
    opened: tuple[str, str] | None = None
    for line in text.splitlines():
        found = _FENCE.fullmatch(line)
        if found is None:
            continue
        indent, marks, rest = found.groups()
        if opened is None:
            if marks[0] == "~" or "`" not in rest:
                opened = (indent, marks)
        elif (
            marks[0] == opened[1][0]
            and len(marks) >= len(opened[1])
            and not rest.strip()
            and len(indent) <= len(opened[0]) + 3
        ):
            opened = None
    return text if opened is None else f"{text}\n{opened[0]}{opened[1]}"
