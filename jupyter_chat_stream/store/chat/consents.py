"""Standing consents: a person allows later calls of a tool without a question (L13).

A consent covers one operation of one tool for one person, in one thread or in all threads of that
person. It covers only the definition that the person saw: a changed definition has another digest,
and needs a new question.
"""

from __future__ import annotations

from sqlalchemy import Connection

from ...shared.errors import ConsentNotFound
from ...shared.events import iso
from ...shared.tool_records import AllowedBy, ConsentRecord
from ..log.transaction import ThreadRef, Transaction, execute
from ..sql.tool_tables import ConsentRow
from . import threads

_SELECT = (
    "SELECT consent.id, tool, operation, thread.id AS thread_id, consent.at_ms FROM consent "
    "LEFT JOIN thread ON thread.pk = consent.thread WHERE consent.owner = :owner "
)
_SAME = "owner = :owner AND tool = :tool AND operation = :operation"
_IN_THREAD = "thread = :thread"
_EVERYWHERE = "thread IS NULL"


def list_consents(conn: Connection, owner: str) -> list[ConsentRecord]:
    """List a person's standing consents, newest first."""
    rows = execute(conn, _SELECT + "ORDER BY consent.pk DESC", {"owner": owner}).mappings()
    return [
        {
            "id": row["id"],
            "tool": row["tool"],
            "operation": row["operation"] or None,
            "thread_id": row["thread_id"],
            "at": iso(row["at_ms"]),
        }
        for row in rows
    ]


def put_consent(
    tx: Transaction, owner: str, *, tool: str, operation: str, digest: str, thread_id: str | None
) -> ConsentRecord:
    """Write a standing consent, and replace one for the same operation, with any definition.

    Raises:
        ThreadNotFound
    """
    thread = None if thread_id is None else threads.find_thread(tx.conn, owner, thread_id)
    add_consent(tx, owner, tool=tool, operation=operation, digest=digest, thread=thread)
    return list_consents(tx.conn, owner)[0]


def add_consent(
    tx: Transaction, owner: str, *, tool: str, operation: str, digest: str, thread: ThreadRef | None
) -> None:
    """Write a standing consent in the transaction that allows a call."""
    keys = {"owner": owner, "tool": tool, "operation": operation}
    if thread is None:
        tx.execute(f"DELETE FROM consent WHERE {_SAME} AND {_EVERYWHERE}", keys)
    else:
        tx.execute(
            f"DELETE FROM consent WHERE {_SAME} AND {_IN_THREAD}", {**keys, "thread": thread.pk}
        )
    columns = {
        **keys,
        "id": tx.new_id(),
        "digest": digest,
        "thread": None if thread is None else thread.pk,
        "at_ms": tx.now_ms,
    }
    tx.insert(ConsentRow, columns)


def delete_consent(tx: Transaction, owner: str, consent_id: str) -> None:
    """Revoke a standing consent. Calls that it has allowed stay allowed.

    Raises:
        ConsentNotFound: the consent does not exist, or belongs to another person.
    """
    sql = "DELETE FROM consent WHERE id = :id AND owner = :owner"
    if tx.execute(sql, {"id": consent_id, "owner": owner}).rowcount == 0:
        raise ConsentNotFound(consent_id)


def find_consent(
    conn: Connection, owner: str, thread: ThreadRef, *, tool: str, operation: str, digest: str
) -> AllowedBy | None:
    """Return which of a person's standing consents covers a call; None if there is none."""
    sql = (
        f"SELECT thread FROM consent WHERE {_SAME} AND digest = :digest "
        f"AND ({_EVERYWHERE} OR {_IN_THREAD}) ORDER BY thread IS NULL DESC LIMIT 1"
    )
    params = {
        "owner": owner,
        "tool": tool,
        "operation": operation,
        "digest": digest,
        "thread": thread.pk,
    }
    row = execute(conn, sql, params).first()
    if row is None:
        return None
    return "always" if row[0] is None else "thread"
