"""The state of one followed thread, kept by the link's thread and read from any other.

The link feeds frames to the shared sans-I/O ``Subscription`` (L6). Other code asks here: properties
read the fold under a lock and never use the network, ``until`` waits on the link's loop, and a
listener is called after a change and reads again. The follower holds the state of the thread, never
a queue of events, so a slow reader costs nothing (L8). Of a long thread it holds the newest
messages, the open ones, and those whose run some code holds.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from ..shared.errors import (
    ChatStreamError,
    FoldError,
    Forbidden,
    NotFound,
    ServerUnavailable,
    ThreadNotFound,
    VersionMismatch,
)
from ..shared.events import ENDS
from ..shared.records import MessageRecord, RunRecord, SubscribeFrame, ThreadRecord, WireFrame
from ..shared.subscription import Applied, Ended, Resubscribe, Subscription
from .tools.offers import KernelOffer
from .wire import error_from_wire

GIVE_UP_S = 60.0
MAX_MISFITS = 3
KEPT_MESSAGES = 200  # the fewest to keep; older messages are fetched when they are read
MOST_MESSAGES = 400  # with more, the older half is dropped
LATE_EVENTS_S = 5.0  # how long events may arrive after the response that reports them

T = TypeVar("T")


class Follower:
    """The state of one thread in this process."""

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        self.error: ChatStreamError | None = None  # if set, no event will follow
        self._subscription = Subscription(thread_id)
        self.lock = threading.RLock()  # a __del__ may read while its thread reads
        self._change_event = asyncio.Event()  # another one after each change
        self.listeners: list[Callable[[bool], None]] = []
        self._misfits = 0
        self._trouble: ChatStreamError | None = None  # why no event comes at present
        self._trouble_since = 0.0
        self.users = 0
        self.has_earlier = False  # whether the thread has messages that are not kept here
        self._keep_counts: Counter[str] = Counter()  # messages whose run some code holds
        self.is_refused = False  # whether the link must subscribe again later
        self.offer: KernelOffer | None = None  # what this process offers in the thread

    # ------------------------------------------------------------------ read, from any thread

    @property
    def seq(self) -> int:
        return self._subscription.cursor

    @property
    def thread(self) -> ThreadRecord:
        with self.lock:
            return self._subscription.transcript.thread.copy()

    def message(self, message_id: str | None) -> MessageRecord | None:
        """Return a message; None if it is not kept here."""
        with self.lock:
            return self._subscription.transcript.message(message_id) if message_id else None

    def messages(self) -> list[MessageRecord]:
        """Return the kept messages, oldest first."""
        with self.lock:
            return self._subscription.transcript.messages

    def run(self, run_id: str) -> RunRecord | None:
        """Return a run; None if it is not kept here."""
        with self.lock:
            run = self._subscription.transcript.runs.get(run_id)
            return None if run is None else run.copy()

    def runs(self) -> list[RunRecord]:
        with self.lock:
            return [run.copy() for run in self._subscription.transcript.runs.values()]

    def listen(self, listener: Callable[[bool], None]) -> None:
        """Call ``listener(urgent)`` in the link's thread after every change."""
        self.listeners.append(listener)

    def ignore(self, listener: Callable[[bool], None]) -> None:
        if listener in self.listeners:
            self.listeners.remove(listener)

    # ------------------------------------------------------------------ wait, on the link's loop

    async def until(self, ready: Callable[[], T | None]) -> T:
        """Wait until ``ready`` returns a value other than None.

        Raises:
            ThreadNotFound: the thread was deleted.
            ServerUnavailable: the server was away for ``GIVE_UP_S`` of the wait.
            ChatStreamError: the server refused to continue, or now has another version.
        """
        start = time.monotonic()
        while True:
            result = ready()
            if result is not None:
                return result
            if self.error is not None:
                raise self.error
            if self._trouble is not None:
                away_s = time.monotonic() - max(start, self._trouble_since)
                if away_s >= GIVE_UP_S or not _is_passing(self._trouble):
                    raise self._trouble
            await self._change_event.wait()

    async def live(self) -> None:
        """Wait until all events up to now have arrived."""
        await self.until(lambda: self._subscription.is_live or None)

    async def wait_for_end(self, run_id: str) -> RunRecord:
        """Wait for a run's end and return the run."""

        def ready() -> RunRecord | None:
            run = self.run(run_id)
            return run if run is not None and run["status"] in ENDS else None

        return await self.until(ready)

    # ------------------------------------------------------------------ fed by the link

    def keep(self, message_ids: Iterable[str], count: int = 1) -> None:
        """Keep these messages; -1 undoes one such call."""
        for id_ in message_ids:
            self._keep_counts[id_] += count
            if self._keep_counts[id_] <= 0:
                del self._keep_counts[id_]

    def _forget(self) -> None:
        transcript = self._subscription.transcript
        if transcript.size > MOST_MESSAGES + len(self._keep_counts):
            is_forgotten = transcript.forget_oldest(KEPT_MESSAGES, self._keep_counts)
            self.has_earlier = self.has_earlier or is_forgotten

    def request(self) -> SubscribeFrame:
        """Return the frame that subscribes from the cursor on."""
        self.is_refused = False
        return self._subscription.request()

    def receive(self, frame: WireFrame) -> SubscribeFrame | None:
        """Take one frame; return the frame to send back, if there is one."""
        with self.lock:
            action = self._subscription.receive(frame)
            self._forget()
        if isinstance(action, Applied):
            self._misfits = 0
            self._trouble = None
            events = action.events
            self._tell(not events or any(event.type != "delta" for event in events))
        elif isinstance(action, Resubscribe):
            return self._ask_again(action)
        elif isinstance(action, Ended):
            self._note_refusal(action.error)
        return None

    def _note_refusal(self, wire: WireFrame | None) -> None:
        error = ThreadNotFound(self.thread_id) if wire is None else error_from_wire(wire)
        if isinstance(error, (NotFound, Forbidden)):
            self.end(error)
            return
        # The store is busy or the server stops: callers get the error, and the link tries again.
        self.is_refused = True
        self.trouble(error)

    def _ask_again(self, action: Resubscribe) -> SubscribeFrame | None:
        if action.reason.startswith("misfit"):
            self._misfits += 1
        if self._misfits <= MAX_MISFITS:
            return self.request()
        self.end(
            FoldError(
                f"What the server sends of thread {self.thread_id!r} does not fit together "
                f"({action.reason}). Run `jupyter chat-stream check` where the server runs.",
                thread_id=self.thread_id,
            )
        )
        return None

    def end(self, error: ChatStreamError) -> None:
        """Note that no event will follow, and why."""
        self.error = error
        self._tell(True)

    def trouble(self, error: ChatStreamError) -> None:
        """Note why no event comes at present. It is called repeatedly while that lasts."""
        if self._trouble is None:
            self._trouble_since = time.monotonic()
        self._trouble = error
        self._tell(False)

    def _tell(self, urgent: bool) -> None:
        change_event, self._change_event = self._change_event, asyncio.Event()
        change_event.set()
        for listener in tuple(self.listeners):
            listener(urgent)


def _is_passing(error: ChatStreamError) -> bool:
    """Return whether waiting may help: the server is away, not of another version."""
    return isinstance(error, ServerUnavailable) and not isinstance(error, VersionMismatch)


async def wait_briefly(events: Awaitable[object]) -> None:
    """Wait a moment for events that may arrive after the response that reports them."""
    try:
        await asyncio.wait_for(events, LATE_EVENTS_S)
    except TimeoutError:
        pass
