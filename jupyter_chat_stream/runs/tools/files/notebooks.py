"""Reads the cells of a notebook's file on the disk.

The JSON is read leniently, so that a model can read a broken notebook, too. Outputs become text;
for pictures, widgets and similar outputs, the text is the type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from ....shared.errors import FileNotReadable
from ....shared.json_objects import JsonObject, JsonView
from .limits import LookLimit
from .reading import MAX_TEXT_BYTES

SUFFIX = ".ipynb"
MAX_NOTEBOOK_BYTES = 16 * 1024 * 1024  # the parsed JSON takes twenty times as much memory
MAX_ID_CHARS = 64  # nbformat's bound
MAX_OUTPUT_CHARS = 4000  # of the outputs of one cell
DEFAULT_CELLS = 50

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def read_cells(
    path: str, file: BinaryIO, start: int, count: int | None, limit: LookLimit
) -> JsonObject:
    """Read cells of a notebook, counted from 1.

    Raises:
        FileNotReadable: the file is no notebook, or is too large.
    """
    limit.check()
    cells = notebook_cells(path, file)
    end = start - 1 + (DEFAULT_CELLS if count is None else count)
    records: list[JsonObject] = []
    size = 0
    result: JsonObject = {"path": path, "cell_count": len(cells), "cells": records}
    for number, cell in enumerate(cells[start - 1 : end], start):
        record = _cell(number, cell)
        size += len(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace"))
        if records and size > MAX_TEXT_BYTES:
            return {**result, "next_cell": number}
        records.append(record)
    return {**result, "next_cell": end + 1} if end < len(cells) else result


def notebook_cells(path: str, file: BinaryIO) -> list[JsonView]:
    """Return the cells of a notebook's file.

    Raises:
        FileNotReadable: the file is no notebook, or is too large.
    """
    text = file.read(MAX_NOTEBOOK_BYTES + 1)
    if len(text) > MAX_NOTEBOOK_BYTES:
        raise FileNotReadable(path, f"It has more than {MAX_NOTEBOOK_BYTES} bytes.")
    try:
        cells = json.loads(text)["cells"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise FileNotReadable(path, "It is no notebook of nbformat 4.") from None
    if not isinstance(cells, list) or not all(isinstance(cell, Mapping) for cell in cells):
        raise FileNotReadable(path, "It is no notebook of nbformat 4.")
    return cells


def source_of(cell: JsonView) -> str:
    """Return the text of a cell."""
    return _text_of(cell.get("source"))


def _cell(number: int, cell: JsonView) -> JsonObject:
    source = source_of(cell)
    if len(source.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
        source = f"{source[: MAX_TEXT_BYTES // 4]}… ({len(source)} characters)"
    record = {
        "number": number,
        "id": str(cell.get("id") or "")[:MAX_ID_CHARS],
        "type": str(cell.get("cell_type"))[:MAX_ID_CHARS],
        "source": source,
    }
    outputs = _outputs(cell.get("outputs"))
    return {**record, "outputs": outputs} if outputs else record


def _outputs(outputs: Any) -> list[str]:
    """Return the outputs of a cell as texts of at most ``MAX_OUTPUT_CHARS`` together."""
    texts: list[str] = []
    chars_left = MAX_OUTPUT_CHARS
    for text in filter(None, map(_output, outputs if isinstance(outputs, list) else ())):
        if chars_left <= 0:
            return [*texts, "… (more outputs)"]
        texts.append(
            text if len(text) <= chars_left else f"{text[:chars_left]}… ({len(text)} characters)"
        )
        chars_left -= len(text)
    return texts


def _output(output: Any) -> str:
    if not isinstance(output, Mapping):
        return ""
    kind, data = output.get("output_type"), output.get("data")
    if kind == "stream":
        return _text_of(output.get("text"))
    if kind == "error":
        return _COLOUR.sub("", "\n".join(_lines(output.get("traceback")))) or str(
            output.get("ename")
        )
    if not isinstance(data, Mapping):
        return ""
    other_types = ", ".join(str(name) for name in data if name != "text/plain")
    text = _text_of(data.get("text/plain"))
    return f"{text}\n(also: {other_types})".strip() if other_types else text


def _text_of(value: Any) -> str:
    """Return a text of nbformat, which may be a list of lines."""
    return value if isinstance(value, str) else "".join(_lines(value))


def _lines(value: Any) -> Iterator[str]:
    return (
        (item for item in value if isinstance(item, str)) if isinstance(value, list) else iter(())
    )
