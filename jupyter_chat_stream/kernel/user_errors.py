"""Errors of the user's own functions: reported to the user, without harm to the chat.

The chat calls observers, display hooks and validators that the user wrote. If one of them raises,
this module shows the traceback as ipywidgets does (by IPython, or on standard error), and the chat
goes on. An interrupt and the end of the process are not caught.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from .shell import running_shell

# A plain function that raises `CancelledError` cancels none of our tasks, so it is caught too.
CAUGHT = (Exception, asyncio.CancelledError)


@contextmanager
def reporting(subject: str) -> Iterator[None]:
    """Report an error of the block instead of raising it.

    Args:
        subject: the name of the user's code, as the subject of a sentence.
    """
    try:
        yield
    except CAUGHT as error:
        report(subject, error)


def report(subject: str, error: BaseException) -> None:
    """Show an error with its traceback; never raises."""
    try:
        sys.stderr.write(f"{subject} raised {type(error).__name__}; the chat goes on.\n")
        shell = running_shell()
        if shell is None:
            traceback.print_exception(type(error), error, error.__traceback__)
        else:
            shell.showtraceback((type(error), error, error.__traceback__))
    except CAUGHT:
        pass  # standard error is broken, too: there is no other place to report to
