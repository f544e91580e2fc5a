"""Claims: how one of many processes takes a due run, and how an attempt begins.

::

    due ──claim──► held ──► attempt n + 1 begins
          │                 ├─ fails, retried soon: retry_attempt, attempt n + 2
          │                 └─ fails, retried later: put_off, the run waits
          └─ ended instead: its question expired, or its processes crashed too often

A claim compares the run's attempt and holder with the values in the list of due runs, and sets
both. So only one process gets the run, and later writes of an earlier attempt are refused (L5). A
claim ends the run, or leaves it with a living holder, a time to wake, an open question or a
predecessor (L10).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from ...shared.errors import DamagedRow
from ...shared.events import ENDS, Failed, Finalized, MessageWritten, NoteAdded, StatusChanged, iso
from ...shared.fold import without_derived
from ...shared.logs import Line
from ...shared.records import MessageStatus, OnCrash, Params, Phase
from ..log import upstreams
from ..log.transaction import RunRef, Transaction, execute
from ..sql.rows import params_of
from . import waits
from .due import HAS_LOST_EXECUTOR, HAS_PREDECESSOR, Due, count_active
from .runs import end_run

log = logging.getLogger("jupyter_chat_stream.store")

# A run that survives this long on its last chance is not the cause of the crashes.
LAST_CHANCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A run that this process holds, and the values with which its attempt begins."""

    run: RunRef
    attempt: int
    model: str
    params: Params
    retries: int
    """How many attempts failed and were retried."""
    on_crash: OnCrash = "continue"
    created_ms: int = 0
    was_lost: bool = False
    """Whether the process of the last attempt has died."""
    is_last_chance: bool = False
    """Whether one more crash fails the run."""


@dataclass(frozen=True, kw_only=True)
class _OpenRow:
    """The row of a run to claim, and the owner's preference."""

    attempt: int
    status: MessageStatus
    phase: Phase | None
    holder: str | None
    model: str
    params: str
    crashes: int
    retries: int
    created_ms: int
    wake_ms: int | None
    deliver_ms: int | None
    upstream: str | None
    owner: str
    on_crash: OnCrash | None
    has_lost_executor: bool

    def is_as_listed(self, due: Due, now_ms: int) -> bool:
        """Return whether the run is still due and unclaimed."""
        if (self.attempt, self.holder) != (due.attempt, due.holder):
            return False
        if self.holder is not None or self.status != "waiting" or self.has_lost_executor:
            return True
        return self.wake_ms is not None and self.wake_ms <= now_ms


def claim(
    tx: Transaction,
    due: Due,
    holder: str,
    *,
    max_crashes: int,
    on_crash: OnCrash,
    max_active_per_user: int | None = None,
) -> Claimed | None:
    """Take a run for its next attempt.

    A message for later is delivered first, and its run may then have to wait for its turn. If a
    process dies, each of its runs counts a crash, although only one run may be the cause. Therefore
    a process holds only one run on its last chance at a time.

    Returns:
        None if another process was first, the run must wait, or the claim has ended it.
    """
    try:
        state = _read_state(tx, due.run)
        if state is None or not state.is_as_listed(due, tx.now_ms):
            return None
        is_last_chance = due.is_last_chance(max_crashes)
        if is_last_chance and _holds_last_chance(tx, holder, max_crashes):
            if state.holder is not None:
                _release_lost(tx, due, state)
            return None
        if not _has_turn(tx, due.run, state, max_active_per_user):
            return None
        claimed = Claimed(
            run=due.run,
            attempt=due.attempt + 1,
            model=state.model,
            params=params_of(state.params, due.run.thread.id, due.run.id),
            retries=state.retries,
            on_crash=state.on_crash or on_crash,
            created_ms=state.created_ms,
            was_lost=state.holder is not None,
            is_last_chance=is_last_chance,
        )
        return claimed if _begin(tx, claimed, state, holder, max_crashes) else None
    except DamagedRow as damage:  # no attempt could execute the run, so it fails with the reason
        end_run(tx, due.run, "failed", due.attempt + 1, (_report_damage(damage, due.run),))
        return None


def retry_attempt(tx: Transaction, claimed: Claimed, *, restart: bool = False) -> Claimed | None:
    """Begin the next attempt of a run that this process holds; None if it was fenced."""
    tx.guard((claimed.run,))
    state = tx.run(claimed.run)
    if state["attempt"] != claimed.attempt or state["status"] in ENDS:
        return None
    _begin_attempt(tx, claimed.run, claimed.attempt + 1, restart=restart)
    return replace(claimed, attempt=claimed.attempt + 1, retries=claimed.retries + 1)


def put_off(
    tx: Transaction, claimed: Claimed, until_ms: int, reason: str, *, release: bool
) -> None:
    """Count a failed attempt, and set the time of the next attempt.

    Args:
        release: whether to release the run until then; a sweep claims it again.

    Raises:
        StaleAttempt: another attempt or an end came first.
    """
    tx.guard((claimed.run,))
    status = StatusChanged(phase="retrying", detail=reason, until=iso(until_ms))
    tx.append_attempt(claimed.run, claimed.attempt, (status,))
    tx.set_run(claimed.run, retries=claimed.retries + 1)
    if release:
        tx.set_run(claimed.run, owner=None)
    tx.settle(claimed.run)


def leave_upstream(tx: Transaction, claimed: Claimed, note: str | None) -> None:
    """Forget an upstream that cannot be joined again, and add a note to the answer.

    Raises:
        StaleAttempt: another attempt or an end came first.
    """
    tx.guard((claimed.run,))
    notes = () if note is None else (NoteAdded(text=note),)
    tx.append_attempt(claimed.run, claimed.attempt, notes)
    upstreams.write_upstream(tx, claimed.run, None)
    tx.settle(claimed.run)


def fail_damaged(tx: Transaction, run: RunRef, attempt: int, damage: DamagedRow) -> None:
    """End a run that this attempt cannot execute because a row is damaged.

    Raises:
        StaleAttempt: another attempt or an end came first.
    """
    tx.guard((run,))
    tx.append_attempt(run, attempt, (_report_damage(damage, run), Finalized(status="failed")))


def _report_damage(damage: DamagedRow, run: RunRef) -> Failed:
    """Log the damage, and return the event with the reason of the run's failure."""
    log.error(Line("row.damaged", run=run.id, thread=run.thread.id))
    return Failed(code=damage.code, message=damage.message, retryable=False)


# ---------------------------------------------------------------- whether a run can be claimed


def _read_state(tx: Transaction, run: RunRef) -> _OpenRow | None:
    sql = (
        "SELECT run.attempt, run.status, run.phase, run.owner AS holder, run.model, run.params, "
        "run.crashes, run.retries, run.created_ms, run.wake_ms, run.deliver_ms, run.upstream, "
        f"thread.owner, preference.on_crash, {HAS_LOST_EXECUTOR} AS has_lost_executor "
        "FROM run JOIN thread ON thread.pk = run.thread "
        "LEFT JOIN preference ON preference.owner = thread.owner "
        "WHERE run.pk = :pk AND run.ended_ms IS NULL"
    )
    row = tx.execute(sql, {"pk": run.pk, "now": tx.now_ms}).mappings().first()
    return None if row is None else _OpenRow(**row)


def _has_turn(tx: Transaction, run: RunRef, state: _OpenRow, max_active: int | None) -> bool:
    """Return whether the thread's queue and the owner's limit let the run begin.

    A message for later whose time has come enters the queue here.
    """
    if state.deliver_ms is not None:
        if _is_overtaking(tx, run):
            return False
        waits.deliver(tx, run)
    has_predecessor = f"SELECT {HAS_PREDECESSOR} FROM run WHERE pk = :pk"
    if tx.execute(has_predecessor, {"pk": run.pk}).scalar():
        return False
    return state.holder is not None or not _is_full(tx.conn, state.owner, max_active)


def _is_overtaking(tx: Transaction, run: RunRef) -> bool:
    """Return whether another message for later in this thread was due earlier."""
    sql = (
        "SELECT EXISTS (SELECT 1 FROM run AS earlier WHERE earlier.thread = run.thread "
        "AND earlier.ended_ms IS NULL AND earlier.deliver_ms <= :now AND "
        "(earlier.deliver_ms, earlier.pk) < (run.deliver_ms, run.pk)) FROM run WHERE pk = :pk"
    )
    return bool(tx.execute(sql, {"now": tx.now_ms, "pk": run.pk}).scalar())


def _is_full(conn: Connection, owner: str, max_active: int | None) -> bool:
    """Return whether an owner has as many active runs as are allowed."""
    if max_active is None:
        return False
    if conn.dialect.name != "sqlite":
        # One claim for an owner at a time, in all processes. This transaction does not wait for the
        # lock, because the lock's holder may be waiting for a lock of this transaction.
        sql = "SELECT pg_try_advisory_xact_lock(hashtext(:key))"
        if not execute(conn, sql, {"key": f"claim {owner}"}).scalar():
            return True
    return count_active(conn)[owner] >= max_active


def _holds_last_chance(tx: Transaction, holder: str, max_crashes: int) -> bool:
    """Return whether a process has held a run on its last chance for less than LAST_CHANCE_S."""
    sql = (
        "SELECT EXISTS (SELECT 1 FROM run JOIN event ON event.thread = run.thread "
        "AND event.seq = run.seq WHERE run.owner = :holder AND ended_ms IS NULL "
        "AND crashes = :crashes AND event.at_ms > :since)"
    )
    since_ms = tx.now_ms - int(LAST_CHANCE_S * 1000)
    params = {"holder": holder, "crashes": max_crashes - 1, "since": since_ms}
    return bool(tx.execute(sql, params).scalar())


def _release_lost(tx: Transaction, due: Due, state: _OpenRow) -> None:
    """Take a run from its dead process, and leave it to another process (L10)."""
    tx.set_run(due.run, owner=None, crashes=state.crashes + 1)
    status = StatusChanged(phase="queued", detail="work on it broke off; it waits for its turn")
    tx.append(due.run.thread, status, run=due.run, attempt=due.attempt + 1)
    tx.settle(due.run)


# ---------------------------------------------------------------- how an attempt begins


def _begin(
    tx: Transaction, claimed: Claimed, state: _OpenRow, holder: str, max_crashes: int
) -> bool:
    """Begin the attempt, or end the run. Returns whether the attempt has begun."""
    run, attempt, was_lost = claimed.run, claimed.attempt, claimed.was_lost
    if not was_lost and state.phase == "waiting" and state.deliver_ms is None:
        question = waits.open_question(tx.conn, run)
        if question is not None:
            end_run(tx, run, "failed", attempt, (waits.expiry_failure(question),))
            return False
    crashes = state.crashes + was_lost
    tx.set_run(run, owner=holder, crashes=crashes)
    if was_lost and crashes >= max_crashes:
        end_run(tx, run, "failed", attempt, (_crashed_too_often(crashes),))
        return False
    is_joined = state.upstream is not None  # the upstream continues, so nothing is lost (L15)
    if was_lost and claimed.on_crash == "interrupt" and not is_joined:
        end_run(tx, run, "interrupted", attempt)
        return False
    was_cut = was_lost or state.phase == "retrying"
    restart = was_cut and claimed.on_crash == "restart" and not is_joined
    _begin_attempt(tx, run, attempt, restart=restart)
    return True


def _begin_attempt(tx: Transaction, run: RunRef, attempt: int, *, restart: bool) -> None:
    message = tx.reply(run)
    has_parts = bool(message["parts"])
    # A run that continues another run keeps the other run's parts. A run keeps its tool calls,
    # because they may have changed something and are not repeated (L14).
    has_calls = any("where" in part for part in message["parts"])
    if restart and has_parts and not has_calls and tx.run(run)["continues"] is None:
        empty_reply = without_derived(message)
        empty_reply["parts"], empty_reply["status"], empty_reply["error"] = [], "processing", None
        upstreams.forget(tx, run)
        tx.append(run.thread, MessageWritten(message=empty_reply), run=run, attempt=attempt)
        has_parts = False
    phase: Phase = "continuing" if has_parts else "thinking"
    tx.append(run.thread, StatusChanged(phase=phase), run=run, attempt=attempt)
    tx.settle(run)


def _crashed_too_often(crashes: int) -> Failed:
    return Failed(
        code="crashed_too_often",
        message=f"Work on this answer broke off {crashes} times, with its process or "
        "inside it. Look at the server's log for what ended it, then retry.",
        retryable=True,
    )
