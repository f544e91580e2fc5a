"""Files as attachments: by their path, or open ones.

Any file that its user can read may be sent, but only a plain file: a named pipe could block.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...shared.errors import InvalidInput, WrongCall
from ...shared.files import open_plain
from ...shared.media_types import PARQUET
from ...shared.spelling import did_you_mean
from .content import (
    Content,
    clean_name,
    refuse_large,
    type_of,
    with_ending,
)
from .table_files import file_summary

MAX_COMPARED = 1000  # names of a folder that are compared with a name that is not there
TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")


def file_content(path: str | os.PathLike[str], max_bytes: int) -> Content:
    """Read a file.

    Raises:
        WrongCall: there is no such file; it is a directory or another thing that is no file.
        InvalidInput: it cannot be read, or is empty.
        AttachmentTooLarge
    """
    path_text = os.fsdecode(path)
    if "\0" in path_text or "\n" in path_text or len(path_text) > 4096:
        raise WrongCall(_no_file_sentence(path_text), option="attachments")
    place = Path(path_text).expanduser()
    try:
        with open_plain(place) as file:
            size = os.fstat(file.fileno()).st_size
            refuse_large(path_text, size, max_bytes, _advice(place))
            data = file.read(max_bytes + 1)  # it may grow meanwhile
    except FileNotFoundError:
        raise WrongCall(
            _no_file_sentence(path_text, _names_beside(place)), option="attachments"
        ) from None
    except OSError as error:
        reason = "it is a directory" if place.is_dir() else error.strerror or str(error)
        advice = " Name the files in it." if place.is_dir() else ""
        raise InvalidInput(
            f"{path_text!r} cannot be attached: {reason}.{advice}", field="attachments"
        ) from None
    refuse_large(path_text, len(data), max_bytes, _advice(place))
    return bytes_content(data, place.name)


def open_file_content(file: Any, name: str | None, type: str | None, max_bytes: int) -> Content:
    """Read what is left of an open file, or of anything with its method ``read``."""
    file_name = getattr(file, "name", None)
    name = name or (os.path.basename(file_name) if isinstance(file_name, str) else None)
    data = file.read(max_bytes + 1)
    if isinstance(data, str):
        data = data.encode(errors="replace")
    if not isinstance(data, bytes | bytearray | memoryview):
        raise WrongCall(
            f"{_class(file)}.read() returns {_class(data)} instead of bytes or text: it cannot be "
            "attached.",
            option="attachments",
        )
    refuse_large(name or "The file", len(data), max_bytes)
    return bytes_content(bytes(data), name, type)


def bytes_content(data: bytes, name: str | None, type: str | None = None) -> Content:
    """Make the content of bytes; their ending or they themselves tell the type that is not given.

    Raises:
        InvalidInput: there are no bytes.
    """
    if not data:
        raise InvalidInput(
            f"{name or 'The attachment'} is empty: there is nothing to attach.", field="attachments"
        )
    type = type or type_of(name or "", data)
    full_name = clean_name(with_ending(name or "attachment", type))
    description = file_summary(type, data)
    warning = ""
    if type == PARQUET and not description:
        warning = (
            f"No model will know what is in {full_name!r}: it cannot be read here. Install "
            "pyarrow or polars, or attach the frame."
        )
    return Content(name=full_name, type=type, data=data, summary=description, warning=warning)


def _no_file_sentence(path: str, names: Iterable[str] = ()) -> str:
    name = os.path.basename(path)
    hint = did_you_mean(name, names)
    short = path if len(path) <= 100 else path[:99] + "…"
    return (
        f"There is no file {short!r} in {os.getcwd()}.{hint} After the text come files, frames "
        "and figures; to send a text beside it, write Attachment('…', name='notes.txt')."
    )


def _names_beside(place: Path) -> list[str]:
    try:
        with os.scandir(place.parent) as entries:
            return [entry.name for entry, _ in zip(entries, range(MAX_COMPARED), strict=False)]
    except OSError:
        return []


def _advice(place: Path) -> str:
    if place.suffix.lower() in TABLES:
        return (
            "Read it with pandas or polars and attach the frame: then its summary and its first "
            "rows are sent."
        )
    return ""


def _class(value: object) -> str:
    return type(value).__name__
