"""The Claude provider: the real SDK against the fake server, over real HTTP."""

from __future__ import annotations

import pytest

from jupyter_chat_stream.providers.anthropic import AnthropicProvider
from jupyter_chat_stream.providers.base import EndChunk, ReasoningChunk, TextChunk, text_turn
from jupyter_chat_stream.providers.continuation import CONTINUE_MARK
from jupyter_chat_stream.testing import Answer, FakeAnthropic
from tests.providers.claude import MODEL, make_prompt
from tests.providers.streams import collect, text_of


async def test_an_answer_comes_in_pieces_and_ends_with_its_usage(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    usage = {
        "input_tokens": 7,
        "output_tokens": 21,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 50,
    }
    fake.add(Answer(text="Grüße 👋 an alle", chunk_chars=3, usage=usage))

    chunks = await collect(provider, make_prompt())

    assert text_of(chunks) == "Grüße 👋 an alle"
    assert len(chunks) > 4
    assert chunks[-1] == EndChunk(
        stop_reason="end_turn",
        model=MODEL,
        usage={
            "input_tokens": 7,
            "output_tokens": 21,
            "cache_read_tokens": 1000,
            "cache_write_tokens": 50,
        },
    )


@pytest.mark.parametrize(
    "reason",
    ["end_turn", "max_tokens", "stop_sequence", "model_context_window_exceeded", "of_2030"],
)
async def test_the_stop_reason_is_passed_on(
    reason: str, fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.add(Answer(text="x", stop_reason=reason))
    end = (await collect(provider, make_prompt()))[-1]
    assert isinstance(end, EndChunk)
    assert end.stop_reason == reason


async def test_thinking_comes_as_reasoning_before_the_text(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.add(Answer(thinking="First I wonder.", text="Then I know.", chunk_chars=4))

    chunks = await collect(provider, make_prompt(params={"thinking": True}))

    reasoning = [chunk.text for chunk in chunks if isinstance(chunk, ReasoningChunk)]
    assert "".join(reasoning) == "First I wonder."
    assert text_of(chunks) == "Then I know."
    kinds = [type(chunk) for chunk in chunks]
    assert kinds.index(TextChunk) > max(i for i, k in enumerate(kinds) if k is ReasoningChunk)


# ------------------------------------------------------------------------- what is asked


async def test_the_request_carries_what_the_prompt_says(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    turns = (
        text_turn("user", "one"),
        text_turn("assistant", "two \n"),
        text_turn("user", "three", cache=True),
    )
    prompt = make_prompt(turns=turns, system="Be brief.", max_tokens=99)

    await collect(provider, prompt)

    body = fake.requests[0].body
    assert body["model"] == MODEL
    assert body["max_tokens"] == 99
    assert body["stream"] is True
    assert body["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert [m["content"][0]["text"] for m in body["messages"]] == ["one", "two", "three"]
    assert "cache_control" not in body["messages"][0]["content"][0]
    assert body["messages"][2]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert fake.requests[0].has_key


@pytest.mark.parametrize("cut", range(1, 70, 3))
async def test_a_cut_answer_is_gone_on_with_exactly(
    cut: int, fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    """Whatever the place: in a word, after a blank, after an empty line."""
    whole = "A list:\n\n- one  \n- two\n\n```python\n    x = 1\n```\n\nand then the end, at last."
    fake.add(Answer(text=whole, chunk_chars=2))

    chunks = await collect(provider, make_prompt(partial=whole[:cut]))

    assert whole[:cut] + text_of(chunks) == whole
    asked = fake.requests[0].body["messages"]
    assert [message["role"] for message in asked] == ["user", "assistant", "user"]
    assert asked[1]["content"][0]["text"] == whole[:cut].rstrip()
    assert asked[2]["content"][0]["text"].startswith(CONTINUE_MARK)


async def test_a_partial_of_blanks_is_no_reason_to_go_on(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    await collect(provider, make_prompt(partial=" \n"))
    assert [m["role"] for m in fake.requests[0].body["messages"]] == ["user"]
