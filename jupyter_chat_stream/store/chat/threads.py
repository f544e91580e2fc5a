"""Reads threads, and changes them as steps of commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from sqlalchemy import Connection, insert, select

from ...shared.errors import Conflict, InvalidInput, MessageNotFound, ThreadNotFound
from ...shared.events import ThreadChanged
from ...shared.records import PreferencesChange, PreferencesRecord, ThreadChange, ThreadRecord
from ..log.reading import read_thread, shown_thread
from ..log.transaction import ThreadRef, Transaction, execute
from ..sql import rows
from ..sql.tables import PreferenceRow, ThreadRow, table

_ID = re.compile(r"[0-9a-z]{22}")  # the form of the ids that store.new_id makes


def is_id(text: str) -> bool:
    """Return whether a text has the form of our ids; its row may be deleted."""
    return _ID.fullmatch(text) is not None


def find_thread(conn: Connection, owner: str, thread_id: str) -> ThreadRef:
    """Find a thread that the owner may see.

    Raises:
        ThreadNotFound: the thread does not exist, was deleted, or belongs to another owner.
    """
    sql = "SELECT pk FROM thread WHERE id = :id AND owner = :owner AND NOT deleted"
    pk = execute(conn, sql, {"id": thread_id, "owner": owner}).scalar()
    if pk is None:
        raise ThreadNotFound(thread_id)
    return ThreadRef(pk=pk, id=thread_id)


def find_record(conn: Connection, owner: str, thread_id: str) -> tuple[ThreadRef, ThreadRecord]:
    """Find a thread like ``find_thread``, and read its fields in the same statement."""
    sql = (
        f"SELECT pk, {rows.THREAD_COLUMNS} FROM thread "
        "WHERE id = :id AND owner = :owner AND NOT deleted"
    )
    row = execute(conn, sql, {"id": thread_id, "owner": owner}).mappings().first()
    if row is None:
        raise ThreadNotFound(thread_id)
    return ThreadRef(pk=row["pk"], id=thread_id), shown_thread(row)


def find_by_name(conn: Connection, owner: str, project: str, name: str) -> ThreadRef | None:
    """Find a thread by its name, which is unique for an owner and project."""
    sql = "SELECT pk, id FROM thread WHERE owner = :owner AND project = :project AND name = :name"
    row = execute(conn, sql, {"owner": owner, "project": project, "name": name}).first()
    return None if row is None else ThreadRef(pk=row[0], id=row[1])


def create_thread(
    tx: Transaction,
    *,
    owner: str,
    project: str,
    name: str | None,
    title: str | None,
    model: str,
    system: str | None,
    project_others: Sequence[str] = (),
) -> tuple[ThreadRecord, bool]:
    """Find the thread with that name, or create it; True if it was created.

    Args:
        project_others: other spellings of the project; a thread found under one is moved.
    """
    if name is not None:
        thread = find_by_name(tx.conn, owner, project, name)
        if thread is None:
            thread = _move_here(tx, owner, name, project, project_others)
        if thread is not None:
            return read_thread(tx.conn, thread), False
    wire: ThreadRecord = {
        "id": tx.new_id(),
        "name": name,
        "title": title,
        "owner": owner,
        "project": project,
        "model": model,
        "system": system,
        "head": None,
        "archived": False,
        "deleted": False,
        "created_at": tx.at,
        "updated_at": tx.at,
    }
    columns = {k: v for k, v in wire.items() if k not in ("created_at", "updated_at")}
    times = {"created_ms": tx.now_ms, "updated_ms": tx.now_ms}
    pk = tx.insert(ThreadRow, {**columns, **times})
    tx.append(ThreadRef(pk=pk, id=wire["id"]), ThreadChanged(thread=cast(ThreadChange, wire)))
    return wire, True


def _move_here(
    tx: Transaction, owner: str, name: str, project: str, spellings: Sequence[str]
) -> ThreadRef | None:
    """Move a thread with that name from another spelling of the project; None if there is none."""
    for spelling in spellings:
        thread = find_by_name(tx.conn, owner, spelling, name)
        if thread is not None:
            tx.append(thread, ThreadChanged(thread={"project": project}))
            tx.flush()
            return thread
    return None


def change_thread(
    tx: Transaction, owner: str, thread_id: str, changes: ThreadChange
) -> ThreadRecord:
    """Change fields of a thread; an unchanged value writes nothing.

    Raises:
        ThreadNotFound, MessageNotFound: ``head`` is not a message of this thread.
        InvalidInput: ``head`` is a message that was not delivered.
        Conflict: another thread has that name.
    """
    thread, record = find_record(tx.conn, owner, thread_id)
    new_values = {name: value for name, value in changes.items() if record.get(name) != value}
    new_fields = cast(ThreadChange, new_values)
    if not new_fields:
        return record
    head, name = new_fields.get("head"), new_fields.get("name")
    if head is not None:
        check_place(tx.conn, thread, head, "head")
    if name is not None and find_by_name(tx.conn, owner, record["project"], name):
        raise Conflict(f"Another thread of yours is named {name!r}.", name=name)
    tx.append(thread, ThreadChanged(thread=new_fields))
    record.update(cast(ThreadRecord, {**new_fields, "updated_at": tx.at}))
    return record


def mark_deleted(tx: Transaction, thread: ThreadRef) -> None:
    """Mark a thread deleted, free its name and delete its schedules. Retention deletes its rows."""
    tx.execute("DELETE FROM schedule WHERE thread = :pk", {"pk": thread.pk})
    tx.append(thread, ThreadChanged(thread={"deleted": True, "name": None}))


def find_message(conn: Connection, thread: ThreadRef, message_id: str) -> int:
    """Find the key of a message of this thread; raises MessageNotFound for any other."""
    sql = "SELECT pk FROM message WHERE id = :id AND thread = :thread"
    pk: int | None = execute(conn, sql, {"id": message_id, "thread": thread.pk}).scalar()
    if pk is None:
        raise MessageNotFound(message_id)
    return pk


def check_place(conn: Connection, thread: ThreadRef, message_id: str, field: str) -> None:
    """Check that a message was delivered, so that it may be a parent or the head.

    A message for later gets the head as its parent when it is delivered. If that head were below
    the message itself, the branch would be a cycle.

    Raises:
        MessageNotFound: the message is not in this thread.
        InvalidInput: the message, or the message that it answers, was not delivered.
    """
    find_message(conn, thread, message_id)
    sql = (
        "SELECT 1 FROM message LEFT JOIN message AS asked ON asked.id = message.parent_id "
        "WHERE message.id = :id AND ("
        "message.role = 'user' AND message.status IN ('waiting', 'cancelled') OR "
        "asked.role = 'user' AND asked.status IN ('waiting', 'cancelled'))"
    )
    if execute(conn, sql, {"id": message_id}).scalar() is not None:
        raise InvalidInput(
            f"'{field}' names message {message_id!r}, which is a message for later that is not "
            "delivered, or the reply to one. Choose another message, or wait for its time. If it "
            "was stopped, retry it.",
            field=field,
        )


def read_preferences(conn: Connection, owner: str) -> PreferencesRecord:
    preference_table = table(PreferenceRow)
    row = (
        conn.execute(select(preference_table).where(preference_table.c.owner == owner))
        .mappings()
        .first()
    )
    return {
        "owner": owner,
        "default_model": row["default_model"] if row else None,
        "system": row["system"] if row else None,
        "on_crash": row["on_crash"] if row else None,
    }


def write_preferences(tx: Transaction, owner: str, changes: PreferencesChange) -> PreferencesRecord:
    preference_table = table(PreferenceRow)
    preferences: PreferencesRecord = {**read_preferences(tx.conn, owner), **changes}
    tx.conn.execute(preference_table.delete().where(preference_table.c.owner == owner))
    tx.conn.execute(insert(preference_table), dict(preferences))
    return preferences
