"""The scripted answers of the fake APIs, and their events on the Claude API's wire. No I/O.

An `Answer` is one scripted reply: its text and parts, its pace, and at most one fault after a given
number of chunks. A chunk is one ``content_block_delta`` event.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal, get_args

from ..providers.continuation import CONTINUE_MARK
from ..shared.json_objects import JsonObject as JsonObject
from ..shared.json_objects import JsonView
from ..shared.records import ToolInput
from .claude_content import redacted_data_of, signature_of, wrongs_of

_TEXTS = ("text", "input_text", "output_text")  # types of blocks

# error:   an `error` event inside the stream, then its end
# cut:     the HTTP response ends normally, but without a stop reason of the model
# drop:    the connection is closed in the middle of the HTTP response
# reset:   like drop, with a TCP reset
# silence: no more bytes come, and the connection stays open
# garbage: bytes come that are no event
Fault = Literal["error", "cut", "drop", "reset", "silence", "garbage"]

GARBAGE = b'event: content_block_delta\ndata: {"type": "content_\xff\xfe\n\n'


@dataclass(frozen=True, kw_only=True)
class ToolUse:
    """A tool call that the model makes after its text."""

    id: str
    name: str
    input: ToolInput = field(default_factory=dict)
    raw: str | None = None  # sent instead of the input's JSON, for example invalid JSON

    @property
    def json(self) -> str:
        """The input as JSON text. Characters are not escaped, so that a cut can split one."""
        return json.dumps(self.input, ensure_ascii=False) if self.raw is None else self.raw


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One reply of the fake server."""

    text: str | None = None  # None: `reply_to` with the last user turn
    chars: int | None = None  # the length of that reply; None: one sentence
    thinking: str = ""
    redacted: str = ""  # Claude API only: encrypted thinking
    refusal: str = ""  # OpenAI's APIs only: the model's reason for declining, after its text
    # OpenAI's APIs only: these deltas (Chat Completions) or events (Responses) instead of the text
    deltas: tuple[JsonView, ...] = ()
    tools: tuple[ToolUse, ...] = ()
    chunk_chars: int = 8
    delay_s: float = 0.0  # before each chunk
    end_delay_s: float = 0.0  # between `message_stop` and the end of the HTTP response
    stop_reason: str | None = None  # None: tool_use with tools, else end_turn
    usage: Mapping[str, int] = field(default_factory=dict)  # the API's own names
    status: int = 200  # with another status, or with a `body`, the answer is no stream
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None  # None: the API's error object with `error_type` and `error_message`
    error_type: str = "overloaded_error"
    error_message: str = "scripted by a test"
    fault: Fault | None = None
    after_chunks: int = 0  # the number of chunks before the fault
    # Whether the fault (drop, reset, silence) comes before the status line. Without a fault, the
    # answer waits there for `release`.
    before_headers: bool = False
    cut_bytes: int | None = None  # send the stream in pieces of this many bytes
    hold_after_chunks: int | None = None  # after this many chunks, wait for `FakeAnthropic.release`

    def pieces(self, text: str) -> Iterator[str]:
        """Yield a text in pieces, one for each chunk."""
        for at in range(0, len(text), self.chunk_chars):
            yield text[at : at + self.chunk_chars]

    def __post_init__(self) -> None:
        if self.fault not in (None, *get_args(Fault)):
            raise ValueError(f"there is no fault {self.fault!r}; there are {get_args(Fault)}")


def reply_to(user_text: str, chars: int | None = None) -> str:
    """Return the default answer of the fake server: a pure function of the last user turn.

    Args:
        chars: the exact length; None for a sentence.
    """
    beginning = f"You said: {user_text}\n\n"
    if chars is None:
        return f"{beginning}That is all I know about it."
    parts, length, number = [beginning], len(beginning), 0
    while length < chars:
        number += 1
        parts.append(f"Sentence {number} says nothing new about it. ")
        length += len(parts[-1])
    return "".join(parts)[:chars]


# --------------------------------------------------------------------------- reading a request


def blocks_of(message: JsonView) -> list[JsonView]:
    """Return the blocks of a message; none if its content is a text."""
    content = message.get("content")
    return content if isinstance(content, list) else []


def text_of(message: JsonView) -> str:
    """Return the text of a message in the body of a request."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(block.get("text", "") for block in content if block.get("type") in _TEXTS)


def messages_of(body: JsonObject) -> list[JsonObject]:
    """Return the messages of a request; for the Responses API, the items with a role."""
    if "input" in body:
        return [item for item in body["input"] if "role" in item]
    return body.get("messages") or []


def is_continuation(body: JsonObject) -> bool:
    """Whether a request asks to continue an incomplete reply."""
    messages = messages_of(body) or [{}]
    return text_of(messages[-1]).startswith(CONTINUE_MARK)


def user_text(body: JsonObject) -> str:
    """Return the last user turn that does not ask to continue."""
    for message in reversed(messages_of(body)):
        text = text_of(message)
        if message.get("role") == "user" and text and not text.startswith(CONTINUE_MARK):
            return text
    return ""


def rest_of(answer: Answer, body: JsonObject) -> str:
    """Return the text to send: the whole text or, to continue a reply, the rest."""
    whole = answer.text if answer.text is not None else reply_to(user_text(body), answer.chars)
    messages = messages_of(body)
    if is_continuation(body) and len(messages) > 1:
        beginning = text_of(messages[-2])
        if whole.startswith(beginning):
            return whole[len(beginning) :]
    return whole


# ------------------------------------------------------------------------------------- events


def error_body(type_: str, message: str) -> JsonObject:
    """Return the API's error object."""
    return {"type": "error", "error": {"type": type_, "message": message}}


def to_sse(value: JsonView) -> bytes:
    """Return a value as a server-sent event, which has a name if the value has a type."""
    # Characters are not escaped, so that a cut can split one.
    data = f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
    name = f"event: {value['type']}\n" if "type" in value else ""
    return f"{name}{data}".encode("utf-8", "surrogatepass")


def stream_events(answer: Answer, body: JsonObject, number: int) -> Iterator[JsonObject]:
    """Yield all events of a reply without a fault."""
    text = rest_of(answer, body)
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "output_tokens": len(text) // 4 + 1,
        **answer.usage,
    }
    yield {
        "type": "message_start",
        "message": {
            "id": f"msg_fake_{number}",
            "type": "message",
            "role": "assistant",
            "model": body.get("model", ""),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**usage, "output_tokens": 1},
        },
    }
    yield {"type": "ping"}
    yield from _blocks(answer, text)
    reason = answer.stop_reason or ("tool_use" if answer.tools else "end_turn")
    delta: JsonObject = {"stop_reason": reason, "stop_sequence": None}
    if reason == "refusal":
        delta["stop_details"] = {"type": "refusal", "category": "cyber", "explanation": None}
    yield {"type": "message_delta", "delta": delta, "usage": usage}
    yield {"type": "message_stop"}


def _blocks(answer: Answer, text: str) -> Iterator[JsonObject]:
    index = 0
    if answer.thinking:
        start: JsonObject = {"type": "thinking", "thinking": "", "signature": ""}
        yield from _block(index, start, "thinking_delta", "thinking", answer.thinking, answer)
        index += 1
    if answer.redacted:
        block = {"type": "redacted_thinking", "data": redacted_data_of(answer.redacted)}
        yield {"type": "content_block_start", "index": index, "content_block": block}
        yield {"type": "content_block_stop", "index": index}
        index += 1
    if text:
        start = {"type": "text", "text": ""}
        yield from _block(index, start, "text_delta", "text", text, answer)
        index += 1
    for tool in answer.tools:
        start = {"type": "tool_use", "id": tool.id, "name": tool.name, "input": {}}
        input_json = "" if tool.json == "{}" else tool.json
        yield from _block(index, start, "input_json_delta", "partial_json", input_json, answer)
        index += 1


def _block(
    index: int, start: JsonObject, kind: str, key: str, text: str, answer: Answer
) -> Iterator[JsonObject]:
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for piece in answer.pieces(text):
        delta = {"type": kind, key: piece}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    if kind == "thinking_delta":
        signature = {"type": "signature_delta", "signature": signature_of(text)}
        yield {"type": "content_block_delta", "index": index, "delta": signature}
    yield {"type": "content_block_stop", "index": index}


# ---------------------------------------------------------- refusals of the real API


def refusal_of(body: JsonObject, *, has_key: bool) -> Answer | None:
    """Refuse invalid requests like the real API, so that no test passes with one."""
    if not has_key:
        return refuse(401, "authentication_error", "x-api-key header is required")
    if not _has_form(body):
        return refuse(400, "invalid_request_error", _FORM)
    if not str(body.get("model", "")).startswith("claude-"):
        return refuse(404, "not_found_error", f"model: {body.get('model')}")
    return refuse_first(chain(_wrongs(body), _wrongs_of_claude(body)))


def refusal_elsewhere(body: JsonObject, models: Collection[str]) -> Answer | None:
    """Refuse invalid requests like other servers of the Messages API.

    Args:
        models: the names of the models that the server has.
    """
    if not _has_form(body):
        return refuse(400, "invalid_request_error", _FORM)
    if body.get("model") not in models:
        return refuse(404, "not_found_error", f"model {body.get('model')!r} not found")
    return refuse_first(_wrongs(body))


def cache_marks(body: JsonObject) -> int:
    """Count the cache marks of a request."""
    return json.dumps(body).count('"cache_control"')


_FORM = "messages and max_tokens are required"


def _has_form(body: JsonObject) -> bool:
    """Whether a body has what every request needs; checked before its model."""
    return bool(body.get("messages") and body.get("max_tokens"))


def _wrongs(body: JsonObject) -> Iterator[str]:
    messages = body["messages"]
    if messages[-1].get("role") != "user" and not _has_paused(messages[-1]):
        yield "This model does not support assistant message prefill."
    if any(_is_blank(message.get("content")) for message in messages):
        yield "messages: text content blocks must contain non-whitespace text"
    yield from wrongs_of(messages)
    if cache_marks(body) > 4:
        yield "A maximum of 4 blocks with cache_control may be provided."
    for message in messages:
        text = text_of(message)
        if message.get("role") == "assistant" and text != text.rstrip():
            yield "messages: final assistant content cannot end with trailing whitespace"
    thinking = body.get("thinking") or {}
    if thinking.get("budget_tokens", 0) >= body["max_tokens"]:
        yield "`max_tokens` must be greater than `thinking.budget_tokens`"


def _wrongs_of_claude(body: JsonObject) -> Iterator[str]:
    for name in ("temperature", "top_p", "top_k"):
        if name in body:
            yield f"`{name}` is not supported in this version"
    thinking = body.get("thinking") or {}
    if thinking.get("type") == "enabled" and "-4-5" not in str(body["model"]):
        yield '"thinking.type.enabled" is not supported for this model.'


def _is_blank(content: Any) -> bool:
    """Whether a message's content is empty or contains a blank text."""
    if not isinstance(content, list):
        return not str(content or "").strip()
    texts = [block.get("text", "") for block in content if block.get("type") == "text"]
    return not content or any(not text.strip() for text in texts)


def _has_paused(message: JsonObject) -> bool:
    """Whether an assistant's turn may be the last, because it paused for a tool of the API."""
    return any(block.get("type") != "text" for block in blocks_of(message))


def refuse(status: int, type_: str, message: str) -> Answer:
    return Answer(status=status, error_type=type_, error_message=message)


def refuse_first(wrongs: Iterator[str]) -> Answer | None:
    """Refuse a request for the first of its wrongs; None if there is none."""
    wrong = next(wrongs, None)
    return None if wrong is None else refuse(400, "invalid_request_error", wrong)
