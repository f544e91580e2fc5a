"""Queued messages: before its run begins, a message can be withdrawn or get another text.

A run begins with its first attempt. The claim of that attempt and both commands lock the thread. So
either the claim comes first and the command is refused, or the run begins with the command's
result. A withdrawn message becomes ``cancelled``, like a stopped message for later: it is on no
branch, and a retry of its run sends it again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...shared.errors import RunBegun
from ...shared.events import ENDS, MessageWritten, ThreadChanged, clean_text
from ...shared.fold import whole_message, without_derived
from ...shared.records import MessageRecord, Part, RunRecord
from ..log import reading
from ..log.builds import BESIDE_QUEUE
from ..log.transaction import RunRef, ThreadRef, Transaction, update_row
from ..sql import rows
from . import runs, threads
from .commands import check_content
from .waits import JOINS_HEAD


def withdraw(tx: Transaction, owner: str, run_id: str) -> RunRecord:
    """Cancel a run that has not begun, and take its message off its branch.

    Messages that follow the withdrawn message or its reply then follow the message before these. If
    the run answers an older message again, that message stays, and its newest other reply replaces
    the withdrawn reply.

    Raises:
        RunNotFound
        RunBegun
    """
    run = _find_unbegun(tx, owner, run_id)
    reply = tx.reply(run)
    sibling = _newest_sibling(tx, run.thread, reply)
    place = sibling
    left = [reply["id"]]  # the messages that leave their branch
    if sibling is None and reply["parent_id"] is not None:
        asked = reading.read_message_by_id(tx.conn, run.thread, reply["parent_id"])
        place = asked["parent_id"]
        if asked["status"] == "completed":
            _rewrite(tx, run.thread, {**asked, "status": "cancelled"})
            _join_head_if_retried(tx, run)
            left.append(asked["id"])
    for follower in _followers(tx, run.thread, left):
        _rewrite(tx, run.thread, {**follower, "parent_id": place})
    tx.flush()
    if threads.read_thread(tx.conn, run.thread)["head"] in left:
        tx.append(run.thread, ThreadChanged(thread={"head": place}))
    runs.cancel(tx, run)
    return tx.run(run).copy()


def rewrite(tx: Transaction, owner: str, run_id: str, content: str) -> MessageRecord:
    """Replace the text of the message that a run will answer, and keep attachments and place.

    Raises:
        RunNotFound, ContentTooLarge
        InvalidInput: the message would be empty.
        RunBegun: the run has begun, or the message has another answer.
    """
    run = _find_unbegun(tx, owner, run_id)
    reply = tx.reply(run)
    if reply["parent_id"] is None or _newest_sibling(tx, run.thread, reply) is not None:
        raise RunBegun(run.id)
    asked = reading.read_message_by_id(tx.conn, run.thread, reply["parent_id"])
    kept: list[Part] = [part for part in asked["parts"] if part["kind"] == "attachment"]
    check_content(content, may_be_empty=any("attachment_id" in part for part in kept))
    if content.strip():
        kept.append({"kind": "text", "text": clean_text(content)})
    return _rewrite(tx, run.thread, {**asked, "parts": kept})


def _find_unbegun(tx: Transaction, owner: str, run_id: str) -> RunRef:
    run = runs.find_run(tx.conn, owner, run_id)
    state = tx.run(run)
    turn = tx.execute("SELECT turn FROM run WHERE pk = :pk", {"pk": run.pk}).scalar()
    is_build = (turn or 0) >= BESIDE_QUEUE  # a build answers no message of a person
    if state["attempt"] > 0 or state["status"] in ENDS or is_build:
        raise RunBegun(run_id)
    return run


def _newest_sibling(tx: Transaction, thread: ThreadRef, reply: MessageRecord) -> str | None:
    """Return the id of the newest other reply to the same message."""
    sql = (
        "SELECT id FROM message WHERE thread = :thread AND parent_id = :asked AND id <> :id "
        "AND role = 'assistant' ORDER BY pk DESC LIMIT 1"
    )
    where = {"thread": thread.pk, "asked": reply["parent_id"], "id": reply["id"]}
    found: str | None = tx.execute(sql, where).scalar()
    return found


def _followers(tx: Transaction, thread: ThreadRef, left: Sequence[str]) -> list[MessageRecord]:
    """Read the messages that follow one of these messages, without these messages."""
    sql = "SELECT id FROM message WHERE thread = :thread AND parent_id = :id ORDER BY pk"
    found = [tx.execute(sql, {"thread": thread.pk, "id": id_}).scalars().all() for id_ in left]
    ids = [id_ for each in found for id_ in each if id_ not in left]
    return [reading.read_message_by_id(tx.conn, thread, id_) for id_ in ids]


def _join_head_if_retried(tx: Transaction, run: RunRef) -> None:
    """Note that a retry delivers the withdrawn message after the head of the retry's time."""
    text = tx.execute("SELECT params FROM run WHERE pk = :pk", {"pk": run.pk}).scalar()
    params = rows.params_of(text, run.thread.id, run.id)
    tx.set_run(run, params=rows.dump({**params, JOINS_HEAD: True}))


def _rewrite(tx: Transaction, thread: ThreadRef, message: MessageRecord) -> MessageRecord:
    """Append an event that replaces a person's message, and fold it into the message's row."""
    whole = without_derived(message)
    event = tx.append(thread, MessageWritten(message=whole))
    columns = {**rows.message_columns(whole, event.seq), "parent_id": whole["parent_id"]}
    update_row(tx.conn, "message", threads.find_message(tx.conn, thread, whole["id"]), columns)
    return whole_message(whole, event.seq)
