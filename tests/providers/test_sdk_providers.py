"""What all providers over an SDK must do alike: each test runs against each of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from jupyter_chat_stream.providers.base import (
    EndChunk,
    Prompt,
    Provider,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    ToolInputChunk,
    UsageChunk,
)
from jupyter_chat_stream.providers.openai import beginnings
from jupyter_chat_stream.providers.prompt_tools import tool_of
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import (
    Answer,
    FakeAnthropic,
    FakeMessages,
    FakeOpenAI,
    ToolUse,
    reply_to,
)
from jupyter_chat_stream.testing.fake_server import FakeServer
from tests.providers import chat, claude, messages
from tests.providers.streams import collect, collect_from, eventually, fail, first_text, text_of


@dataclass(frozen=True, kw_only=True)
class Case:
    """A provider, the fake server that it asks, and what differs between the two SDKs."""

    provider: Provider
    server: FakeServer
    make_prompt: Callable[..., Prompt]
    sdk_stream: type[Any]


@pytest.fixture(params=["claude", "messages", "chat", "responses", "background"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    if request.param == "claude":
        with FakeAnthropic() as fake:
            claude_provider = claude.make_provider(fake.url, tmp_path)
            yield Case(
                provider=claude_provider,
                server=fake,
                make_prompt=claude.make_prompt,
                sdk_stream=anthropic.AsyncStream,
            )
            await claude_provider.close()
    elif request.param == "messages":
        with FakeMessages(needs_key=True) as messages_server:
            messages_provider = messages.make_provider(messages_server.url)
            yield Case(
                provider=messages_provider,
                server=messages_server,
                make_prompt=messages.make_prompt,
                sdk_stream=anthropic.AsyncStream,
            )
            await messages_provider.close()
    else:
        with FakeOpenAI(needs_key=True) as server:
            endpoint = chat.make_provider(
                server.base_url,
                given_dialect="chat" if request.param == "chat" else "responses",
                given_background=request.param == "background",
            )
            yield Case(
                provider=endpoint,
                server=server,
                make_prompt=chat.make_prompt,
                sdk_stream=openai.AsyncStream,
            )
            await endpoint.close()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
async def test_no_character_is_lost_however_the_bytes_are_cut(size: int, case: Case) -> None:
    """Between bytes of one character, inside `data:`, between the two ends of a line (L1)."""
    text = 'é👩‍👩‍👧\u2028漢字 \\n "quoted" \t end\n\n  \x00\x7f�'
    case.server.add(Answer(text=text, thinking="größer 🤔", chunk_chars=1, cut_bytes=size))
    chunks = await collect(case.provider, case.make_prompt())
    assert text_of(chunks) == text
    assert "".join(c.text for c in chunks if isinstance(c, ReasoningChunk)) == "größer 🤔"


async def test_a_tool_call_comes_in_pieces_and_then_whole(case: Case) -> None:
    call = ToolUse(id="call_1", name="lookup", input={"city": "Zürich", "days": [1, 2]})
    second = ToolUse(id="call_2", name="now", input={})
    case.server.add(Answer(text="Let me see.", tools=(call, second), chunk_chars=5))
    tool = {"name": "lookup", "description": "…", "input_schema": {"type": "object"}}
    tools = (tool_of(tool),)

    chunks = await collect(case.provider, case.make_prompt(tools=tools))

    pieces = [c for c in chunks if isinstance(c, ToolInputChunk) and c.tool_call_id == "call_1"]
    assert pieces[0].text == ""
    assert json.loads("".join(piece.text for piece in pieces)) == call.input
    assert [c for c in chunks if isinstance(c, ToolCallChunk)] == [
        ToolCallChunk(tool_call_id="call_1", name="lookup", input=call.input),
        ToolCallChunk(tool_call_id="call_2", name="now", input={}),
    ]
    assert isinstance(chunks[-1], EndChunk)
    assert chunks[-1].stop_reason == "tool_use"
    function = {"name": "lookup", "description": "…", "parameters": {"type": "object"}}
    by_path = {
        "/v1/messages": tool,
        "/v1/chat/completions": {"type": "function", "function": function},
        "/v1/responses": {"type": "function", "strict": False, **function},
    }
    (request,) = case.server.requests
    assert request.body["tools"] == [by_path[request.path]]


@pytest.mark.parametrize("fault", ["drop", "reset"])
async def test_a_connection_that_breaks_before_the_answer_means_the_provider_is_down(
    fault: Any, case: Case
) -> None:
    case.server.add(Answer(fault=fault, before_headers=True))
    _, error = await fail(case.provider, case.make_prompt())
    assert type(error) is errors.ProviderDown
    assert error.retryable
    assert "not running" not in error.message


async def test_answers_after_each_other_share_one_connection(case: Case) -> None:
    """Setting one up costs a handshake or two: the answer is read to the end of its HTTP body."""
    case.server.set_default(Answer(end_delay_s=0.01))
    for text in "abc":
        async for chunk in case.provider.stream(case.make_prompt(text)):
            if isinstance(chunk, EndChunk):
                break
    assert case.server.connection_count == 1


async def test_an_answer_whose_connection_stays_open_comes_all_the_same(case: Case) -> None:
    case.server.add(Answer(text="all of it", end_delay_s=60))
    chunks = await collect(case.provider, case.make_prompt())
    assert text_of(chunks) == "all of it"
    assert isinstance(chunks[-1], EndChunk)


async def test_cancelling_closes_the_connection(case: Case) -> None:
    """Stop ends the upstream request (L9)."""
    server = case.server
    server.add(Answer(text="abcdefgh", chunk_chars=2, fault="silence", after_chunks=2))
    task = asyncio.ensure_future(collect(case.provider, case.make_prompt()))
    await eventually(lambda: bool(server.requests) and server.requests[0].chunks_sent == 2, server)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: server.requests[0].state == "left", server)


async def test_cancelling_before_the_first_byte_closes_the_connection(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response in the background gets some time to tell its id, so that it can be stopped."""
    monkeypatch.setattr(beginnings, "PATIENCE_S", 0.05)
    server = case.server
    server.add(Answer(fault="silence", before_headers=True))
    task = asyncio.ensure_future(collect(case.provider, case.make_prompt()))
    await eventually(lambda: bool(server.requests), server)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: server.requests[0].state == "left", server)


async def test_the_tokens_of_a_refused_answer_are_told_before_the_refusal(case: Case) -> None:
    answer = Answer(text="I won't.", refusal="no", stop_reason="refusal")
    if isinstance(case.server, FakeOpenAI):
        answer = Answer(text="I won't.", refusal="no")
    case.server.add(answer)
    told: list[UsageChunk] = []
    with pytest.raises(errors.Refusal):
        async for chunk in case.provider.stream(case.make_prompt()):
            if isinstance(chunk, UsageChunk):
                told.append(chunk)
    assert told[-1].usage["input_tokens"] > 0
    assert told[-1].usage["output_tokens"] > 0


async def test_closing_the_iterator_closes_the_connection(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[Any] = []  # so that no garbage collection can do what `aclose` must
    original = case.sdk_stream.__init__
    monkeypatch.setattr(
        case.sdk_stream,
        "__init__",
        lambda self, **given: (held.append(self), original(self, **given))[1],
    )
    server = case.server
    server.add(Answer(text="x" * 100_000, delay_s=0.001))
    stream = case.provider.stream(case.make_prompt())
    assert isinstance(await first_text(stream), TextChunk)
    await stream.aclose()
    await eventually(lambda: server.requests[0].state == "left", server)
    assert held
    again = await collect(case.provider, case.make_prompt("again"))
    assert text_of(again) == reply_to("again")


async def test_closing_the_provider_cuts_what_still_streams(case: Case) -> None:
    server = case.server
    server.add(Answer(text="abcdefgh", chunk_chars=2, fault="silence", after_chunks=1))
    stream = case.provider.stream(case.make_prompt())
    assert await first_text(stream) == TextChunk(text="ab")
    await case.provider.close()
    with pytest.raises(errors.StreamCut):
        await collect_from(stream)
    await eventually(lambda: server.requests[0].state == "left", server)
