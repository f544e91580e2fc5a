"""Makes a report of trying a cell from the kernel's messages. Pure.

The kernel and the code are not trusted, so every text is bounded, and no data is executed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGETS = "jupyter.widget"  # the target of the messages that make widgets
MAX_BYTES = 4 * 1024 * 1024  # of all that a cell writes, shows and sends
MAX_TEXT = 4_000  # characters of the printed text, and of a traceback, in a report
MAX_WIDGETS = 40  # names in a report

NO_WIDGET = (
    "The cell ran, but shows no widget. Its last expression must be the component, or it must call "
    "display(component)."
)
TOO_MUCH = f"The cell wrote more than {MAX_BYTES // 2**20} MB. It was stopped."
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, kw_only=True)
class CellReport:
    """The outcome of one try; ``error`` is empty if the cell works."""

    error: str
    printed_text: str
    widgets: tuple[str, ...]
    """The class names of the widgets that the cell has made."""
    seconds: float

    @property
    def works(self) -> bool:
        return not self.error


@dataclass(kw_only=True)
class CellWatch:
    """Collects the messages of one cell from a kernel's iopub channel."""

    msg_id: str
    conceal: Callable[[str], str] = str
    """Removes secrets from a text."""
    is_idle: bool = False
    shows_widget: bool = False
    error: str = ""
    _printed_pieces: list[str] = field(default_factory=list)
    _widgets: dict[str, None] = field(default_factory=dict)
    _bytes: int = 0
    _chars: int = 0

    @property
    def is_too_much(self) -> bool:
        return self._bytes > MAX_BYTES

    def take(self, message: Mapping[str, Any]) -> None:
        """Take one message. A message of another cell counts only for the size."""
        content = message.get("content")
        content = content if isinstance(content, Mapping) else {}
        self._bytes += _size(content, message.get("buffers") or ())
        parent = message.get("parent_header") or {}
        if parent.get("msg_id") != self.msg_id:
            return
        kind = message.get("msg_type")
        if kind == "stream":
            self._print(str(content.get("text", "")))
        elif kind in ("execute_result", "display_data", "update_display_data"):
            data = content.get("data")
            self.shows_widget |= isinstance(data, Mapping) and WIDGET_VIEW in data
        elif kind == "comm_open" and content.get("target_name") == WIDGETS:
            self._note_widget(content)
        elif kind == "error":
            self.error = _traceback(content)
        elif kind == "status":
            self.is_idle = content.get("execution_state") == "idle"

    def report(self, seconds: float, error: str = "") -> CellReport:
        """Return the report; ``error`` is a failure that the kernel's messages do not show."""
        failure = error or self.error or ("" if self.shows_widget else NO_WIDGET)
        return CellReport(
            error=bounded(failure, self.conceal),
            printed_text=bounded("".join(self._printed_pieces), self.conceal),
            widgets=tuple(self._widgets),
            seconds=round(seconds, 1),
        )

    def _print(self, text: str) -> None:
        if self._chars <= MAX_TEXT:
            self._printed_pieces.append(text[: MAX_TEXT + 1])
            self._chars += len(text)

    def _note_widget(self, content: Mapping[str, Any]) -> None:
        data = content.get("data")
        state = data.get("state") if isinstance(data, Mapping) else None
        name = state.get("_model_name") if isinstance(state, Mapping) else None
        is_control = isinstance(name, str) and not name.endswith(("LayoutModel", "StyleModel"))
        if is_control and len(self._widgets) < MAX_WIDGETS:
            self._widgets[str(name)[:60].removesuffix("Model")] = None


def bounded(text: str, conceal: Callable[[str], str] = str) -> str:
    """Remove colours and secrets from a text, and the middle if the text is long."""
    plain = conceal(_ANSI.sub("", text))
    if len(plain) <= MAX_TEXT:
        return plain
    half = MAX_TEXT // 2
    return f"{plain[:half]}\n[…]\n{plain[-half:]}"


def _traceback(content: Mapping[str, Any]) -> str:
    lines = content.get("traceback")
    text = "\n".join(map(str, lines)) if isinstance(lines, list) else ""
    return text or f"{content.get('ename', 'Error')}: {content.get('evalue', '')}"


def _size(content: Mapping[str, Any], buffers: Any) -> int:
    return len(json.dumps(content, default=str)) + sum(len(buffer) for buffer in buffers)
