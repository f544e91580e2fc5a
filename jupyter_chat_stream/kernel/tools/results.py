"""From what a function returns to the output of its call: a JSON value of at most ``MAX_BYTES``.

Texts, numbers, lists, dicts, dataclasses and pydantic's models become JSON. A frame or an array
becomes its summary, as an attachment has it; a figure or an image becomes a sentence about it. All
else becomes its ``repr``. What is cut is told in the output.
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

from ..attachments.pictures import matplotlib_figure
from ..attachments.tables.arrays import ArrayTable, is_array
from ..attachments.tables.frames import frame_table, is_frame
from ..attachments.tables.summary import summary

MAX_BYTES = 240_000  # below the server's bound of 256 kB, which counts the JSON around it
MAX_REPR_CHARS = 20_000
MARGIN_CHARS = 4_096  # more than the longest secret
MAX_DEPTH = 40
MAX_DIMENSIONS = 2
_WORDS = (datetime.date, datetime.time, UUID, Decimal, Fraction, PurePath)
_SHOWN_AS_PICTURE = ("_repr_png_", "_repr_jpeg_", "_repr_svg_")


def output_of(value: Any, conceal: Callable[[str], str] = str) -> Any:
    """Return the JSON value that a model reads for a function's result.

    Args:
        conceal: removes from each text what no model may read.
    """
    budget = MAX_BYTES
    while True:
        output = _Writer(budget, conceal).write(value)
        if _size(output) <= MAX_BYTES:
            return output
        budget //= 2  # characters that JSON or UTF-8 writes with several bytes


def own_repr(value: Any, most: int = MAX_REPR_CHARS) -> str:
    """Return the beginning of ``repr(value)``; the name of its class if that raises."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - a user's own __repr__ may raise anything
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"
    return cut_text(text, most)


def cut_text(text: str, most: int) -> str:
    """Return the beginning of a text, with the number of characters that are left out."""
    if len(text) <= most:
        return text
    return f"{text[:most]}… ({len(text) - most:,} more characters are left out)"


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


def picture_text(value: Any) -> str | None:
    """Return a sentence about a figure or an image; None if the value is neither."""
    if isinstance(value, type):
        return None
    figure = matplotlib_figure(value)
    if figure is not None:
        return _figure_text(figure)
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(value, pillow.Image):
        return f"An image of {value.width} × {value.height} pixels. {_UNSEEN}"
    plotly = sys.modules.get("plotly.basedatatypes")
    is_plotly = plotly is not None and isinstance(value, plotly.BaseFigure)
    if is_plotly or any(callable(getattr(type(value), name, None)) for name in _SHOWN_AS_PICTURE):
        return f"A picture (an object of type {type(value).__name__}). {_UNSEEN}"
    return None


_UNSEEN = (
    "A tool's result cannot hold pictures, so you do not see it: ask for the numbers behind it."
)


def _figure_text(figure: Any) -> str:
    """Describe a figure of matplotlib by its axes."""
    said = []
    for axes in figure.axes[:8]:
        title, x, y = axes.get_title(), axes.get_xlabel(), axes.get_ylabel()
        drawn = len(axes.lines) + len(axes.collections) + len(axes.patches) + len(axes.images)
        named = ", ".join(
            f"{word} {text!r}" for word, text in (("title", title), ("x", x), ("y", y)) if text
        )
        said.append(f"axes with {drawn} drawn objects{f' ({named})' if named else ''}")
    return f"A figure with {'; '.join(said) or 'no axes'}. {_UNSEEN}"


def _size(output: Any) -> int:
    return len(json.dumps(output, ensure_ascii=False).encode(errors="replace"))


class _Writer:
    """Writes one value as JSON, of about ``budget`` characters."""

    def __init__(self, budget: int, conceal: Callable[[str], str]) -> None:
        self._left = budget
        self._conceal = conceal
        self._inside: set[int] = set()  # containers that are being written: a cycle ends at them

    def write(self, value: Any) -> Any:
        self._left -= 2
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, enum.Enum):
            return self.write(value.value)
        if isinstance(value, int):
            return self._integer(int(value))
        if isinstance(value, float):
            self._left -= 16
            return float(value) if math.isfinite(value) else str(float(value))
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return self._text(f"<{len(value):,} bytes>")
        if isinstance(value, _WORDS):
            return self._text(value.isoformat() if hasattr(value, "isoformat") else str(value))
        return self._object(value)

    def _integer(self, value: int) -> int | str:
        if value.bit_length() > 4_000:
            return self._text(f"<an integer of {value.bit_length():,} bits>")
        self._left -= value.bit_length() // 3
        return value

    def _text(self, text: str) -> str:
        # A text may be as large as the memory, so only its beginning is concealed. The margin is
        # then cut off, because a secret may begin in it.
        rest = max(0, len(text) - MAX_BYTES - MARGIN_CHARS)
        piece = self._conceal(text[: MAX_BYTES + MARGIN_CHARS])
        piece = piece[:-MARGIN_CHARS] if rest else piece
        more = MARGIN_CHARS + rest if rest else 0
        kept = piece[: max(0, self._left)]
        more += len(piece) - len(kept)
        kept = kept.encode(errors="replace").decode().replace("\0", "\ufffd")
        kept = f"{kept}… ({more:,} more characters are left out)" if more else kept
        self._left -= len(kept) + 2
        return kept

    def _object(self, value: Any) -> Any:
        if isinstance(value, Mapping | list | tuple | Set):
            return self._container(value)
        try:
            described = table_text(value) or picture_text(value)
        except Exception as error:  # noqa: BLE001 - of a library, about the user's own object
            described = f"<{type(value).__name__}; its summary raised {type(error).__name__}>"
        if described is not None:
            return self._text(described)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value) if field.repr]
            return self._container({name: getattr(value, name, None) for name in names}, value)
        pydantic = sys.modules.get("pydantic")
        if pydantic is not None and isinstance(value, pydantic.BaseModel):
            return self._container(dict(value), value)
        plain = _scalar(value)
        return self.write(plain) if plain is not None else self._text(own_repr(value))

    def _container(self, value: Any, whose: Any = None) -> Any:
        identity = id(value if whose is None else whose)
        if identity in self._inside or len(self._inside) >= MAX_DEPTH:
            return self._text("<more levels are left out>")
        self._inside.add(identity)
        try:
            return self._dict(value) if isinstance(value, Mapping) else self._list(value)
        finally:
            self._inside.discard(identity)

    def _dict(self, value: Mapping[Any, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for n, (key, item) in enumerate(value.items()):
            if self._left <= 0:
                made["…"] = f"{len(value) - n:,} more entries are left out"
                break
            name = self._text(key if isinstance(key, str) else own_repr(key, 200))
            made[name] = self.write(item)
        return made

    def _list(self, value: Any) -> list[Any]:
        made: list[Any] = []
        for n, item in enumerate(value):
            if self._left <= 0:
                made.append(f"… {len(value) - n:,} more items are left out")
                break
            made.append(self.write(item))
        return made


def _scalar(value: Any) -> Any:
    """Return the Python number of a scalar of numpy, pandas or torch; None if it is none."""
    if getattr(value, "shape", None) != () or not callable(getattr(value, "item", None)):
        return None
    try:
        plain = value.item()
    except Exception:  # noqa: BLE001 - of a library, about the user's own object
        return None
    return plain if isinstance(plain, bool | int | float | str | datetime.date) else None
