"""The tables, one per word of the glossary, as SQLModel classes. Rows stay in ``store/``.

Times are ms since 1970 (UTC). JSON is text in the one canonical form. Tables refer to each other by
integer keys; outside the store only the opaque ``id`` is known. ``event`` is clustered by (thread,
seq) and has no second index: a commit touches one page per live thread, and the head of a log is
one descent of its tree (docs/decisions/). The tables of tools are in ``tool_tables``.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text, text
from sqlmodel import Field, SQLModel


def _key() -> Column[int]:
    # SQLite numbers rows by itself only if the type is exactly INTEGER.
    return Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


def _ms(nullable: bool = True) -> Column[int]:
    return Column(BigInteger, nullable=nullable)


def _text(nullable: bool = True) -> Column[str]:
    return Column(Text, nullable=nullable)


def _partial(name: str, *columns: str, where: str) -> Index:
    """Make an index of the rows that a condition selects."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class ThreadRow(SQLModel, table=True):
    """One thread: its owner, its fields and its head."""

    __tablename__ = "thread"
    __table_args__ = (
        Index("thread_by_name", "owner", "project", "name", unique=True),
        Index("thread_by_time", "owner", "updated_ms"),
    )

    pk: int | None = Field(default=None, sa_column=_key())
    id: str = Field(unique=True)
    owner: str
    project: str = ""
    name: str | None = None
    title: str | None = None
    model: str | None = None
    system: str | None = Field(default=None, sa_column=_text())
    head: str | None = None
    archived: bool = False
    deleted: bool = False
    created_ms: int = Field(sa_column=_ms(False))
    updated_ms: int = Field(sa_column=_ms(False))
    # `params` and `tools` of the thread. Earlier releases read both names unqualified in joins.
    message_params: str | None = Field(default=None, sa_column=_text())
    message_tools: str | None = Field(default=None, sa_column=_text())


class MessageRow(SQLModel, table=True):
    """One message, equal to the fold of its events up to ``seq`` (L7)."""

    __tablename__ = "message"
    __table_args__ = (Index("message_by_seq", "thread", "seq"),)

    pk: int | None = Field(default=None, sa_column=_key())
    id: str = Field(unique=True)
    thread: int = Field(foreign_key="thread.pk")
    role: str
    kind: str = "chat"
    status: str
    parts: str = Field(sa_column=_text(False))
    model: str | None = None
    usage: str | None = Field(default=None, sa_column=_text())
    stop_reason: str | None = None
    error: str | None = Field(default=None, sa_column=_text())
    run_id: str | None = None
    parent_id: str | None = None
    seq: int
    created_ms: int = Field(sa_column=_ms(False))


class RunRow(SQLModel, table=True):
    """The making of one answer. ``owner`` is the process that holds the run, None if none does.

    ``turn`` is the seq at which the run joined its thread's queue. ``deliver_ms`` is set while its
    message is for later. As JSON: ``upstream`` tells where to join the provider's own run (L15),
    ``tools`` are those of all attempts, ``spent`` is the usage of the ended rounds.
    """

    __tablename__ = "run"
    __table_args__ = (
        Index("run_by_thread", "thread"),
        Index("run_by_message", "message"),  # a purge of messages looks for their runs
        Index("run_by_end", "ended_ms"),
        _partial("run_open", "thread", where="ended_ms IS NULL"),  # the list looks for open runs
    )

    pk: int | None = Field(default=None, sa_column=_key())
    id: str = Field(unique=True)
    thread: int = Field(foreign_key="thread.pk")
    message: int = Field(foreign_key="message.pk")
    status: str
    phase: str | None = None
    attempt: int = 0
    model: str
    params: str = Field(sa_column=_text(False))  # the parameters of the request, as JSON
    error: str | None = Field(default=None, sa_column=_text())
    continues: str | None = None
    owner: str | None = None
    crashes: int = 0
    retries: int = 0
    created_ms: int = Field(sa_column=_ms(False))
    started_ms: int | None = Field(default=None, sa_column=_ms())
    first_event_ms: int | None = Field(default=None, sa_column=_ms())
    ended_ms: int | None = Field(default=None, sa_column=_ms())
    wake_ms: int | None = Field(default=None, sa_column=_ms())
    turn: int | None = Field(default=None, sa_column=_ms())
    upstream: str | None = Field(default=None, sa_column=_text())
    tools: str | None = Field(default=None, sa_column=_text())
    spent: str | None = Field(default=None, sa_column=_text())
    deliver_ms: int | None = Field(default=None, sa_column=_ms())
    seq: int  # the last event that changed this row


class EventRow(SQLModel, table=True):
    """One event. A delta is in columns, every other body is JSON in ``body``."""

    __tablename__ = "event"
    __table_args__ = {"sqlite_with_rowid": False}

    thread: int = Field(primary_key=True, foreign_key="thread.pk")
    seq: int = Field(primary_key=True)
    type: str
    run: int | None = None
    attempt: int | None = None
    at_ms: int = Field(sa_column=_ms(False))
    part: int | None = None
    kind: str | None = None
    text: str | None = Field(default=None, sa_column=_text())
    body: str | None = Field(default=None, sa_column=_text())


class CompactionRow(SQLModel, table=True):
    """The deleted deltas of one ended run, and the hash of its message (L2).

    All its deltas are between ``first_seq`` and ``last_seq``; ``deltas`` of them are deleted.
    """

    __tablename__ = "compaction"

    run: int = Field(primary_key=True, foreign_key="run.pk")
    thread: int = Field(foreign_key="thread.pk", index=True)
    first_seq: int
    last_seq: int
    deltas: int
    deltas_left: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    message_sha256: str
    at_ms: int = Field(sa_column=_ms(False))


class ProviderDataRow(SQLModel, table=True):
    """A block that a provider gets back unchanged; it belongs to part ``part`` of a run's reply.

    It is never on the wire. ``endpoint`` is the provider that sent it: no other gets it.
    """

    __tablename__ = "provider_data"

    pk: int | None = Field(default=None, sa_column=_key())
    # Older code does not know this table; its purge takes the rows along.
    thread: int = Field(foreign_key="thread.pk", index=True, ondelete="CASCADE")
    run: int
    part: int
    endpoint: str
    data: str = Field(sa_column=_text(False))


class IdempotencyRow(SQLModel, table=True):
    """The request that first used an idempotency key (L11)."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("idempotency_by_thread", "thread"),)

    owner: str = Field(primary_key=True)
    thread: int = Field(primary_key=True, foreign_key="thread.pk")
    route: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    body_sha256: str
    message_id: str | None = None
    run_id: str
    at_ms: int = Field(sa_column=_ms(False))


class UsageRow(SQLModel, table=True):
    """The tokens and the cost of one ended answer, for sums.

    The row outlives its thread: a purge empties ``thread`` and ``run``, and the rest stays. The
    database does the same by itself, for the purges of code that does not know this table.
    """

    __tablename__ = "usage"
    __table_args__ = (Index("usage_by_time", "owner", "at_ms"),)

    pk: int | None = Field(default=None, sa_column=_key())
    owner: str
    thread: int | None = Field(
        default=None, foreign_key="thread.pk", index=True, ondelete="SET NULL"
    )
    run: int | None = Field(default=None, foreign_key="run.pk", unique=True, ondelete="SET NULL")
    model: str
    at_ms: int = Field(sa_column=_ms(False))  # the end of the answer
    input_tokens: int = Field(sa_column=_ms(False))
    output_tokens: int = Field(sa_column=_ms(False))
    cache_read_tokens: int = Field(sa_column=_ms(False))
    cache_write_tokens: int = Field(sa_column=_ms(False))
    cost_nanos: int | None = Field(default=None, sa_column=_ms())  # of a US dollar; None: unknown


class PreferenceRow(SQLModel, table=True):
    """The preferences of one user, for all threads."""

    __tablename__ = "preference"

    owner: str = Field(primary_key=True)
    default_model: str | None = None
    system: str | None = Field(default=None, sa_column=_text())
    on_crash: str | None = None


class MarkRow(SQLModel, table=True):
    """The marks of one person on one thread: up to which seq it was read, and whether it is pinned.

    Without such a row, the thread is neither read nor pinned.
    """

    __tablename__ = "mark"
    __table_args__ = (
        Index("mark_by_thread", "thread"),
        _partial("mark_pinned", "person", where="pinned"),
    )

    person: str = Field(primary_key=True)
    # Older code does not know this table; its purge takes the rows along.
    thread: int = Field(primary_key=True, foreign_key="thread.pk", ondelete="CASCADE")
    read_seq: int = 0
    pinned: bool = False


class ScheduleRow(SQLModel, table=True):
    """A message that repeats, by a cron expression in a time zone."""

    __tablename__ = "schedule"

    pk: int | None = Field(default=None, sa_column=_key())
    id: str = Field(unique=True)
    thread: int = Field(foreign_key="thread.pk", index=True)
    content: str = Field(sa_column=_text(False))
    cron: str
    timezone: str
    model: str | None = None
    params: str | None = Field(default=None, sa_column=_text())
    paused: bool = False
    next_ms: int | None = Field(default=None, sa_column=_ms())
    last_ms: int | None = Field(default=None, sa_column=_ms())
    last_run_id: str | None = None
    created_ms: int = Field(sa_column=_ms(False))


class BlobRow(SQLModel, table=True):
    """Bytes of attachments, stored once for equal bytes.

    ``sha256`` is NULL while the bytes arrive (``owner`` uploads them, ``upload`` is the upload's
    random id, ``size`` is the most that may come), and again once no attachment needs them. A blob
    without a hash is deleted after ``expires_ms``; no upload can find it. No key is given twice, so
    a late reader or writer meets no other person's bytes.
    """

    __tablename__ = "blob"
    __table_args__ = (
        Index("blob_by_sha256", "sha256", "size", unique=True),
        Index("blob_by_expiry", "expires_ms"),
        {"sqlite_autoincrement": True},
    )

    pk: int | None = Field(default=None, sa_column=_key())
    sha256: str | None = None
    size: int = Field(sa_column=_ms(False))
    owner: str | None = None
    upload: str | None = None
    expires_ms: int | None = Field(default=None, sa_column=_ms())


class BlobPieceRow(SQLModel, table=True):
    """One piece of a blob; the pieces are numbered from 0."""

    __tablename__ = "blob_piece"

    blob: int = Field(primary_key=True, foreign_key="blob.pk")
    n: int = Field(primary_key=True)
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class AttachmentRow(SQLModel, table=True):
    """Bytes that a person has uploaded, with their name and media type.

    ``expires_ms`` is the time of its deletion; NULL while a message holds it.
    """

    __tablename__ = "attachment"
    __table_args__ = (
        Index("attachment_by_expiry", "expires_ms"),
        Index("attachment_by_blob", "blob"),
    )

    pk: int | None = Field(default=None, sa_column=_key())
    id: str = Field(unique=True)
    owner: str
    blob: int = Field(foreign_key="blob.pk")
    name: str
    type: str
    size: int = Field(sa_column=_ms(False))
    created_ms: int = Field(sa_column=_ms(False))
    expires_ms: int | None = Field(default=None, sa_column=_ms())


class MessageAttachmentRow(SQLModel, table=True):
    """A message holds an attachment: the attachment stays as long as this row."""

    __tablename__ = "message_attachment"
    __table_args__ = (
        Index("message_attachment_by_attachment", "attachment"),
        Index("message_attachment_by_thread", "thread", "message"),
    )

    # Older code does not know this table; its purge takes the rows along.
    message: int = Field(primary_key=True, foreign_key="message.pk", ondelete="CASCADE")
    attachment: int = Field(primary_key=True, foreign_key="attachment.pk")
    thread: int = Field(foreign_key="thread.pk", ondelete="CASCADE")


class SearchRow(SQLModel, table=True):
    """A message in the full-text index. ``pk`` is its thread's key, and the message's seq in it.

    The words are in an FTS5 table with the same keys, or in a column of Postgres (``full_text``).
    """

    __tablename__ = "search_row"

    pk: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    # Older code does not know this table; its purge takes the rows along.
    message: int = Field(foreign_key="message.pk", unique=True, ondelete="CASCADE")


class SearchDueRow(SQLModel, table=True):
    """A message whose text is new or has changed, and is not in the full-text index yet.

    Triggers write these rows, in the transaction of the change, whichever release commits it.
    """

    __tablename__ = "search_due"

    message: int = Field(primary_key=True, foreign_key="message.pk", ondelete="CASCADE")


class LeaseRow(SQLModel, table=True):
    """The time until which a process counts as alive, by the database's clock; Postgres only."""

    __tablename__ = "lease"

    owner: str = Field(primary_key=True)
    kind: str  # server or worker
    host: str
    pid: int
    since_ms: int = Field(sa_column=_ms(False))
    until_ms: int = Field(sa_column=_ms(False))


class MetaRow(SQLModel, table=True):
    """Facts about the database itself: ``min_code_version``, the cleanup lease."""

    __tablename__ = "meta"

    key: str = Field(primary_key=True)
    value: str


class MigrationRow(SQLModel, table=True):
    """Which migrations were applied, and when."""

    __tablename__ = "migration"

    name: str = Field(primary_key=True)
    at_ms: int = Field(sa_column=_ms(False))


def table(row: type[SQLModel]) -> Table:
    """Return the Core table of a row class, for statements that need no objects."""
    core_table: Table = SQLModel.metadata.tables[str(row.__tablename__)]
    return core_table
