"""Refuses invalid tool calls and results like the real APIs. No I/O.

Each call needs its result right after it, each result needs its call, and a request with calls
must define tools.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ..shared.json_objects import JsonView
from .answers import JsonObject, blocks_of
from .rounds import calls_in, items_of, results_in

_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_THINKING = ("thinking", "redacted_thinking")


def wrongs_of_messages(body: JsonObject) -> Iterator[str]:
    """Yield each refusal of the Messages API for calls and results."""
    messages = body["messages"]
    call_ids: set[str] = set()
    for number, message in enumerate(messages):
        expected_ids = calls_in(messages[number - 1]) if number else []
        yield from _wrong_results(number, message, expected_ids)
        for block in blocks_of(message):
            if block.get("type") == "tool_use":
                yield from _wrong_call(number, block, call_ids)
        if calls_in(message) and number == len(messages) - 1:
            yield f"messages.{number}: `tool_use` blocks must have `tool_result` blocks after them"
    if call_ids and not body.get("tools"):
        yield "Requests which include `tool_use` or `tool_result` blocks must define tools"
    yield from _wrong_loop(body)


def _wrong_results(number: int, message: JsonObject, expected_ids: list[str]) -> Iterator[str]:
    blocks = blocks_of(message)
    ids = [id_ for id_, _ in results_in(message)]
    if sorted(ids) != sorted(expected_ids):
        yield (
            f"messages.{number}: `tool_use` ids were found without `tool_result` blocks "
            "immediately after, or the other way round"
        )
    kinds = [block.get("type") for block in blocks]
    if ids and kinds[: len(ids)] != ["tool_result"] * len(ids):
        yield f"messages.{number}: `tool_result` blocks must come first in the content"
    if ids and message.get("role") != "user":
        yield f"messages.{number}: `tool_result` blocks are only permitted in `user` messages"


def _wrong_call(number: int, block: JsonView, call_ids: set[str]) -> Iterator[str]:
    place = f"messages.{number}.content.tool_use"
    if not _ID.fullmatch(str(block.get("id"))) or not _ID.fullmatch(str(block.get("name"))):
        yield f"{place}: String should match pattern '^[a-zA-Z0-9_-]+$'"
    if not isinstance(block.get("input"), dict):
        yield f"{place}.input: Input should be a valid dictionary"
    if block.get("id") in call_ids:
        yield f"{place}: `tool_use` ids must be unique"
    call_ids.add(str(block.get("id")))


def _wrong_loop(body: JsonObject) -> Iterator[str]:
    """Refuse a loop of calls without the thinking of a model that thinks within a budget."""
    messages = body["messages"]
    does_think = (body.get("thinking") or {}).get("type") == "enabled"
    if not does_think or len(messages) < 2 or not results_in(messages[-1]):
        return
    answer = blocks_of(messages[-2])
    if answer[0].get("type") not in _THINKING:
        yield (
            f"messages.{len(messages) - 2}.content.0.type: Expected `thinking` or "
            f"`redacted_thinking`, but found `{answer[0].get('type')}`."
        )


def wrongs_of_openai(body: JsonObject) -> Iterator[str]:
    """Yield each refusal of OpenAI's dialects for calls and results."""
    open_calls: list[str] = []
    for item in items_of(body):
        for id_, _ in results_in(item):
            if id_ not in open_calls:
                yield f"No tool call found for the output with call id {id_}."
            else:
                open_calls.remove(id_)
        is_more = item.get("role") in ("user", "assistant") and not results_in(item)
        if open_calls and is_more:
            yield f"No tool output found for function call {open_calls[0]}."
            return
        for arguments in _arguments(item):
            if not isinstance(_json(arguments), dict):
                yield "Invalid arguments: not a JSON object."
        ids = calls_in(item)
        if not all(map(_ID.fullmatch, ids)):
            yield "Invalid tool call id: string does not match pattern."
        open_calls += ids
    if open_calls:
        yield f"No tool output found for function call {open_calls[0]}."


def _arguments(item: JsonView) -> Iterator[str]:
    if item.get("type") == "function_call":
        yield item["arguments"]
    for call in item.get("tool_calls") or ():
        yield call["function"]["arguments"]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
