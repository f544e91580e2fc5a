"""Random operations on the real store beside a plain list of what was published (model.py).

``LogMachine`` drives one database: appends of current and stale attempts, batches of which some
fail, claims, retries, questions, ends, crashes in the middle of a transaction, commits of another
process, compaction, and readers that come and go with buffers far too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from jupyter_chat_stream.shared.errors import Compacted, FoldError, RunNotEnded, StaleAttempt
from jupyter_chat_stream.shared.events import (
    ENDS,
    Body,
    Delta,
    Finalized,
    InputGiven,
    InputRequested,
    ThreadChanged,
    ToolReturned,
)
from jupyter_chat_stream.store.chat import claims, runs, threads
from jupyter_chat_stream.store.chat.claims import Claimed, claim
from jupyter_chat_stream.store.chat.due import find_due
from jupyter_chat_stream.store.log.operations import Append
from jupyter_chat_stream.store.log.reading import read_after
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef, Transaction
from jupyter_chat_stream.store.sql.notices.base import Notices
from jupyter_chat_stream.store.store import Store
from tests.properties.model import (
    PATIENCE_S,
    Base,
    Crash,
    ModelReader,
    ModelRun,
    ModelThread,
    at,
    pick,
)
from tests.store.harness import compact

MAX_CRASHES = 3
OPEN = "question"  # a part: nobody has answered it
INDEX = st.integers(0, 99)
PIECES = st.lists(st.sampled_from(["a", "é", "🧮", "word ", "x" * 40]), min_size=1, max_size=6)


class LogMachine(Base):
    """The rules."""

    # ------------------------------------------------------------------ threads and messages

    @initialize()
    def first_thread(self) -> None:
        """Begin with a thread that has an answer of some length, and a run that is due."""
        self.create_thread()
        self.send(0)
        self.go_through(0, 20, "completed")
        self.send(0)

    def create_thread(self) -> None:
        since = len(self.published)

        def work(tx: Transaction) -> ThreadRef:
            made, _ = threads.create_thread(
                tx, owner="o", project="", name=None, title=None, model="m", system=None
            )
            tx.flush()
            return threads.find_thread(tx.conn, "o", made["id"])

        thread = ModelThread(ref=self.do(work))
        self.threads.append(thread)
        for event in self.published[since:]:
            thread.take(event)

    @rule()
    def another_thread(self) -> None:
        if len(self.threads) < 2:
            self.create_thread()

    @rule(index=INDEX)
    def send(self, index: int) -> None:
        number = index % len(self.threads)
        thread = self.threads[number].ref
        since = len(self.published)

        def work(tx: Transaction) -> RunRef:
            parts = [{"kind": "text", "text": "Why?"}]
            message = runs.add_message(tx, thread, parts=parts, parent_id=None)
            return runs.add_reply(tx, thread, runs.NewReply(parent_id=message["id"], model="m")).ref

        ref = self.do(work, thread.pk)
        self.runs.append(ModelRun(ref=ref, thread=number, parts=[], created_ms=self.clock))
        self.expect(since, ("message", None, None), ("message", ref.id, None))

    @rule(index=INDEX, title=st.sampled_from("TUV"))
    def rename(self, index: int, title: str) -> None:
        thread = self.threads[index % len(self.threads)].ref
        change = ThreadChanged(thread={"title": title})
        self.do(lambda tx: tx.append(thread, change), thread.pk)

    @rule(index=INDEX, title=st.sampled_from("XYZ"))
    def rename_from_elsewhere(self, index: int, title: str) -> None:
        """L1, L6: another process commits, of which this one hears nothing; then this one does."""
        if self.elsewhere is None:
            self.elsewhere = Store.open(self.url, now_ms=self.now, make_id=self.new_id)
            self.elsewhere.writer.batches.notices = Notices()  # which tells nobody
            self.elsewhere.listen(self.note)
        if index % 2:
            for reader in self.readers:  # those that are level meet a gap
                self.read_on(reader, 10**6)
        thread = self.threads[index % len(self.threads)].ref
        change = ThreadChanged(thread={"title": title})
        self.elsewhere.submit(lambda tx: tx.append(thread, change), thread.pk).result(PATIENCE_S)
        self.rename(index, "after")

    # ------------------------------------------------------------------ attempts

    @rule(
        index=INDEX,
        owner=st.sampled_from(["A", "B"]),
        on_crash=st.sampled_from(["continue", "continue", "restart", "interrupt"]),
    )
    def claim(self, index: int, owner: str, on_crash: Any) -> None:
        """L5, L10: whoever is due can be taken, and nobody else is listed."""
        listed = self.look(lambda conn: find_due(conn, 2**50))
        expected = {run.ref.id: run for run in self.runs if self._is_due(run)}
        free = [due.run.id for due in listed if due.holder is None]
        in_order = sorted(expected.items(), key=lambda item: item[1].due_ms)
        assert free == [key for key, run in in_order if run.owner is None], "L10"
        assert {due.run.id for due in listed} == set(expected), "L10"
        due = pick(listed, index)
        if due is None:
            return
        run = expected[due.run.id]
        since = len(self.published)
        self.clock += 5  # whose time has not come is not taken
        options: Any = {"max_crashes": MAX_CRASHES, "on_crash": on_crash}
        claimed = self.do(lambda tx: claim(tx, due, owner, **options), run.ref.thread.pk)
        has_crashed = run.owner is not None
        run.attempt, run.crashes, run.owner = run.attempt + 1, run.crashes + has_crashed, owner
        if has_crashed and (run.crashes >= MAX_CRASHES or on_crash == "interrupt"):
            assert claimed is None
            self._ended(run, "failed" if run.crashes >= MAX_CRASHES else "interrupted")
            assert self.published[-1].type == "finalized"
            return
        assert claimed is not None
        assert claimed.attempt == run.attempt
        run.status, run.wake_ms = "processing", None
        is_own = not run.continues  # what was taken over from another run is kept
        is_emptied = has_crashed and on_crash == "restart" and bool(run.parts) and is_own
        if is_emptied:
            run.parts = []
        types = ["message", "status"] if is_emptied else ["status"]
        self.expect(since, *((type_, run.ref.id, run.attempt) for type_ in types))

    def _is_due(self, run: ModelRun) -> bool:
        turn = next(r for r in self.runs if (r.thread == run.thread and r.is_open) or r is run)
        waits = run.status == "waiting" and run.wake_ms is None and run.owner is None
        return run.is_open and turn is run and not waits

    @rule(
        index=INDEX,
        pieces=PIECES,
        kind=st.sampled_from(["text", "text", "reasoning"]),
        back=st.sampled_from([0, 0, 0, 1, -1]),
        settle=st.booleans(),
    )
    def append(self, index: int, pieces: list[str], kind: str, back: int, settle: bool) -> None:
        """L4, L5: the current attempt of a run that has not ended writes, no other."""
        run = pick([run for run in self.runs if run.attempt > 0], index)
        if run is None or (index % 2 and not run.is_open):
            self.claim(index, "A", "continue")
            return
        since = len(self.published)
        attempt = run.attempt - back
        bodies, parts = self._deltas(run, kind, pieces)
        (outcome,) = self.outcomes([self._put(run, attempt, bodies, settle)])
        if back == 0 and run.is_open:
            run.parts = parts
            self.expect(since, *[("delta", run.ref.id, attempt)] * len(pieces))
        else:
            assert isinstance(outcome, StaleAttempt)
            self.expect(since)

    @rule(
        steps=st.lists(
            st.tuples(INDEX, st.sampled_from(["good", "good", "stale", "bad", "cancel", "end"])),
            min_size=2,
            max_size=6,
        )
    )
    def batch(self, steps: list[tuple[int, str]]) -> None:
        """L1, L5: one transaction, or one by one where it fails; the same outcome for each."""
        going = [run for run in self.runs if run.attempt > 0]
        if not going:
            return
        go_on, blocker = self.held_up()
        since = len(self.published)
        futures: list[Future[Any]] = []
        expected: list[tuple[str, str | None, int | None]] = []
        accepted: list[Any] = []
        for index, what in steps:
            run = going[index % len(going)]
            is_taken, types, future = self._step(run, what)
            futures.append(future)
            accepted.append(is_taken)
            expected += [(type_, run.ref.id, run.attempt) for type_ in types]
        go_on.set()
        self.outcomes([blocker])
        found = self.outcomes(futures)
        assert [not isinstance(outcome, BaseException) for outcome in found] == accepted, found
        self.expect(since, *expected)

    def _step(self, run: ModelRun, what: str) -> tuple[bool, list[str], Future[Any]]:
        bodies, parts = self._deltas(run, "text", ["b"])
        was_open = run.is_open
        if what == "cancel":
            future = self.store.submit(lambda tx: runs.cancel(tx, run.ref), run.ref.thread.pk)
            if was_open:
                run.attempt += 1
                self._ended(run, "cancelled")
            return True, ["finalized"] if was_open else [], future
        if what == "stale":
            return False, [], self._put(run, run.attempt - 1, bodies, False)
        if what == "bad":
            never = ToolReturned(tool_call_id="c", name="n", success=True, output={1})
            return False, [], self._put(run, run.attempt, [*bodies, never], True)
        if what == "end":
            future = self._put(run, run.attempt, [Finalized(status="completed")], False)
            if was_open:
                self._ended(run, "completed")
            return was_open, ["finalized"] if was_open else [], future
        if was_open:
            run.parts = parts
        return was_open, ["delta"] if was_open else [], self._put(run, run.attempt, bodies, False)

    @rule(index=INDEX, release=st.booleans())
    def put_off_and_maybe_retry(self, index: int, release: bool) -> None:
        run = pick([run for run in self.runs if run.is_open and run.attempt > 0], index)
        if run is None:
            return
        claimed = self._claimed(run)
        until = self.clock + 5
        self.do(
            lambda tx: claims.put_off(tx, claimed, until, "x", release=release), run.ref.thread.pk
        )
        run.status, run.wake_ms = "waiting", until
        if release:
            run.owner = None
            return
        again = self.do(lambda tx: claims.retry_attempt(tx, claimed), run.ref.thread.pk)
        assert again.attempt == run.attempt + 1
        run.attempt, run.status, run.wake_ms = run.attempt + 1, "processing", None

    @rule(index=INDEX)
    def ask(self, index: int) -> None:
        run = pick([run for run in self.runs if run.is_open and run.attempt > 0], index)
        if run is None or run.question is not None:
            return
        run.question = self.new_id()
        body = InputRequested(request_id=run.question, prompt="?")
        (outcome,) = self.outcomes(
            [self._put(run, run.attempt, [body], settle=False, release=True)]
        )
        assert not isinstance(outcome, BaseException)
        run.parts.append((OPEN, run.attempt))
        run.status, run.wake_ms, run.owner = "waiting", None, None

    @rule(index=INDEX)
    def answer(self, index: int) -> None:
        run = pick([run for run in self.runs if run.is_open and run.question], index)
        if run is None:
            return
        body = InputGiven(request_id=str(run.question), value=index, by="o")
        self.do(lambda tx: tx.append(run.ref.thread, body, run=run.ref), run.ref.thread.pk)
        run.question, run.status, run.wake_ms = None, "pending", None
        run.parts = [("answered" if kind == OPEN else kind, n) for kind, n in run.parts]

    @rule(index=INDEX, status=st.sampled_from(ENDS))
    def finish(self, index: int, status: str) -> None:
        run = pick([run for run in self.runs if run.is_open and run.attempt > 0], index)
        if run is not None:
            self.finish_run(run, status)

    def finish_run(self, run: ModelRun, status: str) -> None:
        """L4: from here on nobody adds to it."""
        since = len(self.published)
        self.outcomes([self._put(run, run.attempt, [Finalized(status=status)], settle=False)])
        self.expect(since, ("finalized", run.ref.id, run.attempt))
        self._ended(run, status)

    @rule(index=INDEX, keep_parts=st.booleans())
    def succeed(self, index: int, keep_parts: bool) -> None:
        """Retry or continue; refused where there is nothing to repeat yet."""
        run = self.runs[index % len(self.runs)]

        def work(tx: Transaction) -> RunRef:
            return runs.make_successor(tx, run.ref, keep_parts=keep_parts).ref

        (made,) = self.outcomes([self.store.submit(work, run.ref.thread.pk)])
        if run.is_open:
            assert isinstance(made, RunNotEnded)
            return
        kept = [(kind, 0) for kind, _ in run.parts if kind != OPEN] if keep_parts else []
        made_run = ModelRun(
            ref=made,
            thread=run.thread,
            parts=kept,
            created_ms=self.clock,
            continues=keep_parts,
        )
        self.runs.append(made_run)

    @rule(index=INDEX, pieces=st.integers(0, 30), status=st.sampled_from(ENDS))
    def go_through(self, index: int, pieces: int, status: str) -> None:
        """Take whoever is due and answer to the end, an event for each piece."""
        due = [run for run in self.runs if self._is_due(run)]
        run = pick(due, index)
        if run is None:
            self.send(index)
            return
        self.claim(index, "C", "continue")
        if run.is_open:
            bodies, run.parts = self._deltas(run, "text", ["x"] * pieces)
            self.outcomes([self._put(run, run.attempt, [body], False) for body in bodies])
            self.finish_run(run, status)

    # ------------------------------------------------------------------ crashes and compaction

    @rule(index=INDEX, pieces=PIECES)
    def crash(self, index: int, pieces: list[str]) -> None:
        """L1-L7: the process dies with a transaction half written; nothing of it was ever there."""
        run = self.runs[index % len(self.runs)]
        since = len(self.published)
        go_on, _ = self.held_up()
        bodies, _ = self._deltas(run, "text", pieces)

        def die(tx: Transaction) -> None:
            for body in (*bodies, Finalized(status="failed")):
                tx.append(run.ref.thread, body, run=run.ref, attempt=run.attempt)
            tx.flush()
            raise Crash

        lost = [self._put(run, run.attempt, bodies, True), self.store.submit(die)]
        go_on.set()
        self.store.writer.thread.join(PATIENCE_S)
        assert not self.store.writer.thread.is_alive()
        assert not any(future.done() for future in lost)
        self.leave_all()
        self.expect(since)
        self.store.writer.connection.drop()  # as the system does for a process that died
        self.store.notices.stop()
        self.store.pool.shutdown()
        self.store.database.close()
        self.open()

    @rule()
    def restart(self) -> None:
        self.leave_all()
        self.store.close()
        self.open()

    @rule(index=INDEX)
    def compact(self, index: int) -> None:
        """L2: deltas of an ended message go, and nothing else; of another, none."""
        ended = [run for run in self.runs if not run.is_open]
        run = pick(ended, index) if index % 5 else pick(self.runs, index)
        if run is None:
            return
        work = lambda tx: compact(tx, run.ref)  # noqa: E731
        (outcome,) = self.outcomes([self.store.submit(work, run.ref.thread.pk)])
        if run.is_open:
            assert isinstance(outcome, RunNotEnded)
            return
        assert not isinstance(outcome, FoldError), "L7"
        deltas = [
            e
            for e in self.threads[run.thread].events
            if e.run_id == run.ref.id and e.type == "delta"
        ]
        assert outcome == (0 if run.is_compacted else len(deltas))
        run.is_compacted = bool(deltas)

    # ------------------------------------------------------------------ looking

    @rule(index=INDEX, cursor=INDEX, pours=st.booleans())
    def follow(self, index: int, cursor: int, pours: bool) -> None:
        """Somebody comes with what they held some time ago, compacted since or not."""
        if len(self.readers) < 4:
            thread = self.threads[index % len(self.threads)]
            state = thread.states[cursor % len(thread.states)]
            self.readers.append(ModelReader(thread=thread, transcript=at(state), pours=pours))

    @rule(index=INDEX, frames=st.integers(1, 3))
    def read(self, index: int, frames: int) -> None:
        reader = pick(self.readers, index)
        if reader is not None:
            self.read_on(reader, frames)

    @rule(index=INDEX)
    def leave(self, index: int) -> None:
        """L8: leaving touches nothing; what the reader holds, it may come back with."""
        reader = pick(self.readers, index)
        if reader is not None:
            reader.leave()

    @rule()
    def check_the_log(self) -> None:
        for thread in self.threads:
            self.log_is_the_list(thread)

    @rule(index=INDEX, page_events=st.integers(1, 9), page_bytes=st.sampled_from([1, 400, 10**6]))
    def check_every_cursor(self, index: int, page_events: int, page_bytes: int) -> None:
        thread = self.threads[index % len(self.threads)]
        limits = {"page_events": page_events, "page_bytes": page_bytes}
        self.every_cursor_leads_to_the_state(thread, limits)

    @rule(index=INDEX, cursor=INDEX)
    def check_raw(self, index: int, cursor: int) -> None:
        """L2: events as they were, or a word that they are gone."""
        thread = self.threads[index % len(self.threads)]
        cursor %= len(thread.events)
        wanted = thread.events[cursor:]
        gone = {run.ref.id for run in self.runs if run.is_compacted}
        try:
            page = self.look(lambda conn: read_after(conn, thread.ref, cursor, raw=True))
        except Compacted:
            assert any(e.type == "delta" and e.run_id in gone for e in wanted)
        else:
            assert list(page.events) == wanted[: len(page.events)]

    @rule()
    def check_rows(self) -> None:
        """L7"""
        assert self.damage() == []

    # ------------------------------------------------------------------ small

    def _put(
        self,
        run: ModelRun,
        attempt: int,
        bodies: Sequence[Body],
        settle: bool,
        release: bool = False,
    ) -> Future[Any]:
        return self.store.append_future(
            Append(run=run.ref, attempt=attempt, bodies=bodies, settle=settle, release=release)
        )

    def _deltas(
        self, run: ModelRun, kind: str, pieces: Sequence[str]
    ) -> tuple[list[Body], list[tuple[str, int]]]:
        """A run of deltas that fits: into its attempt's last part, or into a new one."""
        parts = list(run.parts)
        if not parts or parts[-1] != (kind, run.attempt):
            parts.append((kind, run.attempt))
        return [Delta(part=len(parts) - 1, kind=kind, text=piece) for piece in pieces], parts

    def _ended(self, run: ModelRun, status: str) -> None:
        run.status, run.owner, run.wake_ms, run.question = status, None, None, None

    def _claimed(self, run: ModelRun) -> Claimed:
        return Claimed(run=run.ref, attempt=run.attempt, model="m", params={}, retries=0)
