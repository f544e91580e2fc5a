"""A notebook (nbformat 4.5): one Markdown cell for each question and each answer.

Code stays fenced in its answer: a cell that runs is for a person to make.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..shared.markdown.copies import one_line
from . import markdown
from .source import Source

_TAIL = '\n],\n"metadata": {"chat_stream": %s},\n"nbformat": 4,\n"nbformat_minor": 5\n}\n'


def pieces(source: Source) -> Iterator[str]:
    """Give the file, piece by piece."""
    first = f"# {one_line(source.title)}\n\n{markdown.preface(source)}"
    yield '{\n"cells": [\n' + _cell("title", first, {})
    for message in source.shown_messages():
        yield ",\n" + _message(message)
    if source.others:
        yield ",\n" + _cell("others", markdown.others(source), {})
    yield _TAIL % json.dumps({"thread_id": source.info["id"], "seq": source.seq})


def _message(message: Mapping[str, Any]) -> str:
    names = ("id", "role", "status", "model", "created_at")
    text = f"{markdown.heading(message)}\n\n{markdown.body(message)}"
    return _cell(message["id"], text, {"chat_stream": {name: message[name] for name in names}})


def _cell(id: str, text: str, metadata: Mapping[str, Any]) -> str:
    cell = {
        "cell_type": "markdown",
        "id": id,
        "metadata": dict(metadata),
        "source": re.findall(r"[^\n]*\n|[^\n]+", text),
    }
    return json.dumps(cell, ensure_ascii=False)
