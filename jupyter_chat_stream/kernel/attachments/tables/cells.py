"""Values of cells as texts: short ones for a summary, exact ones for a file. Pure.

A value may be of any class, so its own ``__str__`` may raise; then its class stands for it.
"""

from __future__ import annotations

import datetime
import json
import reprlib
from typing import Any

MAX_CELL_CHARS = 60

# The classes by which pandas marks a missing value.
_MISSING = ("NaTType", "NAType")
_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 2 * MAX_CELL_CHARS
_PLAIN = (str, bytes, int, float, type(None), datetime.date, datetime.time, datetime.timedelta)


def is_missing(value: Any) -> bool:
    """Return whether a value stands for a missing one: None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ in _MISSING:
        return True
    return isinstance(value, float) and value != value


def short_text(value: Any) -> str:
    """Write a value in one line of at most ``MAX_CELL_CHARS`` characters."""
    if is_missing(value):
        return ""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bytes | bytearray | memoryview):
        text = f"<{len(value)} bytes>"
    elif isinstance(value, float):
        text = format(value, ".6g")
    elif isinstance(value, _PLAIN) or not _is_container(value):
        text = own_text(value)
    else:
        text = _short.repr(value)
    return cut(" ".join(text[: 20 * MAX_CELL_CHARS].split()))


def exact_text(value: Any) -> str:
    """Write a value as a file of comma-separated values keeps it."""
    if type(value) is str:
        return value
    if is_missing(value):
        return ""
    if isinstance(value, float):
        return repr(float(value))
    if _is_container(value) and not hasattr(value, "dtype"):
        try:
            return json.dumps(value, ensure_ascii=False, default=own_text)
        except (TypeError, ValueError, RecursionError):
            return own_text(value)
    return own_text(value)


def cut(text: str, max_chars: int = MAX_CELL_CHARS) -> str:
    """Shorten a text; an ellipsis stands for the rest."""
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


def _is_container(value: Any) -> bool:
    return isinstance(value, list | tuple | dict | set | frozenset) or hasattr(value, "__array__")


def own_text(value: Any) -> str:
    """Return ``str(value)``; the name of its class if that raises."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a class of the user's, which may raise anything
        return f"<{type(value).__name__}>"
