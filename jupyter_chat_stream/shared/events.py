"""The events of a thread as values, and their form on the wire.

An ``Event`` is an envelope (thread, seq, time, run) around one body. A body is a small frozen
class, one for each type; writers build bodies, so a written event is well formed. ``parse`` is the
edge for readers: it keeps an event type of a newer writer as ``Unknown``. ``encode`` is on the hot
path: it formats a delta directly.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quote
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from .body_fields import BodyFields
from .errors import InvalidInput
from .records import (
    DeltaKind,
    EndStatus,
    MessageStatus,
    Phase,
    ThreadChange,
    Usage,
    WireEvent,
    WrittenMessage,
)
from .tool_events import ToolAllowed, ToolClaimed, ToolOutputAdded, ToolReturned, ToolStarted
from .tool_records import RequestKind

# The public names of the package among those of this module: the event and its bodies.
__all__ = [
    "Completed",
    "Delta",
    "Event",
    "Failed",
    "Finalized",
    "InputGiven",
    "InputRequested",
    "MessageWritten",
    "NoteAdded",
    "StatusChanged",
    "ThreadChanged",
    "ToolAllowed",
    "ToolClaimed",
    "ToolOutputAdded",
    "ToolReturned",
    "ToolStarted",
    "Unknown",
]

MAX_DELTA_BYTES = 64 * 1024
MAX_CONTENT_BYTES = 1024 * 1024

ENDS: tuple[EndStatus, ...] = ("completed", "failed", "cancelled", "interrupted")
STATUSES: tuple[MessageStatus, ...] = ("pending", "processing", "waiting", *ENDS)

STATUS_BY_PHASE: Mapping[Phase, MessageStatus] = {
    "queued": "pending",
    "waiting": "waiting",
    "retrying": "waiting",
    "thinking": "processing",
    "tool_calling": "processing",
    "building": "processing",
    "continuing": "processing",
}


@dataclass(frozen=True, kw_only=True)
class MessageWritten:
    """A message was created, delivered or restarted; the event carries the whole message.

    ``deliver_at`` of a reply is the time of its message for later (ISO 8601).
    """

    type: ClassVar = "message"
    message: WrittenMessage
    continues: str | None = None
    deliver_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class StatusChanged:
    """The run has entered a phase. ``until`` is a time on the wire (ISO 8601)."""

    type: ClassVar = "status"
    phase: Phase
    detail: str | None = None
    until: str | None = None


@dataclass(frozen=True, kw_only=True)
class Delta:
    """Append ``text`` to the part at index ``part``, or open it there."""

    type: ClassVar = "delta"
    part: int
    kind: DeltaKind
    text: str


@dataclass(frozen=True, kw_only=True)
class NoteAdded:
    """The chat tells something about the answer, such as an image that the model cannot read."""

    type: ClassVar = "note"
    text: str


@dataclass(frozen=True, kw_only=True)
class InputRequested:
    """A run asks a person and waits. ``kind`` None stands for a question of the model.

    A question of consent names its ``tool_call_id``.
    """

    type: ClassVar = "input_request"
    request_id: str
    prompt: str
    choices: tuple[str, ...] | None = None
    expires_at: str | None = None
    kind: RequestKind | None = None
    tool_call_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class InputGiven:
    """A person answered; there is no second answer."""

    type: ClassVar = "input"
    request_id: str
    value: Any
    by: str


@dataclass(frozen=True, kw_only=True)
class Completed:
    """The model has ended its answer. ``usage`` counts tokens."""

    type: ClassVar = "complete"
    content: str
    usage: Usage | None
    stop_reason: str | None
    model: str | None


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The run has failed, for this reason."""

    type: ClassVar = "error"
    code: str
    message: str
    retryable: bool


@dataclass(frozen=True, kw_only=True)
class Finalized:
    """The run's last event (L4). ``usage`` counts the tokens of an answer without ``complete``."""

    type: ClassVar = "finalized"
    status: EndStatus
    usage: Usage | None = None


@dataclass(frozen=True, kw_only=True)
class ThreadChanged:
    """The changed fields of the thread."""

    type: ClassVar = "thread"
    thread: ThreadChange


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """An event of a type that this reader does not know; the fold skips it."""

    type: str
    fields: WireEvent


Body = (
    MessageWritten
    | StatusChanged
    | Delta
    | ToolStarted
    | ToolAllowed
    | ToolClaimed
    | ToolOutputAdded
    | ToolReturned
    | NoteAdded
    | InputRequested
    | InputGiven
    | Completed
    | Failed
    | Finalized
    | ThreadChanged
    | Unknown
)

BODIES = {body.type: body for body in get_args(Body) if body is not Unknown}
_OPTIONAL = (
    *("continues", "deliver_at", "detail", "until", "choices", "expires_at", "job_id", "usage"),
    *("where", "effect", "kind", "tool_call_id", "reason", "attachments", "accepted"),
)
# json.dumps would create an encoder for each call
_compact = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_canonical = json.JSONEncoder(
    separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False
).encode
_COMMON = ("seq", "type", "thread_id", "at", "run_id", "message_id", "attempt")


@dataclass(frozen=True, kw_only=True)
class Event(BodyFields):
    """One thing that happened: ``seq`` in its thread, ``at`` in ms since 1970 (UTC)."""

    seq: int
    thread_id: str
    at: int
    body: Body
    run_id: str | None = None
    message_id: str | None = None
    attempt: int | None = None

    @property
    def type(self) -> str:
        return self.body.type

    def __getitem__(self, field: str) -> Any:
        """Return a field as on the wire: ``event["text"]``, ``event["at"]`` in ISO 8601."""
        return to_wire(self)[field]

    if not TYPE_CHECKING:  # or a type checker would take every name

        def __getattr__(self, field: str) -> Any:
            """Return a field of the body: ``event.text``."""
            body = self.__dict__.get("body")  # absent while a copy is being made
            if isinstance(body, Unknown) and field in body.fields:
                return body.fields[field]
            if body is None or field.startswith("_"):
                raise AttributeError(field)
            try:
                return getattr(body, field)
            except AttributeError:
                text = f"A {body.type!r} event carries no {field!r}."
                raise AttributeError(text) from None


def iso(ms: int) -> str:
    """Write a time in ms since 1970 as the wire does."""
    seconds, millis = divmod(ms, 1000)
    return f"{_second(seconds)}.{millis:03d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


# Not ``fromisoformat`` alone: it accepts more forms with each new Python.
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(?:(:[0-9]{2})(?:\.([0-9]{1,9}))?)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)


def from_iso(text: str) -> int:
    """Read a time with its zone into ms since 1970: RFC 3339, where seconds may be missing.

    Raises:
        InvalidInput: the text has another form, or no time zone.
    """
    try:
        match = _TIME.fullmatch(text)
        if match is None:
            raise ValueError(text)
        date, time, second, fraction, zone = match.groups("")
        fraction = f".{fraction[:6]:0<6}" if fraction else ""
        zone = "+00:00" if zone in ("Z", "z") else zone
        at = datetime.fromisoformat(f"{date}T{time}{second}{fraction}{zone}")
    except (ValueError, TypeError):
        raise InvalidInput(f"{text!r} is not a time in ISO 8601.") from None
    if at.tzinfo is None:
        raise InvalidInput(f"{text!r} has no time zone; end it with Z for UTC.")
    return int(at.timestamp() * 1000 + 0.5)


def body_fields(body: Body) -> dict[str, object]:
    """Return the fields of a body as on the wire."""
    if isinstance(body, Unknown):
        return dict(body.fields)
    fields = dict(vars(body))
    for name in () if isinstance(body, Completed) else _OPTIONAL:
        if name in fields and fields[name] is None:
            del fields[name]
    return fields


def make_body(type_: str, fields: WireEvent) -> Body:
    """Build the body of a type; unknown fields are skipped, a missing one raises InvalidInput."""
    cls = BODIES.get(type_)
    if cls is None:
        return Unknown(type=type_, fields=dict(fields))
    values = {name: fields[name] for name in cls.__dataclass_fields__ if name in fields}
    for name in ("choices", "attachments", "accepted"):
        if isinstance(values.get(name), list):
            values[name] = tuple(values[name])
    try:
        return cls(**values)
    except TypeError as error:
        raise InvalidInput(f"A {type_!r} event is incomplete: {error}.") from None


def to_wire(event: Event) -> dict[str, object]:
    """Return the event as a JSON object."""
    wire: dict[str, object] = {"seq": event.seq, "type": event.type, "thread_id": event.thread_id}
    for name in ("run_id", "message_id", "attempt"):
        value = getattr(event, name)
        if value is not None:
            wire[name] = value
    wire["at"] = iso(event.at)
    return wire | body_fields(event.body)


def parse(wire: WireEvent) -> Event:
    """Read an event off the wire; raises InvalidInput if the object is not an event."""
    try:
        return Event(
            seq=int(wire["seq"]),
            thread_id=str(wire["thread_id"]),
            at=from_iso(wire["at"]),
            run_id=wire.get("run_id"),
            message_id=wire.get("message_id"),
            attempt=wire.get("attempt"),
            body=make_body(
                wire["type"], {k: wire[k] for k in wire if k not in _COMMON or k == "message"}
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"This is not an event: {error!r}.") from None


def encode(event: Event) -> str:
    """Return the JSON text of the event; every reader gets the same bytes."""
    body = event.body
    if isinstance(body, Delta) and event.run_id and event.message_id and event.attempt is not None:
        return (
            f'{{"seq":{event.seq},"type":"delta","thread_id":{quote(event.thread_id)},'
            f'"run_id":{quote(event.run_id)},"message_id":{quote(event.message_id)},'
            f'"attempt":{event.attempt},"at":"{iso(event.at)}",'
            f'"part":{body.part},"kind":{quote(body.kind)},"text":{quote(body.text)}}}'
        )
    return dumps(to_wire(event))


def dumps(value: Any) -> str:
    """Write JSON in the one form the package uses: compact, key order kept."""
    return _compact(value)


def canonical(value: Any) -> str:
    """Write JSON so that equal values have equal bytes."""
    return _canonical(value)


def clean_text(text: str) -> str:
    """Replace lone surrogates and U+0000, which databases and JSON cannot hold."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clean_json(value: Any) -> Any:
    """Clean every text of a JSON value; NaN and infinities become null."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {clean_text(str(name)): clean_json(item) for name, item in value.items()}
    return [clean_json(item) for item in value] if isinstance(value, (list, tuple)) else value
