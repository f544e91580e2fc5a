"""Captures the output of one call: the texts and displays of its function, for the call's card.

The card gets each text as it is written. A displayed picture becomes a file of the result, and
the text has the file's name.

Output of other code is not captured. A context variable marks the code of the call, and the tasks
and threads of ``asyncio`` inherit it. So a cell that runs while an async function waits prints
into the cell's own output, and so do plain threads.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ...shared.json_objects import JsonObject, JsonView
from ..shell import shell_of_kernel
from .files import CallFiles

WriteText = Callable[[str], None]

_present: ContextVar[WriteText | None] = ContextVar("chat_stream_call", default=None)


class CapturedStream:
    """Replaces ``sys.stdout`` or ``sys.stderr`` during a call."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def write(self, text: str) -> int:
        write = _present.get()
        if write is None:
            return int(self._original.write(text) or 0)
        write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if _present.get() is None:
            self._original.flush()

    def isatty(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


@contextmanager
def capturing(write: WriteText, files: CallFiles) -> Iterator[None]:
    """Pass printed texts of this context to ``write``, and displayed pictures to ``files``."""
    streams = {name: CapturedStream(getattr(sys, name)) for name in ("stdout", "stderr")}
    publisher = getattr(shell_of_kernel(), "display_pub", None)

    def hook(message: JsonObject) -> JsonObject | None:
        if _present.get() is not write:
            return message
        write(display_text(message.get("content", {}).get("data", {}), files))
        return None

    token = _present.set(write)
    for name, stream in streams.items():
        setattr(sys, name, stream)
    if publisher is not None:
        publisher.register_hook(hook)
    try:
        yield
    finally:
        files.close_figures()
        _draw_figures()
        if publisher is not None:
            publisher.unregister_hook(hook)
        for name, stream in streams.items():
            # A cell that runs beside an async function may have replaced this stream.
            if getattr(sys, name) is stream:
                setattr(sys, name, stream._original)
        _present.reset(token)


def display_text(data: JsonView, files: CallFiles) -> str:
    """Return the text of a display; for a picture, the name of its file."""
    if any(type_.startswith("image/") for type_ in data):
        name = files.add_displayed(data)
        return f"[{name}]\n" if name else "[A picture that was not kept.]\n"
    plain = data.get("text/plain", "")
    text = "".join(plain) if isinstance(plain, list) else str(plain)
    return f"{text}\n" if text else ""


def _draw_figures() -> None:
    """Make matplotlib display the call's figures now, and not after the person's next cell."""
    backend = sys.modules.get("matplotlib_inline.backend_inline")
    pyplot = sys.modules.get("matplotlib.pyplot")
    if backend is not None and pyplot is not None and pyplot.get_fignums():
        try:
            backend.flush_figures()
        except Exception:  # noqa: BLE001 - a figure that cannot be drawn is the function's matter
            pyplot.close("all")
