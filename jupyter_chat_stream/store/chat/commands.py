"""What people's commands write: each function is one transaction's work, all of it or nothing.

They check that the thing is there and the owner's, that the key is new (L11) and the limits are
kept, then write messages, runs and events; a run they make is due with that very commit (L10).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...shared.errors import ContentTooLarge, InvalidInput, RequestNotOpen
from ...shared.events import MAX_CONTENT_BYTES, InputGiven, clean_text, from_iso
from ...shared.records import Part, RunRecord, ThreadRecord, WrittenMessage
from ..log import reading
from ..log.transaction import RunRef, ThreadRef, Transaction
from . import limits, runs, threads
from .limits import Limits
from .waits import JOINS_HEAD

SEND_ROUTE = "messages"


NO_LIMITS: Final = Limits()


class Head:
    """Stands for the thread's head, where a message names no parent."""


HEAD: Final = Head()


@dataclass(frozen=True, kw_only=True)
class SendRequest:
    """What a person sends. ``parent_id``: ``HEAD`` for the newest reply, None for a root.

    ``deliver_ms``: the time before which it is a message for later; what is past is now.
    """

    content: str
    model: str | None = None
    params: Mapping[str, Any] | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    context: Sequence[Mapping[str, str]] = ()
    parent_id: str | Head | None = HEAD
    deliver_ms: int | None = None

    def body(self) -> dict[str, Any]:
        """Return the request as an idempotency key compares it."""
        parent = "" if isinstance(self.parent_id, Head) else self.parent_id
        body = {
            **vars(self),
            "tools": list(self.tools),
            "context": list(self.context),
            "parent_id": parent,
        }
        if self.deliver_ms is None:  # keys from versions without messages for later stay valid
            del body["deliver_ms"]
        return body


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who sends, under which key, and how much they may."""

    owner: str
    key: str | None = None
    limits: Limits = NO_LIMITS


def check_content(content: str) -> None:
    """Check that a person's message can be stored and answered.

    Raises:
        ContentTooLarge
        InvalidInput: the content is empty.
    """
    size = len(content.encode("utf-8", "surrogatepass"))
    if size > MAX_CONTENT_BYTES:
        raise ContentTooLarge(
            f"'content' has {size} bytes; at most {MAX_CONTENT_BYTES} are taken. "
            "Send less, or in pieces.",
            field="content",
            max_bytes=MAX_CONTENT_BYTES,
        )
    if not content.strip():
        raise InvalidInput("'content' is empty: there is nothing to answer.", field="content")


def send(tx: Transaction, thread_id: str, sender: Sender, request: SendRequest) -> dict[str, Any]:
    """Write a person's message, the empty reply and its run: ``{message, reply, run}``.

    A message for later has its parent and its turn when it is delivered (``waits``).

    Raises:
        ThreadNotFound, MessageNotFound, LimitReached, IdempotencyMismatch
        InvalidInput: its parent is not delivered.
    """
    thread, info = threads.find_record(tx.conn, sender.owner, thread_id)
    body = request.body()
    known = _recall(tx, thread, sender, SEND_ROUTE, body)
    if known is not None:
        return _sent_before(tx, thread, *known)
    deliver_ms = request.deliver_ms
    if deliver_ms is not None and deliver_ms <= tx.now_ms:
        deliver_ms = None
    limits.admit(tx, sender.owner, sender.limits, deliver_ms)
    if isinstance(request.parent_id, str):
        threads.check_place(tx.conn, thread, request.parent_id, "parent_id")
    message, run = write_exchange(tx, thread, info, request, deliver_ms)
    _remember(tx, thread, sender, SEND_ROUTE, body, message["id"], run.id)
    return {"message": tx.written(message["id"]), **_made(tx, run)}


def write_exchange(
    tx: Transaction,
    thread: ThreadRef,
    info: ThreadRecord,
    request: SendRequest,
    deliver_ms: int | None = None,
) -> tuple[WrittenMessage, RunRef]:
    """Write a person's message, the empty reply and its run, in their place in the thread."""
    params: dict[str, Any] = {
        "params": dict(request.params or {}),
        "tools": list(request.tools),
    }
    parent_id = request.parent_id
    if isinstance(parent_id, Head):
        parent_id = info["head"] if deliver_ms is None else None
        if deliver_ms is not None:
            params[JOINS_HEAD] = True
    is_for_later = deliver_ms is not None
    parts = _parts_of(request)
    message = runs.add_message(
        tx, thread, parts=parts, parent_id=parent_id, is_for_later=is_for_later
    )
    reply = runs.NewReply(
        parent_id=message["id"],
        model=request.model or info["model"],
        params=params,
        deliver_ms=deliver_ms,
    )
    return message, runs.add_reply(tx, thread, reply)


def succeed(tx: Transaction, sender: Sender, run_id: str, *, keep_parts: bool) -> dict[str, Any]:
    """Make the run that retries or continues an ended one: ``{reply, run}``.

    Raises:
        RunNotFound, RunNotEnded, RunRefused, LimitReached
    """
    run = runs.find_run(tx.conn, sender.owner, run_id)
    route = f"{'continue' if keep_parts else 'retry'} {run.id}"
    known = _recall(tx, run.thread, sender, route, {})
    if known is not None:
        before = _sent_before(tx, run.thread, *known)
        return {"reply": before["reply"], "run": before["run"]}
    limits.admit(tx, sender.owner, sender.limits, None)
    made = runs.make_successor(tx, run, keep_parts=keep_parts)
    _remember(tx, run.thread, sender, route, {}, None, made.id)
    return _made(tx, made)


def cancel(tx: Transaction, run: RunRef) -> RunRecord:
    """End a run as cancelled unless it has ended; returns the run."""
    runs.cancel(tx, run)
    return tx.run(run).copy()


def give_input(tx: Transaction, run: RunRef, owner: str, request_id: str, value: Any) -> RunRecord:
    """Write the answer to a run's open question; returns the run.

    Raises:
        RequestNotOpen: with the winning ``value`` and ``by`` where there was an answer.
        InvalidInput: it is not one of the choices.
    """
    asked = runs.find_request(tx, run, request_id)
    if tx.run(run)["status"] != "waiting" or asked is None or asked["by"] is not None:
        is_answered = asked is not None and asked["by"] is not None
        facts = {name: asked[name] for name in ("value", "by")} if asked and is_answered else {}
        raise RequestNotOpen(f"Question {request_id!r} of run {run.id!r} is not open.", **facts)
    if asked["expires_at"] is not None and from_iso(asked["expires_at"]) <= tx.now_ms:
        raise RequestNotOpen(f"Question {request_id!r} of run {run.id!r} has expired.")
    if asked["choices"] is not None and value not in asked["choices"]:
        raise InvalidInput("The value is not one of the choices.", choices=asked["choices"])
    tx.append(run.thread, InputGiven(request_id=request_id, value=value, by=owner), run=run)
    tx.settle(run)
    tx.make_due(run, tx.run(run)["attempt"] + 1)
    return tx.run(run).copy()


def delete(tx: Transaction, owner: str, thread_id: str) -> list[str]:
    """Cancel the thread's runs and mark the thread deleted; returns the ids of those runs.

    Raises:
        ThreadNotFound: it was deleted before.
    """
    thread = threads.find_thread(tx.conn, owner, thread_id)
    stopped = runs.open_runs(tx.conn, thread)
    for run in stopped:
        runs.cancel(tx, run)
    threads.mark_deleted(tx, thread)
    return [run.id for run in stopped]


def _made(tx: Transaction, run: RunRef) -> dict[str, Any]:
    """Return the reply and the run that this command has made."""
    return {"reply": tx.written(run.message_id), "run": tx.run(run).copy()}


def _sent_before(
    tx: Transaction, thread: ThreadRef, message_id: str | None, run_id: str
) -> dict[str, Any]:
    """Read what an earlier command with the same key made, as it is now."""
    run = runs.find_in_thread(tx.conn, thread, run_id)
    return {
        "message": reading.read_message_by_id(tx.conn, thread, message_id) if message_id else None,
        "reply": reading.read_message(tx.conn, run),
        "run": runs.read_run(tx.conn, run),
    }


def _recall(
    tx: Transaction, thread: ThreadRef, sender: Sender, route: str, body: Any
) -> tuple[str | None, str] | None:
    if sender.key is None:
        return None
    return threads.recall_key(tx, sender.owner, thread, route, sender.key, body)


def _remember(
    tx: Transaction,
    thread: ThreadRef,
    sender: Sender,
    route: str,
    body: Any,
    message_id: str | None,
    run_id: str,
) -> None:
    if sender.key is not None:
        threads.remember_key(
            tx,
            sender.owner,
            thread,
            route,
            sender.key,
            body,
            message_id=message_id,
            run_id=run_id,
        )


def _parts_of(request: SendRequest) -> list[Part]:
    attached: list[Part] = [
        {"kind": "attachment", "name": clean_text(c["name"]), "text": clean_text(c["text"])}
        for c in request.context
    ]
    return [*attached, {"kind": "text", "text": clean_text(request.content)}]
