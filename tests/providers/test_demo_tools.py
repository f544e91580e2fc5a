"""``demo/tools`` calls the tools that the message names, in rounds, and tells what came back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import (
    Chunk,
    EndChunk,
    Prompt,
    TextBlock,
    TextChunk,
    Tool,
    ToolCallChunk,
    ToolInputChunk,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    text_turn,
)
from jupyter_chat_stream.providers.demo import DemoProvider

NUMBERS = {"a": {"type": "number"}, "b": {"type": "number"}}
ADD = Tool(name="add", input_schema={"properties": NUMBERS, "required": ["a", "b"]})
NOW = Tool(name="now", input_schema={"type": "object"})
RUN = Tool(name="kernel", input_schema={"properties": {"operation": {"enum": ["run", "inspect"]}}})


def ask(text: str, *more: Turn, **changes: Any) -> Prompt:
    turns = (text_turn("user", text), *more)
    return Prompt(**{"model": "tools", "turns": turns, "tools": (ADD, NOW, RUN), **changes})


async def collect(prompt: Prompt) -> list[Chunk]:
    return [chunk async for chunk in DemoProvider(pace=0).stream(prompt)]


def calls_of(chunks: list[Chunk]) -> list[tuple[str, Any]]:
    return [(it.name, it.input) for it in chunks if isinstance(it, ToolCallChunk)]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))


def end_of(chunks: list[Chunk]) -> str:
    end = chunks[-1]
    assert isinstance(end, EndChunk)
    return end.stop_reason


async def through(prompt: Prompt, *outputs: Any) -> tuple[list[list[tuple[str, Any]]], str]:
    """Answer the calls of each round in order; returns the calls by round, and the last text."""
    rounds: list[list[tuple[str, Any]]] = []
    left = list(outputs)
    while True:
        chunks = await collect(prompt)
        made = [chunk for chunk in chunks if isinstance(chunk, ToolCallChunk)]
        if not made:
            assert end_of(chunks) == "end_turn"
            return rounds, text_of(chunks)
        assert end_of(chunks) == "tool_use"
        rounds.append(calls_of(chunks))
        used: list[ToolUseBlock] = []
        told: list[ToolResultBlock] = []
        for call in made:
            id_, output = call.tool_call_id, left.pop(0)
            is_wrong = isinstance(output, Exception)
            used.append(ToolUseBlock(tool_call_id=id_, name=call.name, input=call.input))
            told.append(
                ToolResultBlock(
                    tool_call_id=id_,
                    name=call.name,
                    success=not is_wrong,
                    output=str(output) if is_wrong else output,
                )
            )
        said = Turn(role="assistant", blocks=(TextBlock(text=text_of(chunks)), *used))
        results = Turn(role="user", blocks=tuple(told))
        prompt = replace(prompt, turns=(*prompt.turns, said, results))


@pytest.mark.parametrize(
    ("message", "rounds"),
    [
        ('add {"a": 1, "b": 2}', [[("add", {"a": 1, "b": 2})]]),
        ('Please use add{"a": 1} and add {"a":\n 2}', [[("add", {"a": 1}), ("add", {"a": 2})]]),
        ('add {"a": 1}, then `now` and now()', [[("add", {"a": 1})], [("now", {}), ("now", {})]]),
        ('no_such_tool {"x": []} Then now()', [[("no_such_tool", {"x": []})], [("now", {})]]),
        ('kernel {"operation": "run", "code": "d = {1: 2}\\nthen(d)"}',
         [[("kernel", {"operation": "run", "code": "d = {1: 2}\nthen(d)"})]]),
    ],
)  # fmt: skip
async def test_the_message_is_the_plan(message: str, rounds: Any) -> None:
    assert (await through(ask(message), 1, 2, 3))[0] == rounds


@pytest.mark.parametrize("message", ["Hello", "the set {1, 2}", "a `name` and f()", "add {a}?"])
async def test_words_that_name_no_call_are_none(message: str) -> None:
    chunks = await collect(ask(message, tools=(NOW,)))
    assert calls_of(chunks) == []
    assert "`now {}`" in text_of(chunks)


async def test_results_are_told_as_they_came() -> None:
    message = 'add {"a": 1} now() then kernel {"operation": "run"}'
    outputs = 3.5, RuntimeError("There is no clock."), "a\n```\nb"
    _, text = await through(ask(message), *outputs)
    assert "- `add` returned: `3.5`" in text
    assert "- `now` failed: `There is no clock.`" in text
    assert "- `kernel` returned:\n\n````text\na\n```\nb\n````" in text


async def test_a_broken_input_is_a_call_that_fails() -> None:
    (call,) = [it for it in await collect(ask('add {"a": 1,\nok')) if isinstance(it, ToolCallChunk)]
    assert (call.name, call.input) == ("add", {})
    assert "not a JSON object" in call.error


async def test_a_call_streams_its_input_and_has_an_id_of_its_own() -> None:
    """L12: also where an earlier message of the thread has asked for the same."""
    chunks = await collect(ask('add {"a": 1, "b": 2}'))
    pieces = [it for it in chunks if isinstance(it, ToolInputChunk)]
    (call,) = [it for it in chunks if isinstance(it, ToolCallChunk)]
    assert len(pieces) > 2
    assert "".join(it.text for it in pieces) == '{"a": 1, "b": 2}'
    use = ToolUseBlock(tool_call_id=call.tool_call_id, name="add", input={})
    back = ToolResultBlock(tool_call_id=call.tool_call_id, name="add", success=True, output=3)
    before = Turn(role="assistant", blocks=(use,)), Turn(role="user", blocks=(back,))
    said = text_turn("assistant", "3"), text_turn("user", 'add {"a": 1, "b": 2}')
    (again,) = [
        it for it in await collect(ask("first", *before, *said)) if isinstance(it, ToolCallChunk)
    ]
    assert again.tool_call_id != call.tool_call_id


async def test_a_round_that_was_cut_between_its_calls_goes_on_with_the_others() -> None:
    """The calls that are in the log are a round of their own; none is made twice (L12)."""
    use = ToolUseBlock(tool_call_id="demo-1-1", name="add", input={"a": 1})
    back = ToolResultBlock(tool_call_id="demo-1-1", name="add", success=True, output=3)
    prompt = ask(
        'add {"a": 1} now() then now()',
        Turn(role="assistant", blocks=(use,)),
        Turn(role="user", blocks=(back,)),
    )
    assert (await through(prompt, 1, 2))[0] == [[("now", {})], [("now", {})]]


@pytest.mark.parametrize("has_result", [False, True])
async def test_each_round_goes_on_after_a_cut_at_every_place(has_result: bool) -> None:
    use = ToolUseBlock(tool_call_id="demo-1-1", name="now", input={})
    back = ToolResultBlock(tool_call_id="demo-1-1", name="now", success=True, output="noon")
    rounds = Turn(role="assistant", blocks=(use,)), Turn(role="user", blocks=(back,))
    prompt = ask("now()", *(rounds if has_result else ()))
    whole = text_of(await collect(prompt))
    for cut in range(1, len(whole) + 1):
        chunks = await collect(replace(prompt, partial=whole[:cut]))
        assert whole[:cut] + text_of(chunks) == whole
        assert len(calls_of(chunks)) == (not has_result)


async def test_without_a_call_the_tools_are_listed_with_inputs_to_try() -> None:
    text = text_of(await collect(ask("What can you do?")))
    assert '- `add {"a": 1, "b": 1}`' in text
    assert '- `kernel {"operation": "run"}`' in text
    for line in ('add {"a": 1, "b": 1}', 'kernel {"operation": "run"}'):
        assert len(calls_of(await collect(ask(line)))) == 1
    assert "@chat.tool" in text_of(await collect(ask("What can you do?", tools=())))


async def test_an_answer_cut_by_its_length_calls_nothing() -> None:
    chunks = await collect(ask("now()", max_tokens=2))
    assert calls_of(chunks) == []
    assert end_of(chunks) == "max_tokens"
