"""Changes on their way to the thread that wants them.

Traits must change, and their observers run, in the thread that made the widget: in a kernel its
main thread. The link's thread puts a change here, at most one for each chat; it is taken out

- by that thread's running loop, as soon as it is free (a kernel between two cells);
- by whatever waits in that thread (``wait``: a cell inside ``ask``);
- by whoever reads a trait there (``while chat.busy: …`` in a script).
"""

from __future__ import annotations

import asyncio
import contextvars
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class Inbox:
    """The changes that wait for one thread."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.wake = threading.Event()
        self._lock = threading.Lock()
        self._pending: dict[int, Callable[[], None]] = {}
        self._is_draining = False
        self.look_around()

    def look_around(self) -> None:
        """Note the loop that runs in this thread, and for which cell."""
        self._context = contextvars.copy_context()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None

    def is_here(self) -> bool:
        """Say whether this is the inbox's own thread."""
        return self.thread == threading.get_ident()

    def put(self, whose: int, change: Callable[[], None]) -> None:
        """Leave a change, replacing the one that ``whose`` has left before; from any thread."""
        with self._lock:
            is_first = not self._pending
            self._pending[whose] = change
        self.wake.set()
        if is_first:
            self._call()

    def _call(self) -> None:
        """Have the thread's loop take the changes out, if it has one."""
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self.drain, context=self._context.copy())
            except RuntimeError:
                self._loop = None  # it was closed; whoever waits or reads takes the change

    def drain(self) -> None:
        """Make the changes; in this inbox's thread only, and not while one is being made.

        An observer that raises ends this turn; the changes after it come in the next.
        """
        if self._is_draining or not self._pending:
            return
        self._is_draining = True
        try:
            while self._pending:
                with self._lock:
                    change = self._pending.pop(next(iter(self._pending)))
                change()
        finally:
            self._is_draining = False
            if self._pending:
                self._call()


_here = threading.local()


def here() -> Inbox:
    """Give this thread's inbox."""
    inbox: Inbox | None = getattr(_here, "inbox", None)
    if inbox is None or inbox.thread != threading.get_ident():
        inbox = _here.inbox = Inbox()
    else:
        inbox.look_around()
    return inbox


def wait(future: Future[T]) -> T:
    """Wait for what another thread does, making this thread's changes meanwhile."""
    inbox = here()
    future.add_done_callback(lambda _: inbox.wake.set())
    with _interrupts():
        while True:
            inbox.wake.clear()
            inbox.drain()
            if future.done():
                return future.result()
            # Bounded, because a wait on Windows cannot be interrupted.
            inbox.wake.wait(0.5)


@contextmanager
def _interrupts() -> Iterator[None]:
    """Let an interrupt through in a kernel's cell with a top-level ``await``.

    There the kernel turns SIGINT into a callback of its loop, which cannot run while we wait.
    """
    ours: Any = signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or not _is_in_kernel():
        yield
        return
    before = signal.signal(signal.SIGINT, ours)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _is_in_kernel() -> bool:
    kernels = sys.modules.get("ipykernel.kernelbase")
    return kernels is not None and bool(kernels.Kernel.initialized())
