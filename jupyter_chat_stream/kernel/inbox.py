"""Changes of traits that wait for the thread in which the widget was made.

Traits must change, and their observers run, in the thread that made the widget; in a kernel this
is the main thread. The link's thread puts changes here, at most one for each chat. A change is
applied

- by the running loop of the widget's thread, once it is free (a kernel between two cells);
- by ``watch``, while code of that thread waits for an answer (a cell inside ``ask``);
- by code of that thread that reads a trait (``while chat.busy: …`` in a script).

Commands wait with ``wait``, which applies no changes, so no function of the user runs during a
command. The lock is reentrant, because a ``__del__`` can run anywhere.

Jobs wait here, too: calls of the user's functions by a model. The loop begins one at a time, and
``watch`` runs them while it waits. It also takes over the one that the loop has begun, which could
not go on before the end of the wait. Reading a trait begins none.
"""

from __future__ import annotations

import asyncio
import contextvars
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from . import user_errors

LONGEST_WAIT_S = 0.5
LONG_WAIT_S = 2.0  # of a wait that blocks the loop of an async function

T = TypeVar("T")


class Job(Protocol):
    """Work that waits for its thread. It reports its own errors."""

    def run(self) -> None:
        """Do the work while the thread waits in ``watch``; raises only an interrupt."""

    async def arun(self) -> None:
        """Do the work on the thread's running loop; raises nothing."""

    def take_over(self, is_long: bool) -> None:
        """Go on instead of ``arun``, whose loop the thread's wait blocks. It may be repeated.

        Args:
            is_long: whether the wait lasts so long that work which needs the loop must end.
        """


_job_of_context: contextvars.ContextVar[Job | None] = contextvars.ContextVar(
    "chat_stream_job", default=None
)


class Inbox:
    """The changes and the jobs that wait for one thread."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.wake = threading.Event()
        self.lock = threading.RLock()
        self._changes: dict[int, Callable[[], None]] = {}
        self._is_draining = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._jobs: deque[Job] = deque()
        self._job_in_loop: Job | None = None
        self._task_of_job: asyncio.Task[None] | None = None
        self.look_around()

    def look_around(self) -> None:
        """Remember the running loop of this thread, and the context of the current cell."""
        self._context = contextvars.copy_context()
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        if self._jobs:
            self._call_in_loop(self._begin_job)  # of a script whose loop runs only now

    def is_here(self) -> bool:
        """Return whether the calling thread is the thread of this inbox."""
        return self.thread == threading.get_ident()

    def put(self, owner_id: int, change: Callable[[], None]) -> None:
        """Add a change, replacing an earlier one of ``owner_id``. Any thread may call this."""
        with self.lock:
            is_first = not self._changes
            self._changes[owner_id] = change
        self.wake.set()
        if is_first:
            self._call_in_loop(self._drain_in_loop)

    def _call_in_loop(self, function: Callable[[], None]) -> None:
        """Call a function on the thread's loop, if the thread has a loop."""
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(function, context=self._context.copy())
            except RuntimeError:
                # The loop was closed: `watch` or a read applies changes, and `watch` runs jobs.
                self._loop = None

    def _drain_in_loop(self) -> None:
        try:
            self.drain()
        except SystemExit as error:  # from an observer; it would end the loop and the kernel
            user_errors.report("An observer", error)

    def drain(self) -> None:
        """Apply the changes. Only the inbox's thread may call this; a nested call does nothing.

        Changes that arrive meanwhile are left for the next call, so that a waiting caller goes on.
        An interrupt leaves the changes that were not applied in the inbox.
        """
        if self._is_draining or not self._changes:
            return
        self._is_draining = True
        with self.lock:
            batch, self._changes = self._changes, {}
        try:
            while batch:
                owner_id = next(iter(batch))
                with user_errors.reporting("A change of a chat"):
                    batch[owner_id]()
                del batch[owner_id]
        finally:
            with self.lock:
                self._changes = {**batch, **self._changes}
            self._is_draining = False
            if self._changes:
                self._call_in_loop(self._drain_in_loop)

    def add(self, job: Job) -> None:
        """Add a job. Any thread may call this; without a loop, the next ``watch`` runs the job."""
        self._jobs.append(job)
        self.wake.set()
        self._call_in_loop(self._begin_job)

    def _begin_job(self) -> None:
        """Begin the next job on the loop, unless one is under way there."""
        if self._jobs and self._job_in_loop is None:
            job = self._job_in_loop = self._jobs.popleft()
            # The loop keeps only weak references to its tasks.
            self._task_of_job = asyncio.get_running_loop().create_task(_do_job(job))
            self._task_of_job.add_done_callback(self._job_ended)

    def _job_ended(self, task: asyncio.Task[None]) -> None:
        self._job_in_loop = None
        self._call_in_loop(self._begin_job)  # a cell that waits has its turn first

    def run_jobs(self, is_long: bool) -> None:
        """Run the jobs that wait. Only ``watch`` calls this, in the inbox's thread."""
        job, task = self._job_in_loop, self._task_of_job
        is_own = job is _job_of_context.get()  # the job's own code waits
        if job is not None and task is not None and not task.done() and not is_own:
            job.take_over(is_long)
        while self._jobs:
            self._jobs.popleft().run()


async def _do_job(job: Job) -> None:
    """Do a job in a task; its code and the tasks that it begins know that they belong to it."""
    _job_of_context.set(job)
    await job.arun()


_here = threading.local()


def here() -> Inbox:
    """Return the inbox of the calling thread."""
    inbox: Inbox | None = getattr(_here, "inbox", None)
    if inbox is None or inbox.thread != threading.get_ident():
        inbox = _here.inbox = Inbox()
    else:
        inbox.look_around()
    return inbox


def wait(future: Future[T]) -> T:
    """Wait for a result from another thread, and do nothing else meanwhile."""
    with _interrupts():
        return wait_in_steps(future)


def wait_in_steps(future: Future[T]) -> T:
    """Wait for a result in steps, because a wait on Windows cannot be interrupted."""
    while True:
        try:
            return future.result(LONGEST_WAIT_S)
        except FutureTimeout:
            if future.done():
                return future.result()  # it was set just now, or it holds a timeout itself


def watch(future: Future[T]) -> T:
    """Wait for a result from another thread; meanwhile apply this thread's changes and jobs."""
    inbox = here()
    start = time.monotonic()
    future.add_done_callback(lambda _: inbox.wake.set())
    with _interrupts():
        while True:
            inbox.wake.clear()
            is_done = future.done()  # checked first: changes from before the end are applied
            inbox.drain()
            if is_done:
                return future.result()
            inbox.run_jobs(time.monotonic() - start >= LONG_WAIT_S)
            if not future.done():
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
    previous = signal.signal(signal.SIGINT, ours)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _is_in_kernel() -> bool:
    kernels = sys.modules.get("ipykernel.kernelbase")
    return kernels is not None and bool(kernels.Kernel.initialized())
