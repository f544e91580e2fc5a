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
    calls, made = _plan(prompt), _used(prompt)
    if not calls:
        return LABEL + _help(prompt)
    following = _following(calls, made)
    if following:
        names = " and ".join(dict.fromkeys(f"`{call.name}`" for call in following))
        return f"Then I call {names}.\n" if made else f"{LABEL}I call {names}.\n"
    told = "\n".join(map(_told, _results(prompt)))
    return f"Here is what came back:\n\n{told}"


def calls(prompt: Prompt, piece_chars: int) -> Iterator[Chunk]:
    """Yield the calls of this round, their inputs in pieces."""
    ids, made = CallIds(prompt), _used(prompt)
    number = sum(map(_is_persons, prompt.turns))
    for index, call in enumerate(_following(_plan(prompt), made), made):
        id_ = ids.take(f"demo-{number}-{index + 1}")
        yield ToolInputChunk(tool_call_id=id_, name=call.name, text="")
        for start in range(0, len(call.json), piece_chars):
            piece = call.json[start : start + piece_chars]
            yield ToolInputChunk(tool_call_id=id_, name=call.name, text=piece)
        given = input_of(call.json)
        if isinstance(given, str):
            yield ToolCallChunk(tool_call_id=id_, name=call.name, input={}, error=given)
        else:
            yield ToolCallChunk(tool_call_id=id_, name=call.name, input=given)


def has_calls(prompt: Prompt) -> bool:
    """Return whether this round makes calls."""
    return bool(_following(_plan(prompt), _used(prompt)))


def _plan(prompt: Prompt) -> list[PlannedCall]:
    """Return all calls that the last message of the person asks for."""
    asked = next((turn.text for turn in reversed(prompt.turns) if _is_persons(turn)), "")
    names = {tool.name for tool in prompt.tools}
    found: list[PlannedCall] = []
    end = number = 0
    while len(found) < MAX_CALLS and (match := _CALL.search(asked, end)) is not None:
        written = _written(asked, match, names)
        if written is not None:
            number += bool(found) and _THEN.search(asked, end, match.start()) is not None
            name = next(filter(None, match.groups()))
            found.append(PlannedCall(round=number, name=name, json=written))
        end = match.end() + len(written or "" if match[1] else "")
    return found


def _written(asked: str, match: re.Match[str], names: set[str]) -> str | None:
    """Return the JSON of a call as the person has written it; None if the match is no call."""
    if match[1] is None:
        return "{}" if (match[2] or match[3]) in names else None
    try:
        _, end = json.JSONDecoder(strict=False).raw_decode(asked, match.end())
    except (ValueError, RecursionError):
        broken = asked[match.end() :].splitlines()[0]
        return broken if match[1] in names else None
    return asked[match.end() : end]


def _following(plan: list[PlannedCall], made: int) -> list[PlannedCall]:
    """Return the calls of the next round, without calls that were made already."""
    return [call for call in plan[made:] if call.round == plan[made].round]


def _used(prompt: Prompt) -> int:
    """Count the calls that were made since the person's last message."""
    return sum(isinstance(block, ToolUseBlock) for block in _since(prompt))


def _results(prompt: Prompt) -> list[ToolResultBlock]:
    return [block for block in _since(prompt) if isinstance(block, ToolResultBlock)]


def _since(prompt: Prompt) -> Iterator[object]:
    """Yield the blocks of the turns after the person's last message."""
    last = max((i for i, turn in enumerate(prompt.turns) if _is_persons(turn)), default=-1)
    for turn in prompt.turns[last + 1 :]:
        yield from turn.blocks


def _is_persons(turn: Turn) -> bool:
    return turn.role == "user" and not all(isinstance(it, ToolResultBlock) for it in turn.blocks)


def _told(result: ToolResultBlock) -> str:
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
    wanted = schema.get("required") or list(fields)[:1]
    return {name: _value(fields.get(name)) for name in wanted if isinstance(name, str)}


def _value(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return "text"
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    samples = {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}, "null": None}
    return samples.get(str(schema.get("type")), "text")
