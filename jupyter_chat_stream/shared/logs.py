"""Log lines with a stable name and facts: ``run.ended run=… status=completed ms=1830``.

A logger gets a ``Line`` as its message, which becomes text only if a handler writes it. The facts
are ids, codes, counts and sizes, never what people write (docs/metrics.md lists the names).
``configure`` changes the package's own loggers only.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, TextIO

ROOT = "jupyter_chat_stream"
FORMAT = "[%(levelname)1.1s %(asctime)s.%(msecs)03d %(name)s] %(message)s"
DATE = "%Y-%m-%d %H:%M:%S"

_PLAIN = re.compile(r"[^\s\"=\\\x00-\x1f\x7f]+")


class Line:
    """A log message: the stable name of an event, and facts; a fact that is None is left out."""

    __slots__ = ("event", "facts")

    def __init__(self, event: str, **facts: Any) -> None:
        self.event = event
        self.facts = {name: value for name, value in facts.items() if value is not None}

    def __str__(self) -> str:
        return " ".join((self.event, *(f"{k}={_text_of(v)}" for k, v in self.facts.items())))


def _text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, event, and the facts."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        entry: dict[str, object] = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if isinstance(record.msg, Line):
            entry["event"] = record.msg.event
            for name, value in record.msg.facts.items():
                entry.setdefault(name, value)
        else:
            entry["message"] = record.getMessage()
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def place_of(error: BaseException) -> str:
    """Return where an error was raised, as ``file:line > file:line``, outermost call first.

    The message of an error stays out of the log, because it may quote a prompt.
    """
    frames = traceback.extract_tb(error.__traceback__)
    return " > ".join(f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in frames) or "?"


class _LogHandler(logging.StreamHandler[TextIO]):
    """The package's own handler; it writes to the present ``sys.stderr``."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def configure(log_format: str, level: int) -> None:
    """Write the package's lines to the error stream, from this level on.

    If the program has handlers of its own for these lines, text lines are left to those handlers.
    """
    logger = logging.getLogger(ROOT)
    for old_handler in [handler for handler in logger.handlers if isinstance(handler, _LogHandler)]:
        logger.removeHandler(old_handler)
    logger.setLevel(level)
    if log_format == "text" and logger.hasHandlers():
        return
    handler = _LogHandler()
    handler.setFormatter(
        JsonFormatter() if log_format == "json" else logging.Formatter(FORMAT, DATE)
    )
    logger.addHandler(handler)
