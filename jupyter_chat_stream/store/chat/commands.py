"""The commands of people. Each function is one transaction.

A command checks that the thread or run exists and belongs to the owner, that the idempotency key is
new (L11), and that the limits are kept. Then it writes messages, runs and events. A new run is due
from the same commit on (L10).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from ...shared.errors import (
    Conflict,
    ContentTooLarge,
    IdempotencyMismatch,
    InvalidInput,
)
from ...shared.events import MAX_CONTENT_BYTES, canonical, clean_text
from ...shared.records import (
    MessageRecord,
    Params,
    Part,
    RunRecord,
    SentRecord,
    SuccessorRecord,
    ThreadRecord,
    ToolDefinition,
    Usage,
)
from ..log import reading
from ..log.transaction import RunRef, ThreadRef, Transaction
from ..sql.tables import IdempotencyRow, table
from . import attachments, holding, limits, marks, runs, threads, titles, tool_offers
from .attachments import MAX_PER_MESSAGE, StoredAttachment
from .limits import Limits
from .waits import JOINS_HEAD, MAX_AHEAD_MS

SEND_ROUTE = "messages"
DEFAULTS = "defaults"  # in a run's params: the thread's parameters at the time of the message


class Head:
    """Means the thread's head, if a message names no parent."""


HEAD: Final = Head()


@dataclass(frozen=True, kw_only=True)
class SendRequest:
    """A message that a person sends.

    ``parent_id``: ``HEAD`` for the newest reply, None for a root. ``deliver_ms``: makes it a
    message for later, unless that time has passed. ``attachments``: ids of the sender's own
    attachments. ``context``: a text with an ``attachment_id`` is the attachment's text for the
    model. ``tools``: None means the thread's tools.
    """

    content: str
    model: str | None = None
    params: Params | None = None
    tools: Sequence[str | ToolDefinition] | None = None
    context: Sequence[Mapping[str, str]] = ()
    attachments: Sequence[str] = ()
    parent_id: str | Head | None = HEAD
    deliver_ms: int | None = None

    def check(self, now_ms: int) -> None:
        """Check everything that does not need the thread.

        Raises:
            ContentTooLarge
            InvalidInput: the content is empty and nothing is attached, the time is too far ahead,
                or the attachments are too many or named twice.
        """
        check_content(self.content, may_be_empty=bool(self.attachments))
        self._check_attachments()
        if self.deliver_ms is not None and self.deliver_ms > now_ms + MAX_AHEAD_MS:
            raise InvalidInput(
                "'deliver_at' is more than five years ahead. Choose a nearer time.",
                field="deliver_at",
            )

    def _check_attachments(self) -> None:
        count = len(self.attachments)
        if count > MAX_PER_MESSAGE:
            raise InvalidInput(
                f"'attachments' names {count}; a message holds at most {MAX_PER_MESSAGE}. Send the "
                "others with a second message.",
                field="attachments",
            )
        if len(set(self.attachments)) < count:
            raise InvalidInput(
                "'attachments' names an attachment twice. Name each once.", field="attachments"
            )
        described_ids = {item["attachment_id"] for item in self.context if "attachment_id" in item}
        if not described_ids <= set(self.attachments):
            raise InvalidInput(
                "'context' has a text for an attachment that 'attachments' does not name.",
                field="context",
            )

    def body(self, files: Sequence[StoredAttachment] = ()) -> Mapping[str, object]:
        """Return the request as an idempotency key compares it.

        Attachments are compared by bytes, name and type, because a cell that runs again uploads the
        same file with another id.
        """
        parent = "" if isinstance(self.parent_id, Head) else self.parent_id
        # An empty list of tools differs from None (the thread's tools), which older versions have
        # sent.
        tools = [None] if self.tools is not None and not self.tools else list(self.tools or ())
        lists = {"tools": tools, "context": list(self.context)}
        body = {**vars(self), **lists, "parent_id": parent}
        # The keys of versions without messages for later or attachments stay valid.
        if self.deliver_ms is None:
            del body["deliver_ms"]
        if not self.attachments:
            return {name: value for name, value in body.items() if name != "attachments"}
        identity = {
            file.record["id"]: [file.record[field] for field in ("sha256", "name", "type")]
            for file in files
        }
        body["attachments"] = [identity[id_] for id_ in self.attachments]
        body["context"] = [
            {**item, "attachment_id": self.attachments.index(item["attachment_id"])}
            if "attachment_id" in item
            else item
            for item in self.context
        ]
        return body


@dataclass(frozen=True, kw_only=True)
class Sender:
    """The person who sends, with an idempotency key and the limits that apply.

    ``gives_titles``: whether a thread without a title gets one from its first question.
    """

    owner: str
    key: str | None = None
    limits: Limits = field(default_factory=Limits)
    gives_titles: bool = False


def check_content(content: str, *, may_be_empty: bool = False) -> None:
    """Check that a person's message can be stored and answered.

    Raises:
        ContentTooLarge
        InvalidInput: the content is empty.
    """
    size = len(content.encode("utf-8", "surrogatepass"))
    if size > MAX_CONTENT_BYTES:
        raise ContentTooLarge(
            f"'content' has {size} bytes; at most {MAX_CONTENT_BYTES} are allowed. "
            "Send less, or in pieces.",
            field="content",
            max_bytes=MAX_CONTENT_BYTES,
        )
    if not content.strip() and not may_be_empty:
        raise InvalidInput("'content' is empty: there is nothing to answer.", field="content")


def send(
    tx: Transaction,
    thread_id: str,
    sender: Sender,
    request: SendRequest,
    server_tools: Collection[str] | None = None,
) -> SentRecord:
    """Write a person's message, the empty reply and its run.

    A message for later gets its parent and its turn when it is delivered (``waits``).

    Args:
        server_tools: the names of the server's own tools; None: do not check the request's tools.

    Raises:
        ThreadNotFound, MessageNotFound, AttachmentNotFound, LimitReached, IdempotencyMismatch
        InvalidInput: the parent is not delivered, or nobody offers a named tool.
    """
    thread, info = threads.find_record(tx.conn, sender.owner, thread_id)
    files = [attachments.find(tx.conn, sender.owner, id_) for id_ in request.attachments]
    body = request.body(files)
    earlier_ids = recall(tx, thread, sender, SEND_ROUTE, body)
    if earlier_ids is not None:
        message = reading.read_message_by_id(tx.conn, thread, str(earlier_ids[0]))
        return {"message": message, **_read_successor(tx, thread, earlier_ids[1])}
    if server_tools is not None:  # after the recall, because offers may have ended since (L11)
        names = [item for item in request.tools or () if isinstance(item, str)]
        tool_offers.check_names(tx, thread, names, server_tools)
    deliver_ms = request.deliver_ms
    if deliver_ms is not None and deliver_ms <= tx.now_ms:
        deliver_ms = None
    limits.admit(tx, sender.owner, sender.limits, deliver_ms)
    if isinstance(request.parent_id, str):
        threads.check_place(tx.conn, thread, request.parent_id, "parent_id")
    message, new_run = write_exchange(tx, thread, info, request, deliver_ms, files)
    marks.read_up_to(tx, sender.owner, thread, message["seq"])
    if sender.gives_titles and info["title"] is None:
        titles.entitle(tx, thread)
    _remember(tx, thread, sender, SEND_ROUTE, body, message["id"], new_run.run["id"])
    return {"message": message, "reply": new_run.reply, "run": new_run.run}


def write_exchange(
    tx: Transaction,
    thread: ThreadRef,
    info: ThreadRecord,
    request: SendRequest,
    deliver_ms: int | None = None,
    files: Sequence[StoredAttachment] = (),
) -> tuple[MessageRecord, runs.NewRun]:
    """Write a person's message, the empty reply and its run at their place in the thread."""
    params: dict[str, object] = {
        "params": dict(request.params or {}),
        "tools": None if request.tools is None else list(request.tools),
    }
    if info.get("params"):
        params[DEFAULTS] = dict(info["params"])
    parts = _parts_of(request, files)
    is_for_later = deliver_ms is not None
    parent_id = request.parent_id
    if isinstance(parent_id, Head):
        parent_id = None if is_for_later else info["head"]
        if is_for_later:
            params[JOINS_HEAD] = True
    message = runs.add_message(
        tx, thread, parts=parts, parent_id=parent_id, is_for_later=is_for_later
    )
    if files:
        message_pk = threads.find_message(tx.conn, thread, message["id"])
        holding.hold(tx, thread, message_pk, files)
    reply = runs.NewReply(
        parent_id=message["id"],
        model=request.model or info["model"],
        params=params,
        deliver_ms=deliver_ms,
    )
    return message, runs.add_reply(tx, thread, reply)


def succeed(
    tx: Transaction,
    sender: Sender,
    run_id: str,
    *,
    keep_parts: bool,
    choices: runs.RetryRequest = runs.AS_BEFORE,
) -> SuccessorRecord:
    """Make the run that retries or continues an ended one.

    Raises:
        RunNotFound, RunNotEnded, RunRefused, LimitReached
    """
    run = runs.find_run(tx.conn, sender.owner, run_id)
    route = f"{'continue' if keep_parts else 'retry'} {run.id}"
    body = choices.body()
    earlier_ids = recall(tx, run.thread, sender, route, body)
    if earlier_ids is not None:
        return _read_successor(tx, run.thread, earlier_ids[1])
    limits.admit(tx, sender.owner, sender.limits, None)
    new_run = runs.make_successor(tx, run, keep_parts=keep_parts, choices=choices)
    _remember(tx, run.thread, sender, route, body, None, new_run.run["id"])
    return {"reply": new_run.reply, "run": new_run.run}


def cancel(
    tx: Transaction, run: RunRef, live_usage: Mapping[str, Usage] | None = None
) -> RunRecord:
    """End a run as cancelled unless it has ended already, and return the run.

    Args:
        live_usage: the tokens of the thread's runs that this process works on, by the run's id.
    """
    tx.live_usage = live_usage or {}
    runs.cancel(tx, run)
    return tx.run(run).copy()


def delete(
    tx: Transaction, owner: str, thread_id: str, live_usage: Mapping[str, Usage] | None = None
) -> list[str]:
    """Cancel the thread's runs, mark the thread deleted, and return the ids of those runs.

    Args:
        live_usage: the tokens of the thread's runs that this process works on, by the run's id.

    Raises:
        ThreadNotFound: also if the thread was deleted before.
    """
    thread = threads.find_thread(tx.conn, owner, thread_id)
    open_runs = runs.open_runs(tx.conn, thread)
    tx.live_usage = live_usage or {}
    for run in open_runs:
        runs.cancel(tx, run)
    threads.mark_deleted(tx, thread)
    return [run.id for run in open_runs]


# ---------------------------------------------------------------- idempotency keys (L11)


def recall(
    tx: Transaction, thread: ThreadRef, sender: Sender, route: str, body: Mapping[str, object]
) -> tuple[str | None, str] | None:
    """Return the ids of the message and the run that the key has made; None for a new key.

    Raises:
        IdempotencyMismatch: the key was used with another body.
    """
    if sender.key is None:
        return None
    sql = (
        "SELECT body_sha256, message_id, run_id FROM idempotency WHERE owner = :owner AND "
        "thread = :thread AND route = :route AND key = :key"
    )
    params = {"owner": sender.owner, "thread": thread.pk, "route": route, "key": sender.key}
    row = tx.execute(sql, params).first()
    if row is None:
        return None
    if row[0] != _digest(body):
        raise IdempotencyMismatch(sender.key)
    return row[1], row[2]


def _remember(
    tx: Transaction,
    thread: ThreadRef,
    sender: Sender,
    route: str,
    body: Mapping[str, object],
    message_id: str | None,
    run_id: str,
) -> None:
    """Store which message and run the sender's key has made."""
    if sender.key is None:
        return
    columns = {
        "owner": sender.owner,
        "thread": thread.pk,
        "route": route,
        "key": sender.key,
        "body_sha256": _digest(body),
        "message_id": message_id,
        "run_id": run_id,
        "at_ms": tx.now_ms,
    }
    try:
        tx.conn.execute(insert(table(IdempotencyRow)), columns)
    except IntegrityError as error:  # on Postgres two transactions may use a key at once
        raise Conflict(
            f"Another request is using the idempotency key {sender.key!r} now. Try again."
        ) from error


def _digest(body: Mapping[str, object]) -> str:
    return hashlib.sha256(canonical(body).encode("utf-8", "surrogatepass")).hexdigest()


def _read_successor(tx: Transaction, thread: ThreadRef, run_id: str) -> SuccessorRecord:
    """Read the reply and the run that an earlier command with this key has made."""
    run = runs.find_in_thread(tx.conn, thread, run_id)
    return {"reply": tx.reply(run), "run": runs.read_run(tx.conn, run)}


def _parts_of(request: SendRequest, files: Sequence[StoredAttachment]) -> list[Part]:
    """Build the parts of a message: texts for the model, attachments, and the content."""
    parts: list[Part] = [
        {"kind": "attachment", "name": clean_text(c["name"]), "text": clean_text(c["text"])}
        for c in request.context
        if "attachment_id" not in c
    ]
    for file in files:
        record = file.record
        texts = [c["text"] for c in request.context if c.get("attachment_id") == record["id"]]
        parts.append(
            {
                "kind": "attachment",
                "name": record["name"],
                "text": clean_text("\n\n".join(texts)),
                "attachment_id": record["id"],
                "type": record["type"],
                "size": record["size"],
            }
        )
    if request.content.strip() or not parts:
        parts.append({"kind": "text", "text": clean_text(request.content)})
    return parts
