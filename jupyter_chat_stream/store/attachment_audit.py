"""The audit of attachments: what messages name is there, whole, and needed.

Nothing here holds more than one piece of an attachment's bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from ..shared.json_objects import JsonView
from .chat.attachments import PIECE_BYTES
from .log.transaction import ThreadRef, execute

PAGE_ROWS = 256
Finding = tuple[str, str]  # the subject of a difference, and what is different


def verify_held(conn: Connection, thread: ThreadRef) -> Iterator[Finding]:
    """Compare the attachments that a thread's messages name with those that they hold."""
    sql = "SELECT pk, id, parts FROM message WHERE thread = :pk AND parts LIKE :like ORDER BY pk"
    named_ids: dict[int, set[str]] = {}
    ids: dict[int, str] = {}
    for pk, id_, parts in execute(conn, sql, {"pk": thread.pk, "like": "%attachment%"}):
        named_ids[pk], ids[pk] = set(_attachment_ids_of(json.loads(parts))), id_
    sql = (
        "SELECT held.message, message.id, attachment.id FROM message_attachment AS held "
        "LEFT JOIN message ON message.pk = held.message "
        "LEFT JOIN attachment ON attachment.pk = held.attachment WHERE held.thread = :pk"
    )
    for pk, id_, attachment in execute(conn, sql, {"pk": thread.pk}).fetchall():
        if attachment is None or attachment not in named_ids.get(pk, set()):
            yield f"message {id_}", f"it holds attachment {attachment}, which it does not name"
        else:
            named_ids[pk].discard(attachment)
    for pk, missing_ids in named_ids.items():
        for attachment in sorted(missing_ids):
            yield f"message {ids[pk]}", f"its attachment {attachment} is gone"


def _attachment_ids_of(parts: Sequence[JsonView]) -> Iterator[str]:
    """List the ids of the attachments of a message, and of the results of its tool calls."""
    for part in parts:
        if "attachment_id" in part:
            yield part["attachment_id"]
        yield from (record["id"] for record in part.get("attachments", ()))


def verify_attachments(conn: Connection) -> Iterator[Finding]:
    """Check every attachment's row and bytes."""
    sql = (
        "SELECT attachment.pk, attachment.id, attachment.size, attachment.expires_ms, blob.pk, "
        "blob.size, blob.sha256, EXISTS (SELECT 1 FROM message_attachment "
        "WHERE attachment = attachment.pk) FROM attachment LEFT JOIN blob "
        "ON blob.pk = attachment.blob WHERE attachment.pk > :after "
        f"ORDER BY attachment.pk LIMIT {PAGE_ROWS}"
    )
    after = 0
    while page := execute(conn, sql, {"after": after}).fetchall():
        for pk, id_, size, expires_ms, blob, blob_size, sha256, is_held in page:
            after = pk
            subject = f"attachment {id_}"
            if blob is None or sha256 is None:
                yield subject, "its bytes are gone"
            elif size != blob_size:
                yield subject, f"its size is {size}, and that of its bytes {blob_size}"
            if is_held and expires_ms is not None:
                yield subject, "a message holds it, and it would be deleted"
            elif not is_held and expires_ms is None:
                yield subject, "no message holds it, and it would never be deleted"
    yield from _verify_blobs(conn)


def _verify_blobs(conn: Connection) -> Iterator[Finding]:
    sql = (
        "SELECT pk, size, sha256, (SELECT MIN(id) FROM attachment WHERE blob = blob.pk), "
        f"expires_ms FROM blob WHERE pk > :after ORDER BY pk LIMIT {PAGE_ROWS}"
    )
    after = 0
    while page := execute(conn, sql, {"after": after}).fetchall():
        for pk, size, sha256, attachment, expires_ms in page:
            after = pk
            if sha256 is None:
                if expires_ms is None:
                    yield f"blob {pk}", "no attachment needs it, and it would never be deleted"
                continue
            subject = f"blob {pk}" if attachment is None else f"attachment {attachment}"
            if attachment is None:
                yield subject, "no attachment needs its bytes"
            damage = _damage_of(conn, pk, size, sha256)
            if damage is not None:
                yield subject, damage


def _damage_of(conn: Connection, blob: int, size: int, sha256: str) -> str | None:
    """Return what is wrong with the bytes of a blob; None if nothing is."""
    pieces = -(-size // PIECE_BYTES)
    sql = "SELECT COUNT(*), COALESCE(MAX(n), -1) FROM blob_piece WHERE blob = :blob"
    count, last_n = execute(conn, sql, {"blob": blob}).one()
    if (count, last_n) != (pieces, pieces - 1):
        return f"{count} pieces of its bytes are there, up to number {last_n}, instead of {pieces}"
    byte_count, digest = 0, hashlib.sha256()
    for n in range(pieces):
        sql = "SELECT data FROM blob_piece WHERE blob = :blob AND n = :n"
        data: Any = execute(conn, sql, {"blob": blob, "n": n}).scalar()
        byte_count += len(data)
        digest.update(data)
    if byte_count != size:
        return f"its pieces have {byte_count} bytes instead of {size}"
    return None if digest.hexdigest() == sha256 else "its bytes do not have its sha256"
