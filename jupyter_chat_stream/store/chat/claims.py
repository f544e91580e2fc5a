"""Claims: which runs are due, and who of all that try gets one.

``claim`` is a compare-and-set on the attempt: of all who try, one gets the run, and every write of
an attempt before it is refused from then on (L5). Whatever a claim decides, the transaction leaves
the run with a live owner, a time to wake, an open question or a predecessor (L10). Users take
turns: who has the fewest runs under way is served first.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection

from ...shared.errors import DamagedRow
from ...shared.events import ENDS, Failed, MessageWritten, StatusChanged, iso
from ...shared.fold import written
from ...shared.logs import Line
from ...shared.records import Params, Phase
from ..log.reading import read_message
from ..log.transaction import RunRef, ThreadRef, Transaction, execute
from ..sql import rows
from . import waits
from .runs import end_run

log = logging.getLogger("jupyter_chat_stream.store")

OnCrash = Literal["continue", "restart", "interrupt"]

# A run that survives this long on its last chance is no longer treated as poison.
LAST_CHANCE_S = 60.0
MOST_DUE = 1000  # of one look; the next one comes when some of them have room

_DUE = (
    "SELECT run.pk, run.id, run.thread, thread.id, run.message, message.id, run.attempt, "
    "run.status, run.owner, thread.owner, run.crashes FROM run "
    "JOIN thread ON thread.pk = run.thread JOIN message ON message.pk = run.message "
)
# Code of the first generation, still running beside this, gives no turn: so as when upgraded.
_TURN = "COALESCE({0}.turn, {0}.pk - 1000000000000)"
_HAS_PREDECESSOR = (
    "EXISTS (SELECT 1 FROM run AS earlier WHERE earlier.thread = run.thread AND "
    f"{_TURN.format('earlier')} < {_TURN.format('run')} "
    "AND earlier.ended_ms IS NULL AND earlier.deliver_ms IS NULL)"
)
_DUE_MS = "COALESCE(run.deliver_ms, run.wake_ms, run.created_ms)"


@dataclass(frozen=True, kw_only=True)
class Due:
    """A run that waits for somebody to execute it. ``attempt`` is its last one."""

    run: RunRef
    attempt: int
    status: str
    owner: str | None
    user: str
    crashes: int = 0  # counted so far; where the owner has died, without that one

    def is_last_chance(self, max_crashes: int) -> bool:
        """Return whether one crash in the next attempt fails the run as poison."""
        crashes = self.crashes + (self.owner is not None)
        return 0 < crashes == max_crashes - 1


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """What an attempt begins with.

    ``user`` is whose thread it is; ``was_lost`` says that an owner died over the attempt before.
    """

    run: RunRef
    attempt: int
    model: str
    params: Params
    retries: int
    user: str = ""
    on_crash: OnCrash = "continue"
    created_ms: int = 0
    was_lost: bool = False
    is_last_chance: bool = False  # one more crash fails it


def find_due(
    conn: Connection,
    now_ms: int,
    max_active_per_user: int | None = None,
    served: Mapping[str, int] | None = None,
    is_lost: Callable[[str], bool] | None = None,
) -> list[Due]:
    """List the runs that somebody may have to execute, in the order that is fair.

    Args:
        is_lost: says of an owner whether runs it holds may have to be taken over; asked once for
            each. None: of all owners' runs.
        served: numbers that grow with each time a user was served: of two who have equally many
            runs under way, who was served longest ago is first.
    """
    served = served or {}
    free = (
        f"{_DUE} WHERE run.ended_ms IS NULL AND run.owner IS NULL "
        "AND (run.status <> 'waiting' OR run.wake_ms <= :now) "
        f"AND (run.deliver_ms IS NOT NULL OR NOT {_HAS_PREDECESSOR}) "
        f"ORDER BY ROW_NUMBER() OVER (PARTITION BY thread.owner ORDER BY {_DUE_MS}, run.pk), "
        f"{_DUE_MS}, run.pk LIMIT {MOST_DUE}"
    )
    found = _find_lost(conn, is_lost)
    found += [_due(row) for row in execute(conn, free, {"now": now_ms})]
    active = _count_active(conn)
    placed: list[tuple[int, int, Due]] = []
    for due in found:
        place = -1  # taking a dead owner's run over makes no more of them
        if due.owner is None:
            place = active[due.user]
            active[due.user] += 1
        if max_active_per_user is None or place < max_active_per_user:
            placed.append((place, served.get(due.user, 0), due))
    placed.sort(key=lambda each: each[:2])
    return [due for *_, due in placed]


def _find_lost(conn: Connection, is_lost: Callable[[str], bool] | None) -> list[Due]:
    sql = "SELECT DISTINCT owner FROM run WHERE ended_ms IS NULL AND owner IS NOT NULL"
    owners = [owner for (owner,) in execute(conn, sql) if is_lost is None or is_lost(owner)]
    held = f"{_DUE} WHERE run.ended_ms IS NULL AND run.owner = :owner ORDER BY run.pk"
    return [_due(row) for owner in owners for row in execute(conn, held, {"owner": owner})]


def find_one(conn: Connection, run_id: str) -> Due | None:
    """Find the run that an engine's call names; None if it has ended or does not exist."""
    sql = f"{_DUE} WHERE run.id = :id AND run.ended_ms IS NULL"
    row = execute(conn, sql, {"id": run_id}).first()
    return None if row is None else _due(row)


def find_held(conn: Connection, owner: str) -> set[str]:
    """Read the ids of the runs that a process holds."""
    sql = "SELECT id FROM run WHERE owner = :owner AND ended_ms IS NULL"
    return set(execute(conn, sql, {"owner": owner}).scalars())


def next_wake(conn: Connection, after_ms: int) -> int | None:
    """Return the next time, in ms, at which a waiting run that no process holds becomes due."""
    sql = (
        "SELECT MIN(wake_ms) FROM run WHERE ended_ms IS NULL AND status = 'waiting' "
        "AND owner IS NULL AND wake_ms > :after"
    )
    value: int | None = execute(conn, sql, {"after": after_ms}).scalar()
    return value


def claim(
    tx: Transaction,
    due: Due,
    owner: str,
    *,
    max_crashes: int,
    on_crash: OnCrash,
    max_active_per_user: int | None = None,
) -> Claimed | None:
    """Take a run for the next attempt; None where another was first, it waits, or ends by it.

    A message for later whose time has come is delivered first, and its run may then have to wait
    for its turn. A question that nobody answered in time ends its run. A run whose owner died
    crashed: it is counted, and one that crashes too often is failed. Who was beside it is counted
    too, so an owner holds only one run at a time that the next crash would fail.
    """
    try:
        return _claim(tx, due, owner, max_crashes, on_crash, max_active_per_user)
    except DamagedRow as damage:  # it can never be executed: it ends, and says why
        fail_damaged(tx, due.run, due.attempt + 1, damage)
        return None


def fail_damaged(tx: Transaction, run: RunRef, attempt: int, damage: DamagedRow) -> None:
    """End a run that cannot be executed because a row is damaged."""
    log.error(Line("row.damaged", run=run.id, thread=run.thread.id))
    why = Failed(code=damage.code, message=damage.message, retryable=False)
    end_run(tx, run, "failed", attempt, (why,))


def _claim(
    tx: Transaction,
    due: Due,
    owner: str,
    max_crashes: int,
    on_crash: OnCrash,
    max_active_per_user: int | None,
) -> Claimed | None:
    row = _look(tx, due.run)
    if row is None or row["attempt"] != due.attempt or row["owner"] != due.owner:
        return None
    if row["owner"] is None and not _has_come(row, tx.now_ms):
        return None
    is_last_chance = due.is_last_chance(max_crashes)
    if is_last_chance and _holds_last_chance(tx, owner, max_crashes):
        _hold_back(tx, due, row)
        return None
    if row["deliver_ms"] is not None:
        if _is_overtaking(tx, due.run):
            return None
        waits.deliver(tx, due.run)
    waits_its_turn = f"SELECT {_HAS_PREDECESSOR} FROM run WHERE pk = :pk"
    if tx.execute(waits_its_turn, {"pk": due.run.pk}).scalar():
        return None
    if row["owner"] is None and _is_full(tx.conn, row["user"], max_active_per_user):
        return None
    policy: OnCrash = row["on_crash"] or on_crash
    claimed = replace(_claimed(due, row, policy), is_last_chance=is_last_chance)
    return claimed if _begin(tx, due, owner, row, max_crashes, policy) else None


def retry_attempt(tx: Transaction, claimed: Claimed, *, restart: bool = False) -> Claimed | None:
    """Go on with the next attempt of a run that this process holds; None where it was fenced."""
    tx.guard((claimed.run,))
    state = tx.run(claimed.run)
    if state["attempt"] != claimed.attempt or state["status"] in ENDS:
        return None
    _begin_attempt(tx, claimed.run, claimed.attempt + 1, restart=restart)
    return replace(claimed, attempt=claimed.attempt + 1, retries=claimed.retries + 1)


def put_off(
    tx: Transaction, claimed: Claimed, until_ms: int, reason: str, *, release: bool
) -> None:
    """Count a failed attempt and say when the next one comes.

    With ``release`` nobody holds the run until then, and the sweep takes it.

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


def _claimed(due: Due, row: Mapping[str, Any], on_crash: OnCrash) -> Claimed:
    return Claimed(
        run=due.run,
        attempt=due.attempt + 1,
        model=row["model"],
        params=rows.params_of(row["params"], due.run.thread.id, due.run.id),
        retries=row["retries"],
        user=row["user"],
        on_crash=on_crash,
        created_ms=row["created_ms"],
        was_lost=row["owner"] is not None,
    )


def _look(tx: Transaction, run: RunRef) -> Mapping[str, Any] | None:
    sql = (
        "SELECT attempt, status, phase, run.owner AS owner, run.model AS model, params, crashes, "
        "run.created_ms AS created_ms, "
        'retries, wake_ms, deliver_ms, thread.owner AS "user", preference.on_crash AS on_crash '
        "FROM run JOIN thread ON thread.pk = run.thread "
        "LEFT JOIN preference ON preference.owner = thread.owner "
        "WHERE run.pk = :pk AND run.ended_ms IS NULL"
    )
    found: Mapping[str, Any] | None = tx.execute(sql, {"pk": run.pk}).mappings().first()
    return found


def _holds_last_chance(tx: Transaction, owner: str, max_crashes: int) -> bool:
    """Return whether a process holds another run on its last chance, for less than 60 s so far."""
    sql = (
        "SELECT EXISTS (SELECT 1 FROM run JOIN event ON event.thread = run.thread "
        "AND event.seq = run.seq WHERE run.owner = :owner AND ended_ms IS NULL "
        "AND crashes = :crashes AND event.at_ms > :since)"
    )
    since_ms = tx.now_ms - int(LAST_CHANCE_S * 1000)
    params = {"owner": owner, "crashes": max_crashes - 1, "since": since_ms}
    return bool(tx.execute(sql, params).scalar())


def _hold_back(tx: Transaction, due: Due, row: Mapping[str, Any]) -> None:
    """Release a run of a dead owner that is to wait for its last chance (L10: it is pending)."""
    if row["owner"] is None:
        return
    tx.set_run(due.run, owner=None, crashes=row["crashes"] + 1)
    queued = StatusChanged(phase="queued", detail="work on it broke off; it waits for its turn")
    tx.append(due.run.thread, queued, run=due.run, attempt=due.attempt + 1)
    tx.settle(due.run)


def _is_overtaking(tx: Transaction, run: RunRef) -> bool:
    """Return whether another message for later in this thread was due earlier."""
    sql = (
        "SELECT EXISTS (SELECT 1 FROM run AS earlier WHERE earlier.thread = run.thread "
        "AND earlier.ended_ms IS NULL AND earlier.deliver_ms <= :now AND "
        "(earlier.deliver_ms, earlier.pk) < (run.deliver_ms, run.pk)) FROM run WHERE pk = :pk"
    )
    return bool(tx.execute(sql, {"now": tx.now_ms, "pk": run.pk}).scalar())


def _has_come(row: Mapping[str, Any], now_ms: int) -> bool:
    if row["status"] != "waiting":
        return True
    return row["wake_ms"] is not None and row["wake_ms"] <= now_ms


def _begin(
    tx: Transaction,
    due: Due,
    owner: str,
    row: Mapping[str, Any],
    max_crashes: int,
    on_crash: OnCrash,
) -> bool:
    """Begin the attempt, or end the run by it; True where it goes on."""
    attempt, crashes = due.attempt + 1, row["crashes"]
    crashed = row["owner"] is not None
    if not crashed and row["phase"] == "waiting" and row["deliver_ms"] is None:
        question = waits.open_question(tx.conn, due.run)
        if question is not None:
            end_run(tx, due.run, "failed", attempt, (waits.expired(question),))
            return False
    tx.set_run(due.run, owner=owner, crashes=crashes + crashed)
    if crashed and crashes + 1 >= max_crashes:
        why = Failed(
            code="crashed_too_often",
            message=f"Work on this answer broke off {crashes + 1} times, with its process or "
            "inside it. Look at the server's log for what ended it, then retry.",
            retryable=True,
        )
        end_run(tx, due.run, "failed", attempt, (why,))
        return False
    if crashed and on_crash == "interrupt":
        end_run(tx, due.run, "interrupted", attempt)
        return False
    was_cut = crashed or row["phase"] == "retrying"
    _begin_attempt(tx, due.run, attempt, restart=was_cut and on_crash == "restart")
    return True


def _begin_attempt(tx: Transaction, run: RunRef, attempt: int, *, restart: bool) -> None:
    tx.flush()
    message = read_message(tx.conn, run)
    has_parts = bool(message["parts"])
    # what a run took over from the one it continues is not its own to throw away
    if restart and has_parts and tx.run(run)["continues"] is None:
        emptied = written(message)
        emptied["parts"], emptied["status"], emptied["error"] = [], "processing", None
        tx.append(run.thread, MessageWritten(message=emptied), run=run, attempt=attempt)
        has_parts = False
    phase: Phase = "continuing" if has_parts else "thinking"
    tx.append(run.thread, StatusChanged(phase=phase), run=run, attempt=attempt)
    tx.settle(run)


def _count_active(conn: Connection) -> Counter[str]:
    sql = (
        "SELECT thread.owner, COUNT(*) FROM run JOIN thread ON thread.pk = run.thread "
        "WHERE run.ended_ms IS NULL AND run.owner IS NOT NULL GROUP BY thread.owner"
    )
    return Counter(dict(execute(conn, sql).fetchall()))


def _is_full(conn: Connection, user: str, most: int | None) -> bool:
    if most is None:
        return False
    if conn.dialect.name != "sqlite":  # one claim of this user at a time, wherever it is made
        # tried, not waited for: another transaction may hold it and want a lock of this one's
        sql = "SELECT pg_try_advisory_xact_lock(hashtext(:key))"
        if not execute(conn, sql, {"key": f"claim {user}"}).scalar():
            return True
    return _count_active(conn)[user] >= most


def _due(row: Any) -> Due:
    run = RunRef(
        pk=row[0],
        id=row[1],
        thread=ThreadRef(pk=row[2], id=row[3]),
        message_pk=row[4],
        message_id=row[5],
    )
    return Due(run=run, attempt=row[6], status=row[7], owner=row[8], user=row[9], crashes=row[10])
