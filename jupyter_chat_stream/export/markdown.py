"""Write a thread as Markdown: a heading and a body for each message.

All texts are made harmless for any renderer. Reasoning, tool calls and attachments are in fences
that are longer than every row of backticks inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..shared.markdown.copied_texts import one_line, visible
from ..shared.markdown.copies import harmless
from ..shared.records import MessageRecord
from .blocks import ExportBlock, Folded, NoteLine, Picture, Text, blocks_of, speaker
from .source import Source


def pieces(source: Source) -> Iterator[str]:
    """Yield the text of the file, piece by piece."""
    yield f"# {one_line(source.title)}\n\n{preface(source)}\n"
    for message in source.shown_messages():
        yield f"\n{heading(message)}\n\n{body(message)}\n"
    if source.other_count:
        yield f"\n---\n\n{others_sentence(source)}\n"


def preface(source: Source) -> str:
    """Return the sentence that names the thread and the time of the export."""
    return f"Thread `{source.info['id']}` up to event {source.seq}, exported {moment(source.at)}."


def others_sentence(source: Source) -> str:
    """Return the sentence that counts the messages on other branches."""
    subject = "message is" if source.other_count == 1 else "messages are"
    return f"{source.other_count} more {subject} on other branches; the JSON export has all."


def heading(message: MessageRecord) -> str:
    """Return the heading of a message: its speaker and its time."""
    return f"## {one_line(speaker(message))} · {moment(message['created_at'])}"


def body(message: MessageRecord) -> str:
    return markdown_of(blocks_of(message))


def markdown_of(blocks: Iterable[ExportBlock]) -> str:
    """Return the Markdown of the blocks of a message."""
    return "\n\n".join(_block(block) for block in blocks)


def moment(at: str) -> str:
    """Format a time of the wire, to the minute."""
    return f"{at[:10]} {at[11:16]} UTC"


def picture_name(picture: Picture) -> str:
    """Return the name of a picture's bytes in a notebook's cell."""
    return f"{picture.id}.{picture.type.partition('/')[2]}"


def _block(block: ExportBlock) -> str:
    if isinstance(block, Text):
        return harmless(block.text)
    if isinstance(block, Folded):
        text = visible(block.text).rstrip("\n")
        fence = "`" * max(3, 1 + _longest(text))
        code = f"{fence}{block.language}\n{text}\n{fence}"
        return f"<details><summary>{one_line(block.title)}</summary>\n\n{code}\n\n</details>"
    if isinstance(block, NoteLine):
        return f"*{one_line(block.text)}*"
    if isinstance(block, Picture):  # a notebook's cell stores the bytes under this name
        return f"![{one_line(block.title)}](attachment:{picture_name(block)})"
    lines = visible(block.text).split("\n")
    quote = "\n".join(f"> {one_line(line)}" for line in lines)
    return f"> **{block.label}**\n>\n{quote}"


def _longest(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
