"""The rounds of tool calls in a request to a fake API, of any dialect. No I/O.

`in_rounds` chooses the answer by the number of rounds in a request. So an attempt after a crash, a
second reader and a repeated request get the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..providers.continuation import CONTINUE_MARK
from ..providers.prompt_blocks import RESULT_FILES
from ..shared.json_objects import JsonView
from .answers import Answer, JsonObject, blocks_of, text_of

if TYPE_CHECKING:
    from .fake_server import Request


def in_rounds(*answers: Answer) -> Callable[[Request], Answer]:
    """Return a rule: the first answer before any call, the next answer after each round.

    After the last answer, the rule repeats it.
    """

    def rule(request: Request) -> Answer:
        return answers[min(rounds_of(request.body), len(answers) - 1)]

    return rule


def rounds_of(body: JsonObject) -> int:
    """Count the rounds since a person's last message: the groups of results."""
    count, was_result = 0, False
    for item in items_of(body):
        if is_persons(item):
            count, was_result = 0, False
            continue
        is_result = bool(results_in(item))
        count += is_result and not was_result
        was_result = is_result
    return count


def results_of(body: JsonObject) -> dict[str, tuple[bool, Any]]:
    """Return the results in a request by call id: the success, and the output."""
    return {id_: result for item in items_of(body) for id_, result in results_in(item)}


def items_of(body: JsonObject) -> list[JsonObject]:
    """Return the messages of a request, or the items of the Responses API."""
    items: list[JsonObject] = body.get("input") or body.get("messages") or []
    return items


def is_persons(item: JsonView) -> bool:
    """Whether a person has written a message: no request to continue, no files of results."""
    text = text_of(item)
    has_text = bool(text) and not text.startswith((CONTINUE_MARK, RESULT_FILES))
    return item.get("role") == "user" and has_text


def results_in(item: JsonView) -> list[tuple[str, tuple[bool, Any]]]:
    """Return the results of tools in a message or an item, with their calls' ids."""
    return list(_results(item))


def calls_in(item: JsonView) -> list[str]:
    """Return the ids of the tool calls in a message or an item."""
    if item.get("type") == "function_call":
        return [item["call_id"]]
    calls = [call["id"] for call in item.get("tool_calls") or ()]
    return calls + [block["id"] for block in blocks_of(item) if block.get("type") == "tool_use"]


def _results(item: JsonView) -> Iterator[tuple[str, tuple[bool, Any]]]:
    if item.get("type") == "function_call_output":
        yield item["call_id"], _read_output(item["output"])
    elif item.get("role") == "tool":
        yield item["tool_call_id"], _read_output(item["content"])
    for block in blocks_of(item):
        if block.get("type") == "tool_result":
            yield block["tool_use_id"], (not block.get("is_error"), block.get("content"))


def _read_output(output: str | list[JsonObject]) -> tuple[bool, str]:
    """Return success and text of an output; OpenAI's dialects mark a failure only in the text."""
    text = output if isinstance(output, str) else "".join(block.get("text", "") for block in output)
    return not text.startswith("Error: "), text
