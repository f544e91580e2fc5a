"""Shows the kernel as busy while a call runs between two cells.

A running cell shows the kernel as busy by itself. The messages of this module name no cell, so
that no cell seems to end with the call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..shell import shell_of_kernel


class _CellState:
    """Tracks whether a cell is running in this kernel."""

    def __init__(self) -> None:
        self.is_in_cell = True  # a cell creates this object
        self._shell: Any = None

    def watch(self, shell: Any) -> None:
        if shell is None or shell is self._shell:
            return
        self._shell = shell
        shell.events.register("pre_execute", self._begins)
        shell.events.register("post_execute", self._ends)

    def _begins(self) -> None:
        self.is_in_cell = True

    def _ends(self) -> None:
        self.is_in_cell = False


_cells = _CellState()


def watch_cells() -> None:
    """Begin to track when cells begin and end. Must be called by a cell."""
    _cells.watch(shell_of_kernel())


@contextmanager
def shown_busy() -> Iterator[None]:
    """Show the kernel as busy, unless a cell is running."""
    shell = shell_of_kernel()
    if shell is None or _cells.is_in_cell:
        yield
        return
    allows_input = getattr(shell.kernel, "_allow_stdin", None)
    if allows_input:
        shell.kernel._allow_stdin = False  # without a cell, `input()` must raise
    _publish(shell.kernel, "busy")
    try:
        yield
    finally:
        if allows_input:
            shell.kernel._allow_stdin = True
        if not _cells.is_in_cell:
            _publish(shell.kernel, "idle")


def _publish(kernel: Any, state: str) -> None:
    kernel.session.send(
        kernel.iopub_socket,
        "status",
        {"execution_state": state},
        parent={},
        ident=kernel._topic("status"),
    )
