"""Mistakes of the user's own functions: shown where their author looks, and no harm to the chat.

An observer, a display hook or a widget's validator runs in the middle of the chat's work. What it
raises is shown as ipywidgets shows it (IPython's traceback; standard error elsewhere), and the chat
goes on. An interrupt and the end of the process are no mistakes: they travel.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# `CancelledError`: from a function that is no coroutine it cancels nothing of ours.
CAUGHT = (Exception, asyncio.CancelledError)


@contextmanager
def shown(what: str) -> Iterator[None]:
    """Show what the block raises, instead of raising it.

    Args:
        what: names the code that is at fault, as the subject of a sentence.
    """
    try:
        yield
    except CAUGHT as error:
        show(what, error)


def show(what: str, error: BaseException) -> None:
    """Show a mistake with its traceback; never raises one itself."""
    try:
        sys.stderr.write(f"{what} raised {type(error).__name__}; the chat goes on.\n")
        shell = _shell()
        if shell is None:
            traceback.print_exception(type(error), error, error.__traceback__)
        else:
            shell.showtraceback((type(error), error, error.__traceback__))
    except CAUGHT:
        pass  # there is no place left to show it in


def _shell() -> Any:
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return get_ipython()
