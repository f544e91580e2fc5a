"""Turns a function's result into the output of its call: JSON of at most ``MAX_BYTES``.

Texts, numbers, lists, dicts, dataclasses and pydantic's models become JSON. A frame or an array
becomes its summary, as in an attachment; a figure or an image becomes a sentence. ``CallFiles``
keeps the picture or the table itself. Any other value becomes its ``repr``. If the output is cut,
it says so, and a file keeps the complete value.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import math
import sys
from collections.abc import Callable, Mapping, Set
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import Any
from uuid import UUID

from ...shared.errors import ChatStreamError
from ...shared.json_objects import JsonObject
from ..attachments.content import Content
from ..attachments.pictures import matplotlib_figure
from ..attachments.tables.arrays import ArrayTable, is_array
from ..attachments.tables.frames import frame_table, is_frame
from ..attachments.tables.summary import summary
from .files import CallFiles

MAX_BYTES = 240_000  # below the server's bound of 256 kB, which counts the JSON around it
MAX_REPR_CHARS = 20_000
MARGIN_CHARS = 4_096  # more than the longest secret
MAX_DEPTH = 40
MAX_DIMENSIONS = 2
MAX_WHOLE_CHARS = 16 * 1024 * 1024  # of the file with the complete value
_WORDS = (datetime.date, datetime.time, UUID, Decimal, Fraction, PurePath)


def output_of(
    value: Any, conceal: Callable[[str], str] = str, files: CallFiles | None = None
) -> Any:
    """Return the JSON value that a model reads as a function's result.

    Args:
        conceal: removes secrets from a text.
        files: takes the pictures and tables of the value, and the complete value after a cut.
    """
    budget = MAX_BYTES
    while True:
        writer = _ValueWriter(budget, conceal, files)
        output = writer.write(value)
        if _size(output) <= MAX_BYTES:
            break
        budget //= 2  # JSON or UTF-8 needs several bytes for some characters
    if files is not None and (writer.is_cut or budget < MAX_BYTES):
        return _keep_whole(output, value, conceal, files)
    return output


def _keep_whole(output: Any, value: Any, conceal: Callable[[str], str], files: CallFiles) -> Any:
    """Keep the complete value of a cut output as a file; a text output names the file."""
    whole = _ValueWriter(MAX_WHOLE_CHARS, conceal, files).write(value)
    if isinstance(whole, str):
        name = files.add(Content(name="output.txt", type="text/plain", data=_encode(whole)))
    else:
        text = json.dumps(whole, ensure_ascii=False, indent=1)
        name = files.add(Content(name="output.json", type="application/json", data=_encode(text)))
    if name is None or not isinstance(output, str):
        return output
    return f"{output}\n[The whole is the file {name!r} of this result.]"


def _encode(text: str) -> bytes:
    return text.encode(errors="replace")


def own_repr(value: Any, max_chars: int = MAX_REPR_CHARS) -> str:
    """Return the beginning of ``repr(value)``; if ``repr`` raises, the class's name."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - a user's own __repr__ may raise anything
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return cut_text(text, max_chars)


def cut_text(text: str, max_chars: int) -> str:
    """Return the beginning of a text, with the number of omitted characters."""
    if len(text) <= max_chars:
        return text
    return f"{text[:max_chars]}… ({len(text) - max_chars:,} more characters are left out)"


def table_text(value: Any) -> str | None:
    """Return the summary of a frame or an array; None if the value is neither."""
    if is_frame(value):
        return summary(frame_table(value))
    if is_array(value) and matplotlib_figure(value) is None:
        if value.ndim > MAX_DIMENSIONS:
            shape = " × ".join(map(str, value.shape))
            return f"numpy array of {value.dtype}, {shape}. Return a part with two dimensions."
        return summary(ArrayTable(value))
    return None


def _size(output: Any) -> int:
    return len(json.dumps(output, ensure_ascii=False).encode(errors="replace"))


class _ValueWriter:
    """Converts one value to JSON of about ``budget`` characters."""

    def __init__(
        self, budget: int, conceal: Callable[[str], str], files: CallFiles | None = None
    ) -> None:
        self.is_cut = False
        self._remaining_chars = budget
        self._max_chars = max(budget, MAX_BYTES)
        self._conceal = conceal
        self._files = files
        self._open_ids: set[int] = set()  # ids of the open containers, to stop at a cycle

    def write(self, value: Any) -> Any:
        self._remaining_chars -= 2
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, enum.Enum):
            return self.write(value.value)
        if isinstance(value, int):
            return self._integer(int(value))
        if isinstance(value, float):
            self._remaining_chars -= 16
            return float(value) if math.isfinite(value) else str(float(value))
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return self._text(self._file_text(value) or f"<{len(value):,} bytes>")
        if isinstance(value, _WORDS):
            return self._text(value.isoformat() if hasattr(value, "isoformat") else str(value))
        return self._object(value)

    def _integer(self, value: int) -> int | str:
        if value.bit_length() > 4_000:
            return self._text(f"<an integer of {value.bit_length():,} bits>")
        self._remaining_chars -= value.bit_length() // 3
        return value

    def _text(self, text: str) -> str:
        # A text may be huge, so only its beginning is concealed. The margin is then cut off,
        # because a secret may begin in the margin.
        rest = max(0, len(text) - self._max_chars - MARGIN_CHARS)
        piece = self._conceal(text[: self._max_chars + MARGIN_CHARS])
        piece = piece[:-MARGIN_CHARS] if rest else piece
        omitted_chars = MARGIN_CHARS + rest if rest else 0
        beginning = piece[: max(0, self._remaining_chars)]
        omitted_chars += len(piece) - len(beginning)
        beginning = beginning.encode(errors="replace").decode().replace("\0", "\ufffd")
        beginning = (
            f"{beginning}… ({omitted_chars:,} more characters are left out)"
            if omitted_chars
            else beginning
        )
        self.is_cut = self.is_cut or omitted_chars > 0
        self._remaining_chars -= len(beginning) + 2
        return beginning

    def _object(self, value: Any) -> Any:
        if isinstance(value, Mapping | list | tuple | Set):
            return self._container(value)
        file_text = self._file_text(value)
        if file_text is not None:
            return self._text(file_text)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value) if field.repr]
            return self._container({name: getattr(value, name, None) for name in names}, value)
        pydantic = sys.modules.get("pydantic")
        if pydantic is not None and isinstance(value, pydantic.BaseModel):
            return self._container(dict(value), value)
        plain = _scalar(value)
        return self.write(plain) if plain is not None else self._text(own_repr(value))

    def _file_text(self, value: Any) -> str | None:
        """Keep a picture or a table, and return its text; None for any other value."""
        failure = None
        try:
            text = None if self._files is None else self._files.text_of(value)
            if text is not None:
                return text
        except ChatStreamError as error:  # no picture, but perhaps a summary
            failure = f"<{type(value).__name__}: {error}>"
        except Exception as error:  # noqa: BLE001 - of a library, about the user's own object
            failure = f"<{type(value).__name__}; its picture raised {type(error).__name__}>"
        try:
            return table_text(value) or failure
        except Exception as error:  # noqa: BLE001 - of a library, about the user's own object
            return f"<{type(value).__name__}; its summary raised {type(error).__name__}>"

    def _container(self, value: Any, owner: Any = None) -> Any:
        identity = id(value if owner is None else owner)
        if identity in self._open_ids or len(self._open_ids) >= MAX_DEPTH:
            return self._text("<more levels are left out>")
        self._open_ids.add(identity)
        try:
            return self._dict(value) if isinstance(value, Mapping) else self._list(value)
        finally:
            self._open_ids.discard(identity)

    def _dict(self, value: Mapping[Any, Any]) -> JsonObject:
        output: JsonObject = {}
        for n, (key, item) in enumerate(value.items()):
            if self._remaining_chars <= 0:
                output["…"] = f"{len(value) - n:,} more entries are left out"
                self.is_cut = True
                break
            name = self._text(key if isinstance(key, str) else own_repr(key, 200))
            output[name] = self.write(item)
        return output

    def _list(self, value: Any) -> list[Any]:
        output: list[Any] = []
        for n, item in enumerate(value):
            if self._remaining_chars <= 0:
                output.append(f"… {len(value) - n:,} more items are left out")
                self.is_cut = True
                break
            output.append(self.write(item))
        return output


def _scalar(value: Any) -> Any:
    """Return the Python number of a scalar of numpy, pandas or torch; None for other values."""
    try:
        if getattr(value, "shape", None) != () or not callable(getattr(value, "item", None)):
            return None
        plain = value.item()
    except Exception:  # noqa: BLE001 - of a library, about the user's own object
        return None
    return plain if isinstance(plain, bool | int | float | str | datetime.date) else None
