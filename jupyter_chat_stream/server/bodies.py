"""The bodies of requests as types. A field that a type does not have is refused.

The import of pydantic takes time, so this module is imported after the server's start, with the
service. A wrong body raises ``InvalidInput`` or ``InvalidJson``; a value above its limit raises
``ContentTooLarge``. The error names the field and what is wrong, and never repeats the value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isinf
from typing import Annotated, Any, Literal, NoReturn, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..shared.errors import ContentTooLarge, InvalidInput
from ..shared.events import clean_text, dumps, from_iso
from ..shared.json_objects import JsonObject
from ..shared.records import ScheduleChange
from ..shared.spelling import did_you_mean
from .queries import MAX_CURSOR
from .refusals import InvalidJson

MAX_EXTRA_BYTES = 1024 * 1024  # params, tools and context together
MAX_VALUE_BYTES = 64 * 1024  # the answer to a run's question, as JSON
MAX_DEPTH = 64

Name = Annotated[str, Field(min_length=1, max_length=200)]
Title = Annotated[str, Field(max_length=500)]
ModelId = Annotated[str, Field(max_length=200, pattern=r"^[^/]+/.+$")]
System = Annotated[str, Field(max_length=100_000)]
Project = Annotated[str, Field(max_length=1000)]
Id = Annotated[str, Field(min_length=1, max_length=128)]
Time = Annotated[str, Field(max_length=40)]
Cron = Annotated[str, Field(max_length=200)]
ToolName = Annotated[str, Field(min_length=1, max_length=64)]
Claim = Annotated[str, Field(min_length=1, max_length=128)]
Zone = Annotated[str, Field(min_length=1, max_length=64)]


class CheckedBody(BaseModel):
    """A request's JSON object; ``changes`` has only the fields that the request names."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def changes(self) -> JsonObject:
        return self.model_dump(exclude_unset=True)


class NewThread(CheckedBody):
    name: Name | None = None
    title: Title | None = None
    model: ModelId | None = None
    system: System | None = None
    project: Project | None = None
    project_others: Annotated[list[Project], Field(max_length=4)] = []
    notebook: Annotated[str, Field(min_length=1, max_length=1000)] = ""


class ThreadToolsBody(CheckedBody):
    mode: Literal["ask", "accept_edits", "read_only"] = "ask"
    names: Annotated[list[ToolName], Field(max_length=128)] | None = None


class ThreadChanges(CheckedBody):
    name: Name | None = None
    title: Title | None = None
    model: ModelId = ""
    system: System | None = None
    head: Id | None = None
    archived: bool = False
    params: JsonObject = {}
    tools: ThreadToolsBody = ThreadToolsBody()
    pinned: bool = False


def _as_whole(value: Any) -> Any:
    """Return 3 for 3.0: in JSON both are the same number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class ReadMark(CheckedBody):
    seq: Annotated[int, BeforeValidator(_as_whole), Field(ge=0, le=MAX_CURSOR)]


class Preferences(CheckedBody):
    default_model: ModelId | None = None
    system: System | None = None
    on_crash: Literal["continue", "restart", "interrupt"] | None = None


class Context(CheckedBody):
    name: Name
    text: str
    attachment_id: Id | None = None


class NewMessage(CheckedBody):
    content: str
    model: ModelId | None = None
    params: JsonObject | None = None
    tools: list[ToolName | JsonObject] | None = Field(default=None, max_length=128)
    context: list[Context] | None = Field(default=None, max_length=128)
    attachments: list[Id] | None = None
    deliver_at: Time | None = None
    parent_id: Id | None = None


class RetryBody(CheckedBody):
    model: ModelId | None = None
    params: JsonObject | None = None


class ScheduleBody(CheckedBody):
    thread_id: Id
    content: str
    cron: Cron
    timezone: Zone | None = None
    model: ModelId | None = None
    params: JsonObject | None = None


class ScheduleChanges(CheckedBody):
    content: str = ""
    cron: Cron = ""
    timezone: Zone = ""
    model: ModelId | None = None
    params: JsonObject | None = None
    paused: bool = False


class Rewrite(CheckedBody):
    content: str


class InputBody(CheckedBody):
    request_id: Id
    value: Any


class ClaimBody(CheckedBody):
    executor: Annotated[str, Field(min_length=1, max_length=128)]
    claim: Claim | None = None


class OutputBody(CheckedBody):
    claim: Claim
    n: Annotated[int, BeforeValidator(_as_whole), Field(ge=0, le=MAX_CURSOR)]
    text: str


class ResultBody(CheckedBody):
    claim: Claim
    success: bool
    output: Any
    attachments: list[Id] | None = None


class ConsentBody(CheckedBody):
    tool: ToolName
    operation: ToolName | None = None
    thread_id: Id | None = None


class KeyBody(CheckedBody):
    key: Annotated[str, Field(repr=False)]


class Nothing(CheckedBody):
    """The empty body of a command."""


AnyBody = TypeVar("AnyBody", bound=CheckedBody)


def parse(model: type[AnyBody], raw: bytes) -> AnyBody:
    """Read a body; an empty body counts as ``{}``."""
    value = _load(raw) if raw.strip() else {}
    if not isinstance(value, Mapping):
        raise InvalidInput("The body must be a JSON object.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _invalid(model, error) from None


def new_thread(raw: bytes) -> NewThread:
    """Read the body of a new thread."""
    thread = parse(NewThread, raw)
    if thread.notebook:
        for field in ("name", "project", "project_others"):
            if field in thread.model_fields_set:
                raise InvalidInput(
                    f"'{field}' cannot stand beside 'notebook', which decides it. Leave one away.",
                    field=field,
                )
    return thread


def new_message(raw: bytes) -> NewMessage:
    """Read the body of a new message."""
    message = parse(NewMessage, raw)
    extra = message.model_dump(include={"params", "tools", "context"}, exclude_defaults=True)
    _check_extra(extra, "'params', 'tools' and 'context' have", "together", "context")
    return message


def retry_body(raw: bytes) -> RetryBody:
    """Read the body of a retry."""
    choices = parse(RetryBody, raw)
    _check_extra(choices.params, "'params' has", "", "params")
    return choices


def new_schedule(raw: bytes) -> ScheduleBody:
    """Read the body of a new schedule."""
    schedule = parse(ScheduleBody, raw)
    _check_extra(schedule.params, "'params' has", "", "params")
    return schedule


def schedule_changes(raw: bytes) -> ScheduleChange:
    """Read the body that changes a schedule."""
    changes = parse(ScheduleChanges, raw).changes()
    _check_extra(changes.get("params"), "'params' has", "", "params")
    return cast(ScheduleChange, changes)


def input_body(raw: bytes) -> InputBody:
    """Read the body that answers a run's question."""
    answer = parse(InputBody, raw)
    text = answer.value if isinstance(answer.value, str) else dumps(answer.value)
    size = len(text.encode())
    if size > MAX_VALUE_BYTES:
        raise ContentTooLarge(
            f"'value' has {size} bytes; at most {MAX_VALUE_BYTES} are taken. "
            "Send what is longer as a message.",
            field="value",
            max_bytes=MAX_VALUE_BYTES,
        )
    return answer


def key_text(raw: bytes) -> str:
    """Read the body that sets a key; no error of it repeats a name or a value of the body."""
    try:
        return parse(KeyBody, raw).key
    except InvalidInput:
        raise InvalidInput('The body must be an object {"key": "…"}.', field="key") from None


def time_ms(field: str, text: str | None) -> int | None:
    """Return a time (ISO 8601 with a time zone) in ms since 1970; None if it is absent."""
    if text is None:
        return None
    try:
        return from_iso(text)
    except (InvalidInput, OverflowError):
        raise InvalidInput(
            f"'{field}' must be a time in ISO 8601 with its time zone, such as "
            "2030-01-31T18:00:00Z or 2030-01-31T18:00:00+01:00.",
            field=field,
        ) from None


def _check_extra(extra: JsonObject | None, subject: str, suffix: str, field: str) -> None:
    if extra and len(dumps(extra)) > MAX_EXTRA_BYTES:
        raise ContentTooLarge(
            f"{subject} more than {MAX_EXTRA_BYTES} bytes {suffix}".rstrip() + ".",
            field=field,
            max_bytes=MAX_EXTRA_BYTES,
        )


def _load(raw: bytes) -> Any:
    try:
        value = json.loads(raw.decode(), parse_constant=_refuse, parse_float=_finite)
        return _clean(value, 0)
    except (ValueError, RecursionError):
        raise InvalidJson(
            "The body is not JSON (RFC 8259, UTF-8), or is nested too deeply."
        ) from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise ValueError(digits)
    return number


def _clean(value: Any, depth: int) -> Any:
    """Replace the characters that cannot be stored (lone surrogates, U+0000) in every text."""
    if isinstance(value, str):
        return clean_text(value)
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): _clean(item, depth + 1) for key, item in value.items()}
    return value


def _invalid(model: type[CheckedBody], error: ValidationError) -> InvalidInput:
    detail = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(step) for step in detail["loc"])[:100] or "body"
    if detail["type"] == "extra_forbidden":
        field_names = ", ".join(model.model_fields) or "nothing"
        suggestion = did_you_mean(field, model.model_fields)
        problem = f"is not a field here.{suggestion} This request takes {field_names}."
        if len(detail["loc"]) > 1:
            problem = "is not a field here."
    elif detail["type"] == "missing":
        problem = "is missing."
    elif detail["type"] == "string_pattern_mismatch":
        problem = "must be written provider/model, such as demo/tour."
    else:
        problem = f"is wrong: {detail['msg']}."
    return InvalidInput(f"'{field}' {problem}", field=field)
