"""Watching: the rows of a person's list of threads, each again whenever it changes (L8, L9, L16).

A watcher hears of changed threads by the commits of this process, by notices of other processes,
and, if a notice was lost, by comparing the list with its state before. It then reads the rows from
the store, as its person may see them, and hands them to its sink. Of other persons' threads it
reads nothing: they are found once not to be the person's, and are left out from then on.

::

    commit ─► Watchers ─► ChangedThreads ─► read the rows ─► sink
                                ▲                             │ full
                                └──── the rest is due again ◄─┘
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from ..shared.errors import DatabaseUnreachable
from ..shared.events import Event, dumps
from ..shared.list_records import ListedThread
from ..store.front import ChatStore
from .changed_threads import ChangedThreads
from .commit_poll import CommitPoll
from .frames import Sink

WATCHING = '{"op":"watching"}'
# Compare lists with the database at most this often after changes, and this often without one. A
# comparison also waits for ``IDLE_TIMES`` the time that the last one took.
COMPARE_AFTER_S, COMPARE_ANYWAY_S = 1.0, 30.0
IDLE_TIMES = 50
# Threads known to be other persons': a list of ids that is read again costs one query.
MAX_STRANGERS = 20_000


class Watcher:
    """One watcher of a person's list. ``Watchers`` makes it; call ``close`` when done."""

    def __init__(self, watchers: Watchers, person: str) -> None:
        self.person = person
        self.changes = ChangedThreads()
        self._watchers = watchers
        self._wake = asyncio.Event()
        self._time = asyncio.get_running_loop().time

    def add(self, thread_ids: Iterable[str]) -> None:
        """Note that the rows of these threads may have changed."""
        self.changes.add(thread_ids, self._time())
        self._wake.set()

    def lose(self) -> None:
        """Note that any row may have changed."""
        self.changes.lose()
        self._wake.set()

    def close(self) -> None:
        """Stop watching."""
        self._watchers.drop(self)

    async def pour(self, sink: Sink) -> None:
        """Hand one row after another to a sink, for ever; the first frame is ``watching``.

        While the sink is full, nothing is held for it but the ids of changed threads (L8).
        """
        await self._watchers.begin(self.person)
        while True:
            await self._until_due()
            if not await self._send(sink):
                await sink.drained()

    async def _until_due(self) -> None:
        while True:
            due_s = self.changes.next_s()
            wait_s = None if due_s is None else due_s - self._time()
            if wait_s is not None and wait_s <= 0:
                return
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), wait_s)
            except TimeoutError:
                return

    async def _send(self, sink: Sink) -> bool:
        """Send what is due; False if the sink has no room for all of it."""
        if self.changes.take_loss():
            if not sink.take(WATCHING):
                self.changes.lose()
                return False
            return True
        thread_ids = self.changes.take(self._time())
        if not thread_ids:  # the clock was a little early
            return True
        try:
            rows = await self._watchers.read(self.person, thread_ids)
        except DatabaseUnreachable:  # the store has waited; what was taken is read again
            self.changes.give_back(thread_ids, self._time())
            return True
        for n, row in enumerate(rows):
            if not sink.take(f'{{"op":"thread","thread":{dumps(row)}}}'):
                self.changes.give_back((row["id"] for row in rows[n:]), self._time())
                return False
        return True


class Watchers:
    """All watchers of this process. Everything but reading happens on the event loop."""

    def __init__(self, store: ChatStore, *, poll: CommitPoll) -> None:
        self._store = store
        self._poll = poll
        self.by_person: dict[str, set[Watcher]] = {}
        self.traces: dict[str, dict[str, int]] = {}  # person -> the list as last compared
        self._strangers: OrderedDict[tuple[str, str], None] = OrderedDict()  # (person, thread id)
        self._is_suspect = False  # a notice of unknown threads has come
        self._compare_at_s = self._compare_anyway_at_s = 0.0
        poll.add(self)
        store.listen(self._publish)
        store.listen_to_marks(self._hear)
        store.on_foreign(self.hear_foreign, wants=self._may_matter, of_rows=True)

    @property
    def count(self) -> int:
        """The number of watchers."""
        return sum(len(watchers) for watchers in self.by_person.values())

    def watch(self, person: str) -> Watcher:
        """Register a watcher of a person's list."""
        watcher = Watcher(self, person)
        self.by_person.setdefault(person, set()).add(watcher)
        self._poll.begin()
        return watcher

    def drop(self, watcher: Watcher) -> None:
        watchers = self.by_person.get(watcher.person)
        if watchers is not None:
            watchers.discard(watcher)
            if not watchers:
                del self.by_person[watcher.person]
                self.traces.pop(watcher.person, None)

    async def begin(self, person: str) -> None:
        """Read the list's state before its first frame, to compare with it from then on."""
        if person not in self.traces:
            traces = await self._store.threads.traces(person)
            if person in self.by_person:
                self.traces.setdefault(person, traces)

    async def read(self, person: str, thread_ids: Sequence[str]) -> list[ListedThread]:
        """Read those of the rows that are the person's (L16)."""
        rows = await self._store.threads.read_listed(person, thread_ids)
        for thread_id in set(thread_ids) - {row["id"] for row in rows}:
            self._strangers[person, thread_id] = None
            if len(self._strangers) > MAX_STRANGERS:
                self._strangers.popitem(last=False)
        return rows

    # ------------------------------------------------------------------ what has changed

    def _publish(self, events: Sequence[Event]) -> None:
        if self.by_person:
            # A delta changes no row but its `seq`, which is not worth a frame.
            self._hear({event.thread_id for event in events if event.type != "delta"})

    def _hear(self, threads: Iterable[str]) -> None:
        for person, watchers in self.by_person.items():
            own_ids = [
                thread_id for thread_id in threads if (person, thread_id) not in self._strangers
            ]
            if own_ids:
                for watcher in watchers:
                    watcher.add(own_ids)

    def hear_foreign(self, threads: frozenset[str] | None) -> None:
        if threads is None:  # the poll compares the lists
            self._is_suspect = True
        else:
            self._hear(threads)

    def _may_matter(self, thread_id: str) -> bool:
        # Called on another thread, while the loop may change the dictionary: `tuple` copies it.
        return any((person, thread_id) not in self._strangers for person in tuple(self.by_person))

    # ------------------------------------------------------------------ lost notices (L9)

    @property
    def is_wanted(self) -> bool:
        """Whether there is a watcher."""
        return bool(self.by_person)

    async def compare(self, *, is_changed: bool) -> bool:
        """Compare each watched list with its state before; False if that must wait.

        A notice mostly came, so a comparison is not urgent: it leaves the database alone for a
        multiple of the time that it took.
        """
        time = asyncio.get_running_loop().time
        is_changed = is_changed or self._is_suspect
        due_s = self._compare_at_s if is_changed else self._compare_anyway_at_s
        if time() < due_s:
            return not is_changed
        self._is_suspect = False
        begun_s = time()
        for person in tuple(self.traces):
            await self._compare_list(person)
        rest_s = min(IDLE_TIMES * (time() - begun_s), COMPARE_ANYWAY_S)
        self._compare_at_s = time() + max(COMPARE_AFTER_S, rest_s)
        self._compare_anyway_at_s = time() + max(COMPARE_ANYWAY_S, rest_s)
        return True

    async def _compare_list(self, person: str) -> None:
        traces = await self._store.threads.traces(person)
        old_traces = self.traces.get(person)
        if old_traces is None:  # nobody watches it any more
            return
        self.traces[person] = traces
        changed_ids = [id_ for id_, trace in traces.items() if old_traces.get(id_) != trace]
        for watcher in self.by_person.get(person, ()):
            watcher.add(changed_ids)
