"""Attachments: bytes that are uploaded in pieces, stored once, and held by messages.

::

    begin ─► add, add, … ─► finish ─► unsent ──a message holds it──► held
      │                       │          │                            │ its last message is purged
      └─ an hour without one ─┘          └─ a day ─► deleted ◄────────┘

Each function is one short transaction, so an upload delays a commit by at most one piece. The bytes
are stored as a *blob*. The blob of an upload has no hash. ``finish`` sets the hash, or uses the
stored blob with the same hash. A blob that no attachment needs loses its hash, so that no later
upload finds it, and ``drop_piece`` deletes it piece by piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection

from ...shared.errors import AttachmentInUse, AttachmentNotFound, TooMuchUnsent, UploadLost
from ...shared.records import AttachmentRecord
from ..log.transaction import ThreadRef, Transaction, execute
from ..sql.tables import AttachmentRow, BlobPieceRow, BlobRow

PIECE_BYTES = 256 * 1024  # Writing one piece takes the writer 1 ms.
HOUR_MS = 60 * 60 * 1000
UPLOAD_EXPIRES_MS = HOUR_MS  # after the last piece
UNSENT_EXPIRES_MS = 24 * HOUR_MS  # after the upload
MAX_PER_MESSAGE = 20

Expiring = Literal["attachment", "blob"]
ExpiryPlace = tuple[int, int]  # a place in the order of expiry: the time, and the key
BEGINNING: ExpiryPlace = (-1, -1)


@dataclass(frozen=True, kw_only=True)
class UploadRef:
    """An upload that has begun: the key of its blob, and its own random id.

    Only the id proves that the blob still belongs to this upload, because keys are used again.
    """

    blob: int
    id: str


@dataclass(frozen=True, kw_only=True)
class StoredAttachment:
    """An attachment, its owner and the key of its bytes."""

    pk: int
    owner: str
    blob: int
    record: AttachmentRecord


_COLUMNS = (
    "attachment.pk, attachment.owner, attachment.blob, attachment.id, attachment.name, "
    "attachment.type, attachment.size, blob.sha256 "
    "FROM attachment JOIN blob ON blob.pk = attachment.blob"
)


def _stored_attachment(row: Sequence[Any]) -> StoredAttachment:
    pk, owner, blob, id_, name, type_, size, sha256 = row
    record: AttachmentRecord = {
        "id": id_,
        "name": name,
        "type": type_,
        "size": size,
        "sha256": sha256,
    }
    return StoredAttachment(pk=pk, owner=owner, blob=blob, record=record)


# ---------------------------------------------------------------------- uploading

_IS_UPLOAD = "pk = :blob AND upload = :id"
_END_UPLOAD = "owner = NULL, upload = NULL"


def begin(tx: Transaction, owner: str, *, size: int, limit: int) -> UploadRef:
    """Begin an upload.

    The bound is soft on Postgres: uploads that begin in the same moment do not see each other.

    Args:
        size: the most bytes of the upload, which count as unsent until its end.
        limit: the most unsent bytes of the owner, including this upload.

    Raises:
        TooMuchUnsent
    """
    size_sum = unsent_bytes(tx.conn, owner)
    if size_sum + size > limit:
        raise TooMuchUnsent(size_sum, limit)
    expires_ms = tx.now_ms + UPLOAD_EXPIRES_MS
    id_ = tx.new_id()
    columns = {"size": size, "owner": owner, "upload": id_, "expires_ms": expires_ms}
    return UploadRef(blob=tx.insert(BlobRow, columns), id=id_)


def unsent_bytes(conn: Connection, owner: str) -> int:
    """Sum the bytes of an owner's uploads that no message holds.

    Bytes that a message of the same owner holds do not count, because they take no space twice: a
    cell that runs again uploads its files again, but under a key sends no second message. Bytes
    that only other owners hold count; otherwise the sum would reveal that they exist.
    """
    sql = (
        "SELECT COALESCE((SELECT SUM(size) FROM attachment AS unsent WHERE owner = :owner "
        "AND expires_ms IS NOT NULL AND NOT EXISTS (SELECT 1 FROM attachment AS held "
        "WHERE held.blob = unsent.blob AND held.owner = :owner AND held.expires_ms IS NULL)), 0) "
        "+ COALESCE((SELECT SUM(size) FROM blob "
        "WHERE owner = :owner AND expires_ms IS NOT NULL), 0)"
    )
    return int(execute(conn, sql, {"owner": owner}).scalar())


def add(tx: Transaction, upload: UploadRef, n: int, data: bytes) -> None:
    """Write the next piece of an upload.

    Raises:
        UploadLost: the upload has expired.
    """
    sql = f"UPDATE blob SET expires_ms = :expires WHERE {_IS_UPLOAD}"
    params = {"expires": tx.now_ms + UPLOAD_EXPIRES_MS, **vars(upload)}
    if not tx.execute(sql, params).rowcount:
        raise UploadLost
    tx.insert(BlobPieceRow, {"blob": upload.blob, "n": n, "data": data})


def finish(
    tx: Transaction, upload: UploadRef, owner: str, *, name: str, type_: str, size: int, sha256: str
) -> StoredAttachment:
    """Make the attachment of a complete upload; it is unsent until a message holds it.

    If the same bytes are stored already, the attachment uses them, and the caller must drop the
    upload's own bytes (``drop_piece``).

    Raises:
        UploadLost: the upload has expired.
    """
    # The row's lock prevents a concurrent cleanup on Postgres from dropping these bytes.
    sql = "SELECT pk FROM blob WHERE sha256 = :sha256 AND size = :size" + for_update(tx)
    same_blob = tx.execute(sql, {"sha256": sha256, "size": size}).scalar()
    if same_blob is None:
        changes = f"sha256 = :sha256, size = :size, expires_ms = NULL, {_END_UPLOAD}"
    else:
        changes = f"expires_ms = :now, {_END_UPLOAD}"
    sql = f"UPDATE blob SET {changes} WHERE {_IS_UPLOAD}"
    params = {"sha256": sha256, "size": size, "now": tx.now_ms, **vars(upload)}
    if not tx.execute(sql, params).rowcount:
        raise UploadLost
    blob = upload.blob if same_blob is None else int(same_blob)
    columns = {
        "id": tx.new_id(),
        "owner": owner,
        "blob": blob,
        "name": name,
        "type": type_,
        "size": size,
        "created_ms": tx.now_ms,
        "expires_ms": tx.now_ms + UNSENT_EXPIRES_MS,
    }
    pk = tx.insert(AttachmentRow, columns)
    return _stored_attachment((pk, owner, blob, columns["id"], name, type_, size, sha256))


def abandon(tx: Transaction, upload: UploadRef) -> None:
    """End an upload. The caller must drop its pieces."""
    sql = f"UPDATE blob SET expires_ms = :now, {_END_UPLOAD} WHERE {_IS_UPLOAD}"
    tx.execute(sql, {"now": tx.now_ms, **vars(upload)})


def give_up(tx: Transaction, blob: int, until_ms: int) -> None:
    """End an upload that has expired, so that its pieces can be dropped."""
    sql = f"UPDATE blob SET {_END_UPLOAD} WHERE pk = :pk AND expires_ms <= :until"
    tx.execute(sql, {"pk": blob, "until": until_ms})


def drop_piece(tx: Transaction, blob: int) -> bool:
    """Delete one piece of a blob without a hash, or the blob's row. Returns whether it existed."""
    params = {"pk": blob}
    blob_sql = "SELECT pk FROM blob WHERE pk = :pk AND sha256 IS NULL AND owner IS NULL"
    sql = (
        f"DELETE FROM blob_piece WHERE blob = ({blob_sql}) "
        "AND n = (SELECT MAX(n) FROM blob_piece WHERE blob = :pk)"
    )
    if tx.execute(sql, params).rowcount:
        return True
    tx.execute(f"DELETE FROM blob WHERE pk = ({blob_sql})", params)
    return False


# ---------------------------------------------------------------------- reading


def find(conn: Connection, owner: str, attachment_id: str) -> StoredAttachment:
    """Find an attachment that the owner has uploaded; raises AttachmentNotFound for any other."""
    sql = f"SELECT {_COLUMNS} WHERE attachment.id = :id AND attachment.owner = :owner"
    row = execute(conn, sql, {"id": attachment_id, "owner": owner}).first()
    if row is None:
        raise AttachmentNotFound(attachment_id)
    return _stored_attachment(row)


def read_piece(conn: Connection, attachment: StoredAttachment, n: int) -> bytes:
    """Read one piece of an attachment's bytes.

    The attachment is looked up each time, because after its deletion another upload may get its
    keys.

    Raises:
        AttachmentNotFound: the attachment was deleted since it was found.
    """
    sql = (
        "SELECT blob_piece.data FROM attachment JOIN blob_piece ON blob_piece.blob = "
        "attachment.blob WHERE attachment.pk = :pk AND attachment.id = :id "
        "AND attachment.owner = :owner AND blob_piece.n = :n"
    )
    params = {"pk": attachment.pk, "id": attachment.record["id"], "owner": attachment.owner, "n": n}
    data = execute(conn, sql, params).scalar()
    if data is None:
        raise AttachmentNotFound(attachment.record["id"])
    return bytes(data)


def read_content(conn: Connection, owner: str, attachment_id: str) -> bytes:
    """Read all bytes of an attachment; raises AttachmentNotFound."""
    return _content(conn, find(conn, owner, attachment_id))


def read_held(conn: Connection, thread: ThreadRef, attachment_id: str) -> bytes | None:
    """Read all bytes of an attachment that a message of the thread holds; None for any other."""
    sql = (
        f"SELECT {_COLUMNS} JOIN message_attachment AS held ON held.attachment = attachment.pk "
        "WHERE attachment.id = :id AND held.thread = :thread LIMIT 1"
    )
    row = execute(conn, sql, {"id": attachment_id, "thread": thread.pk}).first()
    try:
        return None if row is None else _content(conn, _stored_attachment(row))
    except AttachmentNotFound:  # the blob is damaged: its pieces are gone
        return None


def _content(conn: Connection, attachment: StoredAttachment) -> bytes:
    count = -(-attachment.record["size"] // PIECE_BYTES)
    return b"".join(read_piece(conn, attachment, n) for n in range(count))


# ---------------------------------------------------------------------- deleting


def delete_unsent(tx: Transaction, owner: str, attachment_id: str) -> int | None:
    """Delete an unsent attachment. Returns the blob whose pieces the caller must drop.

    Raises:
        AttachmentNotFound
        AttachmentInUse: a message holds it.
    """
    attachment = find(tx.conn, owner, attachment_id)
    is_deleted, blob = delete_expired(tx, attachment.pk, 2**62)
    if not is_deleted:
        raise AttachmentInUse(attachment_id)
    return blob


def delete_expired(tx: Transaction, attachment: int, until_ms: int) -> tuple[bool, int | None]:
    """Delete an attachment that expires before ``until_ms``, unless a message holds it now.

    Returns:
        Whether it was deleted; and its blob if no other attachment needs it: the caller must drop
        the pieces.
    """
    params = {"pk": attachment, "until": until_ms, "now": tx.now_ms}
    # The row's lock prevents a concurrent upload on Postgres from using these bytes (``finish``).
    sql = "SELECT blob.pk FROM blob JOIN attachment ON attachment.blob = blob.pk "
    sql += "WHERE attachment.pk = :pk" + for_update(tx, "blob")
    blob = tx.execute(sql, params).scalar()
    sql = "DELETE FROM attachment WHERE pk = :pk AND expires_ms <= :until"
    if blob is None or not tx.execute(sql, params).rowcount:
        return False, None
    sql = (
        "UPDATE blob SET sha256 = NULL, expires_ms = :now WHERE pk = :blob "
        "AND NOT EXISTS (SELECT 1 FROM attachment WHERE blob = :blob)"
    )
    is_last = tx.execute(sql, {**params, "blob": blob}).rowcount
    return True, int(blob) if is_last else None


def find_expired(
    conn: Connection, table: Expiring, until_ms: int, after: ExpiryPlace, limit: int
) -> list[ExpiryPlace]:
    """List the expired rows of a table, the earliest first.

    Expired blobs are those that no attachment needs, and those whose upload has stopped.
    """
    sql = (
        f"SELECT expires_ms, pk FROM {table} WHERE expires_ms <= :until "
        "AND (expires_ms, pk) > (:ms, :pk) ORDER BY expires_ms, pk LIMIT :limit"
    )
    params = {"until": until_ms, "ms": after[0], "pk": after[1], "limit": limit}
    return [(row[0], row[1]) for row in execute(conn, sql, params).fetchall()]


def for_update(tx: Transaction, table: str = "") -> str:
    """Return the SQL that locks the rows of a query until the transaction ends."""
    if tx.conn.dialect.name == "sqlite":  # SQLite has one writing transaction at a time
        return ""
    return f" FOR UPDATE OF {table}" if table else " FOR UPDATE"
