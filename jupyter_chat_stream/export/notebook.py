"""Write a thread as a notebook (nbformat 4.5): one Markdown cell for each message.

Code stays fenced inside its answer. An export makes no code cells, so it cannot run code.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping

from ..shared.markdown.copied_texts import one_line
from ..shared.records import MessageRecord
from . import markdown
from .blocks import Picture, blocks_of
from .source import Source

_TAIL = '\n],\n"metadata": {"chat_stream": %s},\n"nbformat": 4,\n"nbformat_minor": 5\n}\n'


def pieces(source: Source) -> Iterator[str]:
    """Yield the text of the file, piece by piece."""
    title = f"# {one_line(source.title)}\n\n{markdown.preface(source)}"
    yield '{\n"cells": [\n' + _cell("title", title, {})
    for message in source.shown_messages():
        yield ",\n" + _message(message, source)
    if source.other_count:
        yield ",\n" + _cell("others", markdown.others_sentence(source), {})
    yield _TAIL % json.dumps({"thread_id": source.info["id"], "seq": source.seq})


def _message(message: MessageRecord, source: Source) -> str:
    metadata = {
        "id": message["id"],
        "role": message["role"],
        "status": message["status"],
        "model": message["model"],
        "created_at": message["created_at"],
    }
    blocks = list(blocks_of(message, source.picture))
    pictures = {
        markdown.picture_name(block): {block.type: b64encode(block.data).decode()}
        for block in blocks
        if isinstance(block, Picture)
    }
    text = f"{markdown.heading(message)}\n\n{markdown.markdown_of(blocks)}"
    return _cell(message["id"], text, {"chat_stream": metadata}, pictures)


def _cell(
    id: str,
    text: str,
    metadata: Mapping[str, object],
    pictures: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    cell = {
        "cell_type": "markdown",
        "id": id,
        "metadata": dict(metadata),
        "source": re.findall(r"[^\n]*\n|[^\n]+", text),
    }
    if pictures:
        cell["attachments"] = dict(pictures)
    return json.dumps(cell, ensure_ascii=False)
