"""Rounds of tool calls in each dialect: the real SDKs against the fake servers of real tool blocks.

The fakes refuse what the real APIs refuse: a call without its result, a result without its call,
ids and inputs of a wrong form, and thinking that does not come back in a loop of calls.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import (
    Chunk,
    EndChunk,
    Prompt,
    Provider,
    ProviderDataChunk,
    ReasoningBlock,
    TextBlock,
    TextChunk,
    Tool,
    ToolCallChunk,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    Upstream,
    UpstreamChunk,
    text_turn,
)
from jupyter_chat_stream.providers.call_ids import MAX_ID_CHARS, CallIds, api_id
from jupyter_chat_stream.testing import (
    Answer,
    FakeAnthropic,
    FakeMessages,
    FakeOpenAI,
    ToolUse,
    in_rounds,
    results_of,
    rounds_of,
)
from jupyter_chat_stream.testing.fake_server import FakeServer
from tests.providers import chat, claude, messages, responses
from tests.providers.blocks import PDF, PNG
from tests.providers.streams import collect, text_of

LONG_IDS = ("x" * 257, "y" * 5_000)  # longer than an address or an index of a database takes
TOOL = Tool(name="sql", description="Ask.", input_schema={"type": "object", "properties": {}})
BUDGET = {"thinking": {"budget_tokens": 1024}}


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """A provider, its fake server, and a prompt for it."""

    name: str
    provider: Provider
    server: FakeServer
    make_prompt: Callable[..., Prompt]


@contextmanager
def _serving(name: str, tmp_path: Path) -> Iterator[Dialect]:
    if name == "claude":
        with FakeAnthropic() as fake:
            made: Any = claude.make_provider(fake.url, tmp_path)
            yield Dialect(name=name, provider=made, server=fake, make_prompt=_claude_prompt)
    elif name == "messages":
        with FakeMessages() as fake:
            made = messages.make_provider(fake.url)
            yield Dialect(name=name, provider=made, server=fake, make_prompt=messages.make_prompt)
    else:
        with FakeOpenAI(models=(responses.THINKER,)) as server:
            of: Any = responses if name == "responses" else chat
            made = of.make_provider(server.base_url)
            yield Dialect(name=name, provider=made, server=server, make_prompt=chat.make_prompt)


def _claude_prompt(text: str = "hello", **changes: Any) -> Prompt:
    return claude.make_prompt(text, **{"model": "claude-haiku-4-5", "params": BUDGET, **changes})


@pytest.fixture(params=["claude", "messages", "chat", "responses"])
async def dialect(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Dialect]:
    with _serving(request.param, tmp_path) as made:
        refresh = getattr(made.provider, "refresh", None)
        if refresh is not None:  # the model's abilities, as a run asks for them
            await refresh()
        yield made
        await made.provider.close()


def calls_of(chunks: list[Chunk]) -> list[ToolCallChunk]:
    return [chunk for chunk in chunks if isinstance(chunk, ToolCallChunk)]


def go_on(prompt: Prompt, chunks: list[Chunk], *results: tuple[bool, Any]) -> Prompt:
    """Return the prompt of the next round, as a run makes it of what came."""
    blocks: list[Any] = []
    for chunk in chunks:
        if isinstance(chunk, TextChunk):
            blocks.append(TextBlock(text=chunk.text))
        elif isinstance(chunk, ProviderDataChunk):
            blocks.append(ReasoningBlock(data=chunk.data))
        elif isinstance(chunk, ToolCallChunk):
            id_, name = chunk.tool_call_id, chunk.name
            blocks.append(ToolUseBlock(tool_call_id=id_, name=name, input=chunk.input))
    told = [
        ToolResultBlock(
            tool_call_id=call.tool_call_id, name=call.name, success=success, output=output
        )
        for call, (success, output) in zip(calls_of(chunks), results, strict=True)
    ]
    said = Turn(role="assistant", blocks=tuple(blocks))
    return replace(prompt, turns=(*prompt.turns, said, Turn(role="user", blocks=tuple(told))))


# ------------------------------------------------------------------------------ whole rounds


async def test_nested_rounds_go_back_as_they_came(dialect: Dialect) -> None:
    """Several calls in one message, thinking in between, then a round that follows from them."""
    first = [ToolUse(id="c1", name="sql", input={"q": "ä"}), ToolUse(id="c2", name="sql")]
    rule = in_rounds(
        Answer(thinking="First look.", text="I look.", tools=tuple(first)),
        Answer(thinking="Then add.", text="", tools=(ToolUse(id="c3", name="sql"),)),
        Answer(thinking="Done.", text="It is 3."),
    )
    dialect.server.set_default(rule)
    prompt = dialect.make_prompt("Sum?", tools=(TOOL,))
    one = await collect(dialect.provider, prompt)
    assert [(call.tool_call_id, call.input) for call in calls_of(one)] == [
        ("c1", {"q": "ä"}),
        ("c2", {}),
    ]
    second = go_on(prompt, one, (True, {"n": "ü"}), (False, "There is no table."))
    two = await collect(dialect.provider, second)
    third = go_on(second, two, (True, ""))
    three = await collect(dialect.provider, third)

    assert text_of(three) == "It is 3."
    end = three[-1]
    assert isinstance(end, EndChunk)
    assert end.stop_reason == "end_turn"
    sent = dialect.server.requests
    assert [request.state for request in sent] == ["done"] * 3, [r.body for r in sent]
    assert [rounds_of(request.body) for request in sent] == [0, 1, 2]
    told = results_of(sent[-1].body)
    assert told["c1"] == (True, '{"n": "ü"}')
    assert told["c2"][0] is False
    assert "There is no table." in told["c2"][1]
    assert list(told) == ["c1", "c2", "c3"]
    assert _thought(sent[-1].body) == ["First look.", "Then add."]


async def test_the_files_of_results_go_to_the_model_with_them(dialect: Dialect) -> None:
    """In Chat Completions a result is only text, and in the Messages API that of a failed call."""
    tools = (ToolUse(id="c1", name="sql"), ToolUse(id="c2", name="sql"))
    dialect.server.set_default(in_rounds(Answer(text="", tools=tools), Answer(text="A line.")))
    prompt = dialect.make_prompt("Draw.", tools=(TOOL,), params={})
    asked = go_on(prompt, await collect(dialect.provider, prompt), (True, "drawn"), (False, "no"))
    drawn, failed = asked.turns[-1].blocks
    drawn, failed = replace(drawn, files=(PNG, PDF)), replace(failed, files=(PNG,))  # type: ignore[type-var]
    turns = (*asked.turns[:-1], Turn(role="user", blocks=(drawn, failed)))
    assert text_of(await collect(dialect.provider, replace(asked, turns=turns))) == "A line."
    request = dialect.server.requests[-1]
    assert request.state == "done", request.body
    assert rounds_of(request.body) == 1
    sent = json.dumps(request.body)
    image = base64.b64encode(PNG.data).decode()
    assert (sent.count(image), sent.count(base64.b64encode(PDF.data).decode())) == (2, 1)
    kinds = {
        "claude": ["text", "image", "document"],
        "messages": ["text", "image", "document"],
        "responses": ["input_text", "input_image", "input_file"],
        "chat": ["text", "text", "image_url", "text", "file", "text", "image_url"],
    }
    assert _kinds_of_results(request.body, dialect.name) == kinds[dialect.name]


def _kinds_of_results(body: dict[str, Any], dialect: str) -> list[str]:
    """The types of the blocks that hold the files of the first result."""
    if dialect == "responses":
        output = next(it for it in body["input"] if it.get("type") == "function_call_output")
        return [block["type"] for block in output["output"]]
    content = body["messages"][-1]["content"]
    if dialect == "chat":
        return [block["type"] for block in content]
    assert [block["type"] for block in content] == ["tool_result", "tool_result", "image"]
    return [block["type"] for block in content[0]["content"]]


def _thought(body: dict[str, Any]) -> list[str]:
    """Return the thinking that goes back in a request, in its order."""
    found = []
    for item in body.get("input") or body["messages"]:
        if item.get("type") == "reasoning":
            found.append(item["summary"][0]["text"])
        found += [item["reasoning_content"]] if "reasoning_content" in item else []
        content = item.get("content")
        for block in content if isinstance(content, list) else ():
            found += [block["thinking"]] if block.get("type") == "thinking" else []
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_calls_come_whole_however_bytes_and_json_are_cut(size: int, dialect: Dialect) -> None:
    """In the middle of a character, and of an escape of the JSON."""
    given = {"q": 'é👩‍👩‍👧 "漢字" \n \\', "of": [{"ü": None}], "n": 1.5}
    tools = (ToolUse(id="c1", name="sql", input=given), ToolUse(id="c2", name="sql", input=given))
    dialect.server.add(Answer(text="Ü", tools=tools, chunk_chars=size, cut_bytes=size))
    chunks = await collect(dialect.provider, dialect.make_prompt(tools=(TOOL,)))
    assert [(call.input, call.error) for call in calls_of(chunks)] == [(given, ""), (given, "")]


@pytest.mark.parametrize("raw", ['{"q": "SELECT', "[1]", '{"q": NaN}', "\x00", "null", '{"a":1}}'])
async def test_a_broken_input_is_a_call_that_fails_and_the_model_may_call_again(
    raw: str, dialect: Dialect
) -> None:
    broken, fine = (
        ToolUse(id="c1", name="sql", raw=raw),
        ToolUse(id="c2", name="sql", input={"q": 1}),
    )
    dialect.server.set_default(in_rounds(Answer(text="", tools=(broken, fine)), Answer(text="Ok.")))
    prompt = dialect.make_prompt(tools=(TOOL,), params={})
    chunks = await collect(dialect.provider, prompt)
    by_id = {call.tool_call_id: call for call in calls_of(chunks)}
    assert by_id["c1"].input == {}
    assert by_id["c1"].error.startswith("The input of this call is not a JSON object")
    assert (by_id["c2"].input, by_id["c2"].error) == ({"q": 1}, "")
    results = [(not call.error, call.error or "1") for call in calls_of(chunks)]
    again = await collect(dialect.provider, go_on(prompt, chunks, *results))
    assert text_of(again) == "Ok."
    assert results_of(dialect.server.requests[-1].body)["c1"][0] is False


async def test_an_unknown_tool_is_a_call_like_any_other(dialect: Dialect) -> None:
    """The run refuses it; its name may have a form that the APIs refuse in a request."""
    called = ToolUse(id="c1", name="functions.drop table; ü", input={})
    dialect.server.set_default(in_rounds(Answer(text="", tools=(called,)), Answer(text="Sorry.")))
    prompt = dialect.make_prompt(tools=(TOOL,), params={})
    chunks = await collect(dialect.provider, prompt)
    (call,) = calls_of(chunks)
    assert call.name == "functions.drop table; ü"
    again = await collect(
        dialect.provider, go_on(prompt, chunks, (False, "There is no such tool."))
    )
    assert text_of(again) == "Sorry."


async def test_each_call_has_an_id_that_no_other_call_of_the_prompt_has(dialect: Dialect) -> None:
    """L12, although the server sends the same id in each round, and one that other APIs refuse."""
    odd = ToolUse(id="functions.sql:0", name="sql")
    dialect.server.set_default(Answer(text="", tools=(odd, odd)))
    prompt = dialect.make_prompt(tools=(TOOL,), params={})
    one = await collect(dialect.provider, prompt)
    second = go_on(prompt, one, (True, 1), (True, 2))
    two = await collect(dialect.provider, second)
    third = go_on(second, two, (True, 3), (True, 4))
    await collect(dialect.provider, third)
    ids = [call.tool_call_id for chunks in (one, two) for call in calls_of(chunks)]
    assert len(set(ids)) == 4
    assert all(request.state == "done" for request in dialect.server.requests)
    told = results_of(dialect.server.requests[-1].body)
    assert [output for _, output in told.values()] == ["1", "2", "3", "4"]


async def test_an_attempt_that_died_in_round_two_goes_on_with_its_text(dialect: Dialect) -> None:
    """The prompt holds the rounds so far and the partial text; no call is made again (L12)."""
    dialect.server.set_default(
        in_rounds(
            Answer(text="", tools=(ToolUse(id="c1", name="sql"),)), Answer(text="It is three.")
        )
    )
    prompt = dialect.make_prompt(tools=(TOOL,), params={})
    one = await collect(dialect.provider, prompt)
    second = replace(go_on(prompt, one, (True, 3)), partial="It is ")
    two = await collect(dialect.provider, second)
    assert text_of(two) == "three."
    request = dialect.server.requests[-1]
    assert request.is_continuation
    assert request.user_text == "hello"
    assert request.state == "done"


async def test_results_before_a_persons_words_are_one_turn(dialect: Dialect) -> None:
    """An answer that was stopped after its results, and the next message."""
    use = ToolUseBlock(tool_call_id="c1", name="sql", input={})
    back = ToolResultBlock(tool_call_id="c1", name="sql", success=True, output=[1])
    turns = (
        text_turn("user", "Sum?"),
        Turn(role="assistant", blocks=(use,)),
        Turn(role="user", blocks=(back, TextBlock(text="Go on.")), cache=True),
    )
    dialect.server.add(Answer(text="Ok."))
    prompt = dialect.make_prompt(turns=turns, tools=(TOOL,), params={})
    assert text_of(await collect(dialect.provider, prompt)) == "Ok."
    (request,) = dialect.server.requests
    assert request.user_text == "Go on."
    assert results_of(request.body) == {"c1": (True, "[1]")}


async def test_a_call_that_the_length_cut_is_no_call(dialect: Dialect) -> None:
    words = {"chat": "length", "responses": "max_output_tokens"}
    reason = words.get(dialect.name, "max_tokens")
    cut = ToolUse(id="c1", name="sql", raw='{"q": "SELECT')
    dialect.server.add(Answer(text="I look.", tools=(cut,), stop_reason=reason))
    chunks = await collect(dialect.provider, dialect.make_prompt(tools=(TOOL,)))
    assert calls_of(chunks) == []
    end = chunks[-1]
    assert isinstance(end, EndChunk)
    assert end.stop_reason == "max_tokens"


async def test_a_server_that_takes_no_reasoning_back_goes_on_without_it() -> None:
    """It refuses the field by its name; reasoning of another model is not sent to begin with."""
    with FakeOpenAI() as server:
        lab = chat.make_provider(server.base_url)
        use = ToolUse(id="c1", name="sql")
        server.set_default(
            in_rounds(Answer(thinking="Hm.", text="", tools=(use,)), Answer(text="3"))
        )
        prompt = chat.make_prompt(tools=(TOOL,))
        second = go_on(prompt, await collect(lab, prompt), (True, 3))
        said = "Unsupported field 'reasoning_content' in messages[1]"
        server.add(Answer(status=400, error_type="invalid_request_error", error_message=said))
        assert text_of(await collect(lab, second)) == "3"
        sent = ["reasoning_content" in str(request.body) for request in server.requests]
        assert sent == [False, True, False]
        other = replace(second.turns[1].blocks[0], data={"model": "other", "text": "Hm."})
        turns = (
            second.turns[0],
            replace(second.turns[1], blocks=(other, *second.turns[1].blocks[1:])),
        )
        await collect(lab, replace(second, turns=(*turns, second.turns[2])))
        assert "Hm." not in str(server.requests[-1].body)
        await lab.close()


# ----------------------------------------------------------------- the second round, joined again


async def test_the_second_round_is_joined_again_where_it_was() -> None:
    """L15: the upstream of round two has its own handle; the rounds before are not asked again."""
    with FakeOpenAI(models=(responses.THINKER,)) as server:
        lab = responses.make_provider(server.base_url)
        await lab.refresh()
        server.set_default(
            in_rounds(
                Answer(thinking="Look.", text="", tools=(ToolUse(id="c1", name="sql"),)),
                Answer(thinking="Add.", text="It is three.", chunk_chars=3),
            )
        )
        prompt = chat.make_prompt(tools=(TOOL,))
        one = await collect(lab, prompt)
        second = go_on(prompt, one, (True, 3))
        whole = await collect(lab, second)
        places = [at for at, chunk in enumerate(whole) if isinstance(chunk, UpstreamChunk)]
        handles = {
            str(chunk.handle["response_id"]) for chunk in whole if isinstance(chunk, UpstreamChunk)
        }
        assert handles == {"resp_fake_2"}
        for at in places[:: max(1, len(places) // 6)]:
            place = whole[at]
            assert isinstance(place, UpstreamChunk)
            upstream = Upstream(handle=place.handle, cursor=place.cursor)
            partial = text_of(whole[:at])
            rest = await collect(lab, replace(second, partial=partial, upstream=upstream))
            assert partial + text_of(rest) == "It is three."
        assert len(server.requests) == 2
        await lab.close()


def test_a_very_long_id_of_a_call_becomes_one_that_every_address_and_database_takes() -> None:
    """L12: different ids stay different, and the same id does not come twice."""
    ids = CallIds(chat.make_prompt("hello"))
    taken = [ids.take(id_) for id_ in (*LONG_IDS, *LONG_IDS)]
    assert len(set(taken)) == len(taken)
    assert all(0 < len(id_) <= MAX_ID_CHARS for id_ in taken)
    assert taken[:2] == [api_id(id_) for id_ in LONG_IDS]
    assert ids.take("z" * MAX_ID_CHARS) == "z" * MAX_ID_CHARS
