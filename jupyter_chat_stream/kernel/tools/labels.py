"""The name of this process for people, to show which kernel or script executes a call."""

from __future__ import annotations

import os
import sys
from pathlib import PurePath

from ..shell import shell_of_kernel

MAX_CHARS = 60


def label_of_process() -> str:
    """Return a name such as ``kernel of a.ipynb`` or ``train.py``."""
    if shell_of_kernel() is not None:
        notebook = PurePath(os.environ.get("JPY_SESSION_NAME", "").replace("\\", "/")).name
        return _short(f"kernel of {notebook}" if notebook else "kernel")
    script = PurePath(sys.argv[0] if sys.argv else "").name
    return _short(script if script.endswith(".py") else "Python")


def _short(name: str) -> str:
    plain = "".join(char for char in name if char.isprintable())
    return plain if len(plain) <= MAX_CHARS else f"{plain[: MAX_CHARS - 1]}…"
