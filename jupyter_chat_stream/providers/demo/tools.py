"""The demo model ``tools``: calls the tools that a message names, and writes their results.

All functions depend only on the prompt. So an attempt after a crash makes the same calls, and no
call twice (L12). The person's message names the calls:

::

    add {"a": 1, "b": 2}         a call: a name and a JSON object
    `now`  or  now()             a call with {}, if such a tool is on
    add {…} add {…}              two calls in one round
    add {…} then add {…}         two rounds: the second call waits for the first result
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...shared.json_objects import JsonObject, JsonView
from ..base import (
    Chunk,
    Prompt,
    Tool,
    ToolCallChunk,
    ToolInputChunk,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
)
from ..call_ids import CallIds
from ..call_inputs import input_of
from .answers import LABEL

MAX_CALLS = 32  # in one answer
MAX_LINE_CHARS = 100  # a longer output becomes a code block
MAX_OUTPUT_CHARS = 4_000

_NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,63}"
_CALL = re.compile(rf"(?<![\w-])({_NAME})[ \t]*(?=\{{)|`({_NAME})`|(?<![\w-])({_NAME})\(\)")
_THEN = re.compile(r"\bthen\b", re.IGNORECASE)
_BACKTICKS = re.compile(r"`+")

_NO_TOOLS = """No tools are on in this chat. A function in a notebook becomes one:

```python
@chat.tool
def add(a: float, b: float) -> float:
    \"\"\"Add two numbers.\"\"\"
    return a + b
```

Then write `add {"a": 1, "b": 2}`, and I call it.
"""


@dataclass(frozen=True, kw_only=True)
class PlannedCall:
    """A call that the person's message asks for."""

    round: int
    name: str
    json: str  # the input, as the person has written it


def text(prompt: Prompt) -> str:
    """Return the text of this round: before its calls, or after the last results."""
    calls, made_count = _plan(prompt), _made_count(prompt)
    if not calls:
        return LABEL + _help(prompt)
    next_calls = _next_round(calls, made_count)
    if next_calls:
        names = " and ".join(dict.fromkeys(f"`{call.name}`" for call in next_calls))
        return f"Then I call {names}.\n" if made_count else f"{LABEL}I call {names}.\n"
    results = "\n".join(map(_describe, _results(prompt)))
    return f"Here is what came back:\n\n{results}"


def calls(prompt: Prompt, piece_chars: int) -> Iterator[Chunk]:
    """Yield the calls of this round, their inputs in pieces."""
    ids, made_count = CallIds(prompt), _made_count(prompt)
    number = sum(map(_is_persons, prompt.turns))
    for index, call in enumerate(_next_round(_plan(prompt), made_count), made_count):
        id_ = ids.take(f"demo-{number}-{index + 1}")
        yield ToolInputChunk(tool_call_id=id_, name=call.name, text="")
        for start in range(0, len(call.json), piece_chars):
            piece = call.json[start : start + piece_chars]
            yield ToolInputChunk(tool_call_id=id_, name=call.name, text=piece)
        call_input = input_of(call.json)
        if isinstance(call_input, str):
            yield ToolCallChunk(tool_call_id=id_, name=call.name, input={}, error=call_input)
        else:
            yield ToolCallChunk(tool_call_id=id_, name=call.name, input=call_input)


def has_calls(prompt: Prompt) -> bool:
    """Return whether this round makes calls."""
    return bool(_next_round(_plan(prompt), _made_count(prompt)))


def _plan(prompt: Prompt) -> list[PlannedCall]:
    """Return all calls that the last message of the person asks for."""
    message = next((turn.text for turn in reversed(prompt.turns) if _is_persons(turn)), "")
    names = {tool.name for tool in prompt.tools}
    plan: list[PlannedCall] = []
    end = number = 0
    while len(plan) < MAX_CALLS and (match := _CALL.search(message, end)) is not None:
        input_json = _input_json(message, match, names)
        if input_json is not None:
            number += bool(plan) and _THEN.search(message, end, match.start()) is not None
            name = next(filter(None, match.groups()))
            plan.append(PlannedCall(round=number, name=name, json=input_json))
        end = match.end() + len(input_json or "" if match[1] else "")
    return plan


def _input_json(message: str, match: re.Match[str], names: set[str]) -> str | None:
    """Return the JSON of a call as the person has written it; None if the match is no call."""
    if match[1] is None:
        return "{}" if (match[2] or match[3]) in names else None
    try:
        _, end = json.JSONDecoder(strict=False).raw_decode(message, match.end())
    except (ValueError, RecursionError):
        line = message[match.end() :].splitlines()[0]
        return line if match[1] in names else None
    return message[match.end() : end]


def _next_round(plan: list[PlannedCall], made_count: int) -> list[PlannedCall]:
    """Return the calls of the next round, without calls that were made already."""
    return [call for call in plan[made_count:] if call.round == plan[made_count].round]


def _made_count(prompt: Prompt) -> int:
    """Count the calls that were made since the person's last message."""
    return sum(isinstance(block, ToolUseBlock) for block in _recent_blocks(prompt))


def _results(prompt: Prompt) -> list[ToolResultBlock]:
    return [block for block in _recent_blocks(prompt) if isinstance(block, ToolResultBlock)]


def _recent_blocks(prompt: Prompt) -> Iterator[object]:
    """Yield the blocks of the turns after the person's last message."""
    last = max((i for i, turn in enumerate(prompt.turns) if _is_persons(turn)), default=-1)
    for turn in prompt.turns[last + 1 :]:
        yield from turn.blocks


def _is_persons(turn: Turn) -> bool:
    return turn.role == "user" and not all(
        isinstance(block, ToolResultBlock) for block in turn.blocks
    )


def _describe(result: ToolResultBlock) -> str:
    verb = "returned" if result.success else "failed"
    output = result.output_text[:MAX_OUTPUT_CHARS]
    output += "…" if len(output) < len(result.output_text) else ""
    if len(output) <= MAX_LINE_CHARS and "\n" not in output and "`" not in output:
        return f"- `{result.name}` {verb}: `{output.strip() or ' '}`\n"
    longest = max((len(run) for run in _BACKTICKS.findall(output)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"- `{result.name}` {verb}:\n\n{fence}text\n{output}\n{fence}\n"


def _help(prompt: Prompt) -> str:
    if not prompt.tools:
        return _NO_TOOLS
    lines = (
        f"- `{tool.name} {json.dumps(_example(tool), ensure_ascii=False)}`\n"
        for tool in prompt.tools
    )
    return (
        "I call the tools that your message names, and tell you what they return. These are on; "
        f"write one of these lines, or two with *then* between them:\n\n{''.join(lines)}"
    )


def _example(tool: Tool) -> JsonObject:
    """Return an example input, which fits most schemas."""
    schema: JsonView = tool.input_schema or {}
    fields = schema.get("properties")
    fields = fields if isinstance(fields, Mapping) else {}
    required = schema.get("required") or list(fields)[:1]
    return {name: _value(fields.get(name)) for name in required if isinstance(name, str)}


def _value(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return "text"
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    samples = {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}, "null": None}
    return samples.get(str(schema.get("type")), "text")
