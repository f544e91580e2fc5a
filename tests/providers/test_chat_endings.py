"""How a stream of Chat Completions ends: whole, cut, or as no stream of theirs at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from jupyter_chat_stream.providers.base import EndChunk, ToolCallChunk
from jupyter_chat_stream.providers.openai import OpenAIProvider
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import Answer, FakeOpenAI
from tests.providers.chat import make_prompt, make_provider
from tests.providers.streams import collect, fail


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as made:
        yield made


@pytest.fixture
async def lab(server: FakeOpenAI) -> AsyncIterator[OpenAIProvider]:
    made = make_provider(server.base_url)
    yield made
    await made.close()


@pytest.mark.parametrize("reason", ["none", "error", "abort"])
async def test_an_answer_that_its_server_does_not_call_done_was_cut(
    reason: str, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    """`[DONE]` says that the stream has ended, not the answer."""
    server.add(Answer(text="all of it", stop_reason=reason))
    text, error = await fail(lab, make_prompt())
    assert (text, type(error)) == ("all of it", errors.StreamCut)


@pytest.mark.parametrize(("reason", "fails"), [("tool_calls", True), ("length", False)])
@pytest.mark.parametrize("arguments", ['{"a": ', '["no object"]'])
async def test_a_call_with_a_broken_input_fails_unless_the_length_cut_it(
    arguments: str, reason: str, fails: bool, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    function = {"name": "n", "arguments": arguments}
    call = {"tool_calls": [{"index": 0, "id": "t", "type": "function", "function": function}]}
    server.add(Answer(deltas=(call,), stop_reason=reason))
    chunks = await collect(lab, make_prompt())
    assert isinstance(chunks[-1], EndChunk)
    calls = [chunk for chunk in chunks if isinstance(chunk, ToolCallChunk)]
    assert [(call.input, "not a JSON object" in call.error) for call in calls] == (
        [({}, True)] if fails else []
    )


async def test_a_stream_without_any_event_is_not_the_provider(
    server: FakeOpenAI, lab: OpenAIProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeOpenAI, "pieces", lambda *_: iter(()))
    _, error = await fail(lab, make_prompt())
    assert type(error) is errors.NotTheProvider
