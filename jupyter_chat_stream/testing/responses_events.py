"""Turns a scripted answer into events and objects of OpenAI's Responses API. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Literal

from . import answers
from .answers import Answer, JsonObject
from .rounds import results_in
from .tool_content import wrongs_of_openai

ENCRYPTED = "reasoning.encrypted_content"
EventKind = Literal["chunk", "last", "other"]
ResponsesEvent = tuple[EventKind, JsonObject]


def new_response(id_: str, body: JsonObject) -> JsonObject:
    """Return the object of a new response."""
    return {
        "id": id_,
        "object": "response",
        "created_at": 1_800_000_000,
        "status": "queued" if body.get("background") else "in_progress",
        "background": bool(body.get("background")),
        "store": body.get("store", True),
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "model": body.get("model", ""),
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "usage": None,
        "of_2030": {"nobody": ["knows", "it"]},
    }


def events_of(answer: Answer, body: JsonObject, response: JsonObject) -> Iterator[ResponsesEvent]:
    """Yield all events of an answer without a fault; the events have no numbers yet.

    Args:
        response: the response's object, which each event updates.
    """
    yield "other", {"type": "response.created", "response": dict(response)}
    response["status"] = "in_progress"
    yield "other", {"type": "response.in_progress", "response": dict(response)}
    yield "other", {"type": "keepalive"}
    yield "other", {"type": "response.of_2030", "nobody": {"knows": ["it"]}}
    if answer.deltas:
        yield from (("chunk", dict(event)) for event in answer.deltas)
    else:
        yield from _output(answer, body, response["output"])
    yield from _ending(answer, response)


def failed_event(response: JsonObject, code: str, message: str) -> JsonObject:
    """Return the event of a response that has failed."""
    response |= {"status": "failed", "error": {"code": code, "message": message}}
    return {"type": "response.failed", "response": dict(response)}


def _ending(answer: Answer, response: JsonObject) -> Iterator[ResponsesEvent]:
    reason = answer.stop_reason or "completed"
    usage: JsonObject = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0},
        **answer.usage,
    }
    usage["total_tokens"] = usage["input_tokens"] + usage["output_tokens"]
    response["usage"] = usage
    if reason == "none":
        response["status"] = "completed"
    elif reason == "completed":
        response["status"] = "completed"
        yield "last", {"type": "response.completed", "response": dict(response)}
    elif reason == "failed":
        yield "last", failed_event(response, answer.error_type, answer.error_message)
    else:
        response |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
        yield "last", {"type": "response.incomplete", "response": dict(response)}


def _output(answer: Answer, body: JsonObject, output: list[JsonObject]) -> Iterator[ResponsesEvent]:
    text = answers.rest_of(answer, body)
    if answer.thinking:
        item: JsonObject = {"id": "rs_fake", "type": "reasoning", "summary": []}
        part = {"type": "summary_text", "text": answer.thinking}
        whole = {**item, "summary": [part]}
        if ENCRYPTED in (body.get("include") or ()):
            whole["encrypted_content"] = "c2VjcmV0"
        yield from _item(output, item, _summary(answer), whole)
    if text or answer.refusal:
        content: list[JsonObject] = [{"type": "output_text", "text": text, "annotations": []}]
        content = content if text else []
        content += [{"type": "refusal", "refusal": answer.refusal}] if answer.refusal else []
        item = {"id": "msg_fake", "type": "message", "role": "assistant", "content": []}
        whole = {**item, "status": "completed", "content": content}
        yield from _item(output, item, _message(answer, content, len(output)), whole)
    for tool in answer.tools:
        arguments = tool.json
        call = {"type": "function_call", "id": f"fc_{tool.id}", "call_id": tool.id}
        item = {**call, "name": tool.name, "arguments": "", "status": "in_progress"}
        whole = {**item, "arguments": arguments, "status": "completed"}
        address = {"item_id": item["id"], "output_index": len(output)}
        yield from _item(output, item, _arguments(arguments, address, answer), whole)


def _item(
    output: list[JsonObject], item: JsonObject, inner: Iterator[ResponsesEvent], whole: JsonObject
) -> Iterator[ResponsesEvent]:
    index = len(output)
    event = {"type": "response.output_item.added", "output_index": index, "item": item}
    yield "other", event
    yield from inner
    output.append(whole)
    yield "other", {"type": "response.output_item.done", "output_index": index, "item": whole}


def _summary(answer: Answer) -> Iterator[ResponsesEvent]:
    address = {"item_id": "rs_fake", "output_index": 0, "summary_index": 0}
    part = {"type": "summary_text", "text": ""}
    yield "other", {"type": "response.reasoning_summary_part.added", **address, "part": part}
    kind = "response.reasoning_summary_text.delta"
    for piece in answer.pieces(answer.thinking):
        yield "chunk", {"type": kind, **address, "delta": piece}
    event = {"type": "response.reasoning_summary_text.done", **address, "text": answer.thinking}
    yield "other", event


def _message(
    answer: Answer, content: list[JsonObject], output_index: int
) -> Iterator[ResponsesEvent]:
    for index, part in enumerate(content):
        address = {"item_id": "msg_fake", "output_index": output_index, "content_index": index}
        field = "refusal" if part["type"] == "refusal" else "text"
        kind = f"response.{part['type']}"
        empty = {**part, field: ""}
        yield "other", {"type": "response.content_part.added", **address, "part": empty}
        yield "other", {"type": f"{kind}.delta", **address, "delta": ""}
        for piece in answer.pieces(part[field]):
            yield "chunk", {"type": f"{kind}.delta", **address, "delta": piece}
        yield "other", {"type": f"{kind}.done", **address, field: part[field]}
        yield "other", {"type": "response.content_part.done", **address, "part": part}


def _arguments(
    text: str, address: Mapping[str, object], answer: Answer
) -> Iterator[ResponsesEvent]:
    kind = "response.function_call_arguments"
    for piece in answer.pieces(text):
        yield "chunk", {"type": f"{kind}.delta", **address, "delta": piece}
    yield "other", {"type": f"{kind}.done", **address, "arguments": text}


def wrongs(body: JsonObject) -> Iterator[str]:
    """Yield the real API's reasons to refuse a request."""
    items = body.get("input")
    if not isinstance(items, list) or not items:
        yield "'input' is required"
        return
    if items[-1].get("role") != "user" and items[-1].get("type") != "function_call_output":
        yield "The last item must be the user's."
    if any("role" in item and not _has_content(item) for item in items):
        yield "A message must not be empty."
    if body.get("background") and not body.get("store", True):
        yield "'background' needs 'store'."
    yield from wrongs_of_openai(body)
    for item, next_item in pairwise(items):
        is_apart = next_item.get("role") == "user" or results_in(next_item)
        if item.get("type") == "reasoning" and is_apart:
            yield "Item of type 'reasoning' was provided without its required following item."
    for tool in body.get("tools", ()):
        if tool.get("strict") is not False or "name" not in tool:
            yield "Invalid schema for function: strict."
    if not 0 <= body.get("temperature", 0) <= 2:
        yield "temperature must be from 0 to 2"


def _has_content(item: JsonObject) -> bool:
    content = item.get("content")
    if isinstance(content, list) and any("text" not in str(part.get("type")) for part in content):
        return True
    return bool(answers.text_of(item).strip())
