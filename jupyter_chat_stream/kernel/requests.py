"""The requests that open a thread and send a message."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from ..shared.errors import InvalidInput, ServerUnavailable, WrongCall
from ..shared.records import Params, ThreadRecord, ToolDefinition
from .link import Hold, Link, path_of
from .messages import Message
from .options import check_kinds, refuse_unknown
from .rest import RequestBody
from .times import When, to_wire

OPEN_TIMEOUT_S = 30.0
HEAD: Any = object()  # the default parent: the thread's newest reply
OPTIONS = ("model", "params", "tools", "context", "key", "parent", "deliver_at")


async def open_thread(
    link: Link, thread_id: str | None, fields: RequestBody
) -> tuple[ThreadRecord, Hold]:
    """Get or create a thread, set its model and system prompt, and follow it until it is live.

    Args:
        fields: name, model, system, project, project_others; None leaves the value as it is.
    """
    values = {field: value for field, value in fields.items() if value not in (None, [])}
    if thread_id is not None:
        thread: ThreadRecord = await link.request("GET", f"threads/{path_of(thread_id)}")
    else:
        is_named = "name" in values
        thread = await link.request("POST", "threads", values, repeatable=is_named)
    current = {"model": thread["model"], "system": thread["system"]}
    changes = {
        field: values[field]
        for field, value in current.items()
        if field in values and values[field] != value
    }
    if changes:
        thread = await link.request("PATCH", f"threads/{path_of(thread['id'])}", changes)
    hold = await link.follow(thread["id"])
    try:
        await asyncio.wait_for(hold.follower.live(), OPEN_TIMEOUT_S)
    except TimeoutError:
        raise ServerUnavailable(
            f"The chat's server answers, but thread {thread['id']!r} cannot be followed: nothing "
            f"came for {OPEN_TIMEOUT_S:.0f} s. Does something between here and it stop WebSockets?",
            thread_id=thread["id"],
        ) from None
    return thread, hold


def message_body(
    text: object,
    *,
    model: str | None = None,
    params: Params | None = None,
    tools: Sequence[str | ToolDefinition] | None = None,
    context: Mapping[str, object] | Sequence[Mapping[str, str]] | None = None,
    deliver_at: When | None = None,
    key: str | None = None,
    parent: Message | str | None = HEAD,
    **unknown: Any,
) -> RequestBody:
    """Build the body of the request that sends a message, without options that are not set.

    Raises:
        WrongCall: an option does not exist, or its value has the wrong type.
        InvalidInput: ``deliver_at`` is no time, or is a timedelta beside a key.
    """
    refuse_unknown("chat.send()", unknown, OPTIONS)
    if not isinstance(text, str):
        raise WrongCall(
            f"chat.send(): text must be text (str), not a value of type {type(text).__name__}. The "
            "text comes first, then what goes with it: chat.send('What is odd here?', df).",
            option="text",
        )
    options = {"model": model, "params": params, "tools": tools, "context": context}
    check_kinds("chat.send()", {"key": key, **options})
    if key is not None and isinstance(deliver_at, timedelta):
        raise InvalidInput(
            "With a key, give deliver_at as a time: a timedelta means another one whenever the "
            "cell runs, and the same key stands for the same message.",
            field="deliver_at",
        )
    body: dict[str, object] = {"content": text}
    if deliver_at is not None:
        body["deliver_at"] = to_wire(deliver_at, "deliver_at")
    if isinstance(context, Mapping):
        context = [{"name": name, "text": str(value)} for name, value in context.items()]
    options["context"] = context
    body.update({name: value for name, value in options.items() if value is not None})
    if parent is not HEAD:
        body["parent_id"] = _id_of(parent)
    return body


def _id_of(parent: Message | str | None) -> str | None:
    if isinstance(parent, Message):
        return parent.id
    if parent is None or isinstance(parent, str):
        return parent
    raise WrongCall(
        "chat.send(): parent must be one of `chat.messages`, its id, or None, not a value of type "
        f"{type(parent).__name__}.",
        option="parent",
    )
