"""The output of a cell that shows a thread: the address of the live view, and a saved copy.

The copy is shown if no server knows the thread (``shared/saved_copy.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..shared.records import MessageRecord
from ..shared.saved_copy import snapshot
from . import user_errors
from .shell import shell_of_kernel

MimeBundle = dict[str, Any]  # by MIME type, as IPython takes it
MIME = "application/vnd.jupyter-chat-stream.thread.v1+json"


def execution_id() -> str | None:
    """Return the id of the cell execution that is under way; None outside a kernel."""
    shell = shell_of_kernel()
    header = shell.get_parent().get("header", {}) if shell is not None else {}
    return header.get("msg_id")


def keep_newest_result(result: object, is_older: Callable[[object], bool]) -> None:
    """Remove older results with the same chat from the kernel's history (``Out``, ``_``).

    Otherwise each run of a cell that shows a chat would keep one more chat alive.
    """
    shell = shell_of_kernel()
    if shell is None:
        return
    hook, spaces = shell.displayhook, (shell.user_ns, shell.user_ns_hidden)
    out = shell.user_ns.get("_oh", {})
    for number in [n for n, value in out.items() if value is not result and is_older(value)]:
        del out[number]
        for names in spaces:
            names.pop(f"_{number}", None)
    for name in ("_", "__", "___"):
        value = getattr(hook, name, None)
        if value is not result and is_older(value):
            setattr(hook, name, "")
            for names in spaces:
                if names.get(name) is value:
                    names[name] = ""


def bundle(
    thread_id: str, messages: Iterable[MessageRecord], run_id: str | None = None
) -> MimeBundle:
    """Return the MIME bundle of an output: the address of the live view, and the saved copy.

    It has no widget view, because nbconvert would then leave the copy out.
    """
    messages = list(messages)
    address = {"thread": thread_id} if run_id is None else {"thread": thread_id, "run": run_id}
    return {
        MIME: address,
        "text/markdown": snapshot(messages),
        "text/plain": snapshot(messages, markdown=False),
    }


class LiveOutput:
    """Shows a run in the output of the cell that waits for it, and saves the copy at the end.

    In a script or a terminal it shows nothing.
    """

    def __init__(self, run: Any) -> None:
        self._run = run
        self._handle: Any = None
        self.execution_id: str | None = None

    def __enter__(self) -> LiveOutput:
        if shell_of_kernel() is not None:
            from IPython.display import display

            with user_errors.reporting("Showing an answer"):  # display() calls hooks of the user
                self._handle = display(self._run, display_id=True)
                self.execution_id = execution_id()
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            with user_errors.reporting("Showing an answer"):
                self._handle.update(self._run)
