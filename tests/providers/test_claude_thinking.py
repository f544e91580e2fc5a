"""Thinking of earlier answers goes back to Claude; the fake API knows its own signatures."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chat_stream.providers.anthropic import AnthropicProvider
from jupyter_chat_stream.providers.base import (
    ProviderDataChunk,
    ReasoningBlock,
    ReasoningChunk,
    TextChunk,
    Turn,
    UsageChunk,
    text_turn,
)
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import Answer, FakeAnthropic
from tests.providers.blocks import assistant, kinds, say, user
from tests.providers.claude import make_prompt
from tests.providers.streams import collect, fail, text_of


def thoughts(turn: Turn) -> list[dict[str, Any]]:
    return [dict(block.data) for block in turn.blocks if isinstance(block, ReasoningBlock)]


async def answered(provider: AnthropicProvider, fake: FakeAnthropic, **answer: Any) -> Turn:
    """Let the fake answer; return the answer as a turn of the next prompt."""
    fake.add(Answer(**answer))
    chunks = await collect(provider, make_prompt(params={"thinking": True}))
    blocks = [ReasoningBlock(data=c.data) for c in chunks if isinstance(c, ProviderDataChunk)]
    return assistant(*blocks, say(text_of(chunks)))


async def test_a_block_of_thinking_comes_as_data_at_its_end_and_before_the_text(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.add(Answer(thinking="First I wonder.", redacted="secret", text="Then.", chunk_chars=6))

    chunks = await collect(provider, make_prompt(params={"thinking": True}))

    kept = [type(chunk) for chunk in chunks]
    assert kept[:3] == [ReasoningChunk] * 3
    assert kept[3:6] == [ProviderDataChunk, ProviderDataChunk, TextChunk]
    data = [chunk.data for chunk in chunks if isinstance(chunk, ProviderDataChunk)]
    assert [it["type"] for it in data] == ["thinking", "redacted_thinking"]
    assert data[0]["thinking"] == "First I wonder."
    assert data[0]["signature"]


async def test_thinking_goes_back_unchanged_before_the_text_of_its_turn(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    """The fake API knows its own signatures, and refuses a block that was changed."""
    turn = await answered(provider, fake, thinking="Hm … ½ \n", redacted="secret", text="Yes.")

    await collect(provider, make_prompt(turns=(text_turn("user", "a"), turn, user(say("b")))))

    sent = fake.requests[-1].body["messages"][1]["content"]
    assert [block["type"] for block in sent] == ["thinking", "redacted_thinking", "text"]
    assert sent[:2] == thoughts(turn)


async def test_changed_thinking_is_refused_as_the_real_api_does(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    turn = await answered(provider, fake, thinking="Hm.", text="Yes.")
    changed = ReasoningBlock(data={**thoughts(turn)[0], "thinking": "Ha."})
    turns = (user(say("a")), assistant(changed, say("Yes.")), user(say("b")))
    _, error = await fail(provider, make_prompt(turns=turns))
    assert type(error) is errors.BadRequest
    assert "Invalid `signature`" in error.message


@pytest.mark.parametrize(
    "data",
    [
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "xyz"},
        {"type": "thinking", "thinking": "unsigned"},
        {"type": "thinking", "thinking": "unsigned", "signature": ""},
        {"type": "redacted_thinking"},
        {},
    ],
)
async def test_reasoning_that_is_not_of_this_api_is_left_out(
    data: dict[str, Any], fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    turns = (user(say("a")), assistant(ReasoningBlock(data=data), say("c")), user(say("b")))
    await collect(provider, make_prompt(turns=turns))
    assert kinds(fake.requests[0].body["messages"][1]) == ["text"]


async def test_a_turn_never_ends_with_thinking(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    """The API refuses that; an answer may have been cut after its thinking."""
    thought = (await answered(provider, fake, thinking="Hm.", text="Yes.")).blocks[0]
    turns = (
        user(say("a")),
        assistant(say("Well."), thought, cache=True),
        user(say("b")),
        assistant(thought),
        user(say("c")),
    )
    await collect(provider, make_prompt(turns=turns))
    messages = fake.requests[-1].body["messages"]
    assert [kinds(message) for message in messages] == [["text"]] * 4
    assert "cache_control" in messages[1]["content"][0]


async def test_thinking_that_was_cut_has_no_signature_and_is_not_kept(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.add(Answer(thinking="abcdefgh", chunk_chars=2, fault="drop", after_chunks=2))
    chunks: list[Any] = []
    with pytest.raises(errors.StreamCut):
        async for chunk in provider.stream(make_prompt(params={"thinking": True})):
            chunks.append(chunk)
    kept = [type(chunk) for chunk in chunks if not isinstance(chunk, UsageChunk)]
    assert kept == [ReasoningChunk, ReasoningChunk]
