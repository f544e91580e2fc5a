"""Queued messages: before its run begins, a message can be withdrawn or get another text.

A run begins with its first attempt. The claim of that attempt and both commands lock the thread. So
either the claim comes first and the command is refused, or the run begins with the command's
result. A withdrawn message becomes ``cancelled``, like a stopped message for later: it is on no
branch, and a retry of its run sends it again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...shared.errors import RunBegun
from ...shared.events import ENDS, ThreadChanged, clean_text
from ...shared.records import MessageRecord, Part, RunRecord
from ..log import reading
from ..log.builds import BESIDE_QUEUE
from ..log.transaction import RunRef, ThreadRef, Transaction
from ..sql import rows
from . import runs
from .commands import check_content
from .waits import JOINS_HEAD, write_message


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
    leaving_ids = [reply["id"]]  # the messages that leave their branch
    if sibling is None and reply["parent_id"] is not None:
        message = reading.read_message_by_id(tx.conn, run.thread, reply["parent_id"])
        place = message["parent_id"]
        if message["status"] == "completed":
            write_message(tx, run.thread, {**message, "status": "cancelled"})
            _join_head_if_retried(tx, run)
            leaving_ids.append(message["id"])
    for follower in _followers(tx, run.thread, leaving_ids):
        write_message(tx, run.thread, {**follower, "parent_id": place})
    tx.flush()
    if reading.read_thread(tx.conn, run.thread)["head"] in leaving_ids:
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
    message = reading.read_message_by_id(tx.conn, run.thread, reply["parent_id"])
    parts: list[Part] = [part for part in message["parts"] if part["kind"] == "attachment"]
    check_content(content, may_be_empty=any("attachment_id" in part for part in parts))
    if content.strip():
        parts.append({"kind": "text", "text": clean_text(content)})
    write_message(tx, run.thread, {**message, "parts": parts})
    return reading.read_message_by_id(tx.conn, run.thread, message["id"])


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
    params = {"thread": thread.pk, "asked": reply["parent_id"], "id": reply["id"]}
    sibling_id: str | None = tx.execute(sql, params).scalar()
    return sibling_id


def _followers(
    tx: Transaction, thread: ThreadRef, leaving_ids: Sequence[str]
) -> list[MessageRecord]:
    """Read the messages that follow one of these messages, without these messages."""
    sql = "SELECT id FROM message WHERE thread = :thread AND parent_id = :id ORDER BY pk"
    id_lists = [
        tx.execute(sql, {"thread": thread.pk, "id": id_}).scalars().all() for id_ in leaving_ids
    ]
    ids = [id_ for child_ids in id_lists for id_ in child_ids if id_ not in leaving_ids]
    return [reading.read_message_by_id(tx.conn, thread, id_) for id_ in ids]


def _join_head_if_retried(tx: Transaction, run: RunRef) -> None:
    """Note that a retry delivers the withdrawn message after the head of the retry's time."""
    text = tx.execute("SELECT params FROM run WHERE pk = :pk", {"pk": run.pk}).scalar()
    params = rows.params_of(text, run.thread.id, run.id)
    tx.set_run(run, params=rows.dump({**params, JOINS_HEAD: True}))
