"""Changes on their way to the thread that wants them.

Traits must change, and their observers run, in the thread that made the widget: in a kernel its
main thread. The link's thread puts a change here, at most one for each chat; it is taken out

- by that thread's running loop, as soon as it is free (a kernel between two cells);
- by whatever waits there for an answer (``watch``: a cell inside ``ask``);
- by whoever reads a trait there (``while chat.busy: …`` in a script).

Commands wait with ``wait``, which makes no changes: between "sent" and "returned" runs no function
of the user's. The lock may be taken twice by one thread: a ``__del__`` can run anywhere.
"""

from __future__ import annotations

import asyncio
import contextvars
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from typing import Any, TypeVar

from . import user_errors

LONGEST_WAIT_S = 0.5

T = TypeVar("T")


class Inbox:
    """The changes that wait for one thread."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.wake = threading.Event()
        self._lock = threading.RLock()
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
                self._loop.call_soon_threadsafe(self._drain_in_loop, context=self._context.copy())
            except RuntimeError:
                self._loop = None  # it was closed; whoever waits or reads takes the change

    def _drain_in_loop(self) -> None:
        try:
            self.drain()
        except SystemExit as error:  # from an observer; it would end the loop, and a kernel with it
            user_errors.report("An observer", error)

    def drain(self) -> None:
        """Make the changes; in this inbox's thread only, and not while one is being made.

        Those that are left meanwhile come in the next turn, so that whoever waits gets theirs. An
        interrupt leaves in the inbox what it has kept from being made.
        """
        if self._is_draining or not self._pending:
            return
        self._is_draining = True
        with self._lock:
            batch, self._pending = self._pending, {}
        try:
            while batch:
                whose = next(iter(batch))
                with user_errors.reported("A change of a chat"):
                    batch[whose]()
                del batch[whose]
        finally:
            with self._lock:
                self._pending = {**batch, **self._pending}
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
    """Wait for what another thread does, and do nothing else meanwhile."""
    with _interrupts():
        while True:
            try:
                # Bounded, because a wait on Windows cannot be interrupted.
                return future.result(LONGEST_WAIT_S)
            except FutureTimeout:
                if future.done():
                    return future.result()  # it came just now, or it is its own timeout


def watch(future: Future[T]) -> T:
    """Wait for what another thread does, making this thread's changes meanwhile."""
    inbox = here()
    future.add_done_callback(lambda _: inbox.wake.set())
    with _interrupts():
        while True:
            inbox.wake.clear()
            is_done = future.done()  # looked at first: what came before the end is made before it
            inbox.drain()
            if is_done:
                return future.result()
            inbox.wake.wait(LONGEST_WAIT_S)


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
