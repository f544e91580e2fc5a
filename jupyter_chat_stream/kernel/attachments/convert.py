"""From an object of the user's to the content of an attachment. It runs in the caller's thread.

Nothing here keeps the object. No library is imported: an object of a library exists only where its
library is loaded. narwhals, which reads frames, is imported with the first frame.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NoReturn

from ...shared.errors import ChatStreamError, InvalidInput, WrongCall
from .content import Content, clean_name, refuse_large
from .paths import bytes_content, file_content, open_file_content
from .pictures import matplotlib_figure, picture_content
from .tables.arrays import ArrayTable, is_array
from .tables.frames import frame_table, is_frame
from .tables.kept_rows import keep_rows
from .tables.summary import quantity, summary
from .tables.table import Table

MAX_BYTES = 20 * 1024 * 1024  # as the server's `max_attachment_bytes` is by default
MOST_BYTES = 64 * 1024 * 1024  # as that setting may be at most
MAX_DIMENSIONS = 2
ATTACHABLE = (
    "frames (pandas, polars, pyarrow, …), arrays, figures, images, files by their path, and "
    "Attachment(data, name='…') for bytes, texts and JSON"
)


def content_of(value: Any, max_bytes: int = MAX_BYTES) -> Content:
    """Convert what stands after the text of a message.

    Raises:
        WrongCall: it is nothing that can be attached, or no such file exists.
        InvalidInput: it is empty, or cannot be read or drawn.
        AttachmentTooLarge
    """
    if isinstance(value, str | os.PathLike):
        return file_content(value, max_bytes)
    if isinstance(value, bytes | bytearray | memoryview):
        _refuse(value, "bytes need a name: write Attachment(data, name='report.pdf')")
    if isinstance(value, dict | list | tuple | set | int | float) or value is None:
        _refuse(value, "write Attachment(value, name='data.json'), or context={'name': value}")
    return convert(value, None, None, max_bytes)


def named_content(
    data: Any, name: str | None, type: str | None, max_bytes: int = MAX_BYTES
) -> Content:
    """Convert the data of an ``Attachment`` that the user makes."""
    if isinstance(data, str | bytes | bytearray | memoryview | dict | list | tuple) and not name:
        raise WrongCall(
            "Attachment(data) needs a name for a text, bytes or JSON, such as name='notes.txt'. "
            "To attach a file, write its path: Attachment(Path('report.pdf')).",
            option="name",
        )
    if isinstance(data, str):
        data = data.encode(errors="replace")
    elif isinstance(data, dict | list | tuple):
        data, type = _json(data), type or "application/json"
    if isinstance(data, bytes | bytearray | memoryview):
        refuse_large(name or "", len(data), max_bytes)
        return bytes_content(bytes(data), name, type)
    if isinstance(data, os.PathLike):
        content = file_content(data, max_bytes)
        return bytes_content(content.data, name or content.name, type) if name or type else content
    return convert(data, name, type, max_bytes)


def convert(value: Any, name: str | None, type: str | None, max_bytes: int) -> Content:
    """Convert an object of a library; its own errors become ours."""
    try:
        return _convert(value, name, type, max_bytes)
    except ChatStreamError:
        raise
    except Exception as error:
        raise InvalidInput(
            f"The {_class(value)} cannot be attached: {_class(error)}: {str(error)[:300]}",
            field="attachments",
        ) from error


def _convert(value: Any, name: str | None, type: str | None, max_bytes: int) -> Content:
    own_name = name or _variable(value)
    if is_frame(value):
        return _table(frame_table(value), own_name or "table", max_bytes)
    if is_array(value) and matplotlib_figure(value) is None:
        if value.ndim > MAX_DIMENSIONS:
            _refuse(
                value,
                f"an array of {value.ndim} dimensions is no table. Attach a part of it with two, "
                "or a picture: PIL.Image.fromarray(array)",
            )
        return _table(ArrayTable(value), own_name or "array", max_bytes)
    picture = picture_content(value, _stem(own_name or "figure"), max_bytes)
    if picture is not None:
        refuse_large(picture.name, len(picture.data), max_bytes, "Draw it smaller.")
        return picture
    if callable(getattr(value, "read", None)):
        return open_file_content(value, name, type, max_bytes)
    return _refuse(value, f"what can be attached are {ATTACHABLE}")


def _table(table: Table, name: str, max_bytes: int) -> Content:
    """Describe a table, and keep its rows."""
    kept_rows = keep_rows(table, max_bytes)
    file_name, note = f"{_stem(name)}{kept_rows.ending}", ""
    if kept_rows.rows < table.rows or table.has_more:
        part = f"only its first {quantity(kept_rows.rows, 'row')}"
        note = f"The attached file has {part}: more are too many for one attachment."
    return Content(
        name=clean_name(file_name),
        type=kept_rows.type,
        data=kept_rows.data,
        summary=summary(table, note),
        warning=note.replace("The attached file", f"The attachment {file_name!r}"),
    )


def _json(data: Any) -> bytes:
    try:
        return json.dumps(data, ensure_ascii=False, indent=1).encode(errors="replace")
    except (TypeError, ValueError, RecursionError) as error:
        raise WrongCall(
            f"Attachment(data) cannot write its data as JSON: {error}.", option="data"
        ) from None


def _variable(value: Any) -> str | None:
    """Return the name that the notebook or the script has for an object, for the file's name."""
    main = getattr(sys.modules.get("__main__"), "__dict__", {})
    for name, variable in list(main.items()):
        if variable is value and not name.startswith("_"):
            return name
    return None


def _stem(name: str) -> str:
    """Return a name without the ending that the conversion replaces."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and stem and len(ending) <= 8 and ending.isalnum() else name


def _refuse(value: object, sentence: str) -> NoReturn:
    raise WrongCall(
        f"A value of type {_class(value)} cannot be attached as it is: {sentence}.",
        option="attachments",
    )


def _class(value: object) -> str:
    return type(value).__name__
