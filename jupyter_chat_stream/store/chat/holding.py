"""Messages hold attachments: a person's own, and the files of tool results.

An attachment is kept as long as a message holds it. A reply holds the files of a tool result from
the transaction that writes the result (L12). A run that continues another run also holds the
attachments of that run.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from ...shared.errors import AttachmentNotFound, AttachmentTooLarge, InvalidInput
from ...shared.events import dumps
from ..log.transaction import ThreadRef, Transaction, execute
from ..sql.driver import among, insert_rows
from .attachments import StoredAttachment, find, for_update

MAX_PER_RESULT = 20
MAX_RESULT_FILES_BYTES = 64 * 1024 * 1024  # of all files of one result together
MAX_REPLY_FILES_BYTES = 256 * 1024 * 1024  # of the files of all results of one reply together


def hold(
    tx: Transaction, thread: ThreadRef, message: int, attachments: Sequence[StoredAttachment]
) -> None:
    """Let a message hold attachments, so that they are kept as long as the message.

    The message may hold some of them already, from an earlier result in the same reply.

    Raises:
        AttachmentNotFound: an attachment was deleted meanwhile; the error names it.
    """
    keys = {"keys": dumps([attachment.pk for attachment in attachments])}
    sql = f"UPDATE attachment SET expires_ms = NULL WHERE pk {among(tx.conn)}"
    if tx.execute(sql, keys).rowcount < len(attachments):
        sql = f"SELECT id FROM attachment WHERE pk {among(tx.conn)}"
        existing_ids = set(tx.execute(sql, keys).scalars())
        ids = [attachment.record["id"] for attachment in attachments]
        raise AttachmentNotFound(next(id_ for id_ in ids if id_ not in existing_ids))
    sql = "SELECT attachment FROM message_attachment WHERE message = :message"
    held_keys = set(tx.execute(sql, {"message": message}).scalars())
    new_rows = [
        (message, attachment.pk, thread.pk)
        for attachment in attachments
        if attachment.pk not in held_keys
    ]
    if new_rows:
        insert_rows(tx.conn, "message_attachment", ("message", "attachment", "thread"), new_rows)


def hold_attachments_of(tx: Transaction, message: int, other_message: int) -> None:
    """Let a message hold the attachments of another message, whose parts it takes over."""
    sql = (
        "INSERT INTO message_attachment (message, attachment, thread) "
        "SELECT :message, attachment, thread FROM message_attachment WHERE message = :other"
    )
    tx.execute(sql, {"message": message, "other": other_message})


def find_for_result(
    conn: Connection, owner: str, attachment_ids: Sequence[str], reply: int
) -> list[StoredAttachment]:
    """Find the files of a tool result, which the executor has uploaded for the call's owner.

    Args:
        reply: the key of the message that would hold them.

    Raises:
        AttachmentNotFound: a file does not belong to the owner (L16).
        InvalidInput: there are too many files, or a file is named twice.
        AttachmentTooLarge: the files of the result, or of the whole reply, are too large.
    """
    if len(attachment_ids) > MAX_PER_RESULT or len(set(attachment_ids)) < len(attachment_ids):
        raise InvalidInput(
            f"'attachments' must name at most {MAX_PER_RESULT} attachments, each once.",
            field="attachments",
        )
    files = [find(conn, owner, attachment_id) for attachment_id in attachment_ids]
    size = sum(file.record["size"] for file in files)
    if size > MAX_RESULT_FILES_BYTES:
        raise AttachmentTooLarge(size, MAX_RESULT_FILES_BYTES)
    sql = (
        "SELECT COALESCE(SUM(attachment.size), 0) FROM message_attachment AS held "
        "JOIN attachment ON attachment.pk = held.attachment WHERE held.message = :message"
    )
    held_bytes = int(execute(conn, sql, {"message": reply}).scalar()) if files else 0
    if held_bytes + size > MAX_REPLY_FILES_BYTES:
        raise AttachmentTooLarge(held_bytes + size, MAX_REPLY_FILES_BYTES)
    return files


def release_first(tx: Transaction, thread: ThreadRef) -> int:
    """Release the attachments of the thread's first message that holds any; returns their number.

    An attachment that no other message holds expires at once.
    """
    sql = "SELECT MIN(message) FROM message_attachment WHERE thread = :thread"
    message = tx.execute(sql, {"thread": thread.pk}).scalar()
    sql = "SELECT attachment FROM message_attachment WHERE message = :message"
    keys = list(tx.execute(sql, {"message": message}).scalars())
    _lock(tx, keys)
    sql = "DELETE FROM message_attachment WHERE message = :message"
    tx.execute(sql, {"message": message})
    _expire_unheld(tx, keys)
    return len(keys)


def _lock(tx: Transaction, keys: Sequence[int]) -> None:
    """Lock these attachments against other messages until the transaction ends."""
    sql = f"SELECT pk FROM attachment WHERE pk {among(tx.conn)} ORDER BY pk{for_update(tx)}"
    tx.execute(sql, {"keys": dumps(list(keys))})


def _expire_unheld(tx: Transaction, keys: Sequence[int]) -> None:
    sql = (
        f"UPDATE attachment SET expires_ms = :now WHERE pk {among(tx.conn)} AND NOT EXISTS "
        "(SELECT 1 FROM message_attachment WHERE attachment = attachment.pk)"
    )
    tx.execute(sql, {"keys": dumps(list(keys)), "now": tx.now_ms})


def find_forgotten(conn: Connection, limit: int) -> list[int]:
    """List attachments whose messages were purged by older code, which did not release them."""
    sql = (
        "SELECT pk FROM attachment WHERE expires_ms IS NULL AND NOT EXISTS "
        "(SELECT 1 FROM message_attachment WHERE attachment = attachment.pk) LIMIT :limit"
    )
    return list(execute(conn, sql, {"limit": limit}).scalars())


def expire_forgotten(tx: Transaction, keys: Sequence[int]) -> None:
    """Let these attachments expire, except those that a message holds."""
    _lock(tx, keys)
    _expire_unheld(tx, keys)
