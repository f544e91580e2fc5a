"""Turns an exception of a call into the text of the failed result, which the model reads.

The text has the exception's type and message, and the traceback lines of the user's own functions.
It has no values of variables, no frames of libraries, and nothing of the environment.
"""

from __future__ import annotations

import os
import site
import sysconfig
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType

from .results import cut_text

MAX_MESSAGE_CHARS = 4_000
MAX_FRAMES = 6
MAX_LINE_CHARS = 200
BY_PERSON = "interrupted by the person"
BY_CHAT = "interrupted: the answer was stopped"
BY_WAIT = (
    "interrupted: a cell began to wait for an answer while this async function ran, and it needs "
    "the loop that the cell blocks. Call it once more: during a wait it has a loop of its own"
)
BY_EXIT = "ended without a result: the code called exit(), or its task was cancelled"
_OURS = str(Path(__file__).parents[2]) + os.sep


def failure_text(error: BaseException, conceal: Callable[[str], str] = str) -> str:
    """Write an exception for the model."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - a user's own __str__ may raise anything
        message = ""
    kind = type(error).__name__
    head = cut_text(f"{kind}: {message}" if message else kind, MAX_MESSAGE_CHARS)
    lines = _frames(error.__traceback__)
    if isinstance(error, SyntaxError) and error.lineno is not None:
        lines.append(
            f"  line {error.lineno}: {cut_text((error.text or '').strip(), MAX_LINE_CHARS)}"
        )
    text = "\n".join([head, *(["", "Traceback (innermost last):", *lines] if lines else [])])
    return conceal(text)


def _frames(trace: TracebackType | None) -> list[str]:
    """List the innermost frames of the user's own code."""
    frames = [
        frame
        for frame in traceback.extract_tb(trace)
        if frame.filename.startswith("<") or not frame.filename.startswith(_libraries())
    ]
    lines = []
    for frame in frames[-MAX_FRAMES:]:
        lines.append(f"  {_place(frame.filename)}, line {frame.lineno}, in {frame.name}")
        if frame.line:
            lines.append(f"    {cut_text(frame.line.strip(), MAX_LINE_CHARS)}")
    return lines


def _place(filename: str) -> str:
    """Return the name of a file without its folder, which may contain the person's name."""
    if "ipykernel_" in filename or filename.startswith("<ipython-"):
        return "cell"
    if filename.startswith("<"):
        return "code"
    return Path(filename).name


@cache
def _libraries() -> tuple[str, ...]:
    """Return the folders of Python, of installed packages and of this package."""
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders |= {*site.getsitepackages(), site.getusersitepackages()}
    frozen = ("<frozen ",)
    return (*frozen, _OURS, *(str(Path(folder)) + os.sep for folder in folders if folder))
