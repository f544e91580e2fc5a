"""Responses in the background are joined again: one answer, one call, no seam (L15)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import (
    Chunk,
    EndChunk,
    JoinsAgain,
    ProviderDataChunk,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    Upstream,
    UpstreamChunk,
)
from jupyter_chat_stream.providers.openai import OpenAIProvider
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import Answer, FakeOpenAI, ToolUse
from jupyter_chat_stream.testing.fake_openai import DEFAULT_MODEL
from tests.providers.chat import make_prompt
from tests.providers.responses import make_provider, place_of, read_to
from tests.providers.streams import collect, eventually, fail, text_of

THINKER = {"id": DEFAULT_MODEL, "supported_parameters": ["reasoning", "tools"]}
CALLS = (
    ToolUse(id="a", name="f", input={"city": "Zürich", "days": [1, 2]}),
    ToolUse(id="b", name="g", input={}),
)
WHOLE = Answer(thinking="Erst 🤔 denken.", text="Grüße 👋 an\n\nalle.", tools=CALLS, chunk_chars=4)


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(models=[THINKER]) as made:
        yield made


@pytest.fixture
async def lab(server: FakeOpenAI) -> AsyncIterator[OpenAIProvider]:
    made = make_provider(server.base_url)
    await made.refresh()
    yield made
    await made.close()


def folded(chunks: list[Chunk]) -> list[Any]:
    """Join the pieces of a stream as the log does, without the cursors."""
    found: list[Any] = []
    for chunk in chunks:
        kind = type(chunk)
        if isinstance(chunk, (TextChunk, ReasoningChunk)) and found and found[-1][0] is kind:
            found[-1] = (kind, found[-1][1] + chunk.text)
        elif isinstance(chunk, (TextChunk, ReasoningChunk)):
            found.append((kind, chunk.text))
        elif isinstance(chunk, (ToolCallChunk, ProviderDataChunk, EndChunk)):
            found.append((kind, chunk))
    return found


async def test_an_answer_joined_at_any_of_its_cursors_is_the_whole_answer(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    """What an earlier attempt committed, and what comes after: no seam, and no second call."""
    server.add(WHOLE)
    whole = await collect(lab, make_prompt())
    places = [at for at, chunk in enumerate(whole) if isinstance(chunk, UpstreamChunk)]
    assert len(places) > 10

    for at in places:
        rest = await collect(lab, make_prompt(upstream=place_of(whole[at])))
        assert folded(whole[:at] + rest) == folded(whole)

    assert len(server.requests) == 1
    assert [join.after for join in server.responses.joins] == [whole[at].cursor for at in places]  # type: ignore[union-attr]


async def test_what_stands_apart_stands_apart_for_whoever_joins(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    """The place of the last text is in the handle: a second text begins after a blank line."""
    summary, text = "response.reasoning_summary_text.delta", "response.output_text.delta"
    places = [(summary, 0, 0), (summary, 0, 1), (text, 1, None), (text, 1, None), (text, 2, None)]
    events = [
        {"type": kind, "output_index": item, "summary_index": part, "delta": str(number)}
        for number, (kind, item, part) in enumerate(places)
    ]
    server.add(Answer(deltas=tuple(events)))
    whole = await collect(lab, make_prompt())
    assert folded(whole)[:2] == [(ReasoningChunk, "0\n\n1"), (TextChunk, "23\n\n4")]
    for at, chunk in enumerate(whole):
        if isinstance(chunk, UpstreamChunk):
            rest = await collect(lab, make_prompt(upstream=place_of(chunk)))
            assert folded(whole[:at] + rest) == folded(whole)


async def test_the_handle_comes_before_the_first_text(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    server.add(replace(WHOLE, hold_after_chunks=0))
    stream = lab.stream(make_prompt())
    first = await anext(stream)
    assert isinstance(first, UpstreamChunk)
    assert first.handle == {"response_id": "resp_fake_1"}
    await stream.aclose()
    server.release()


async def test_a_cursor_covers_every_chunk_before_it_and_never_lies_within_a_tool_call(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    server.add(WHOLE)
    chunks = await collect(lab, make_prompt())
    cursors = [chunk.cursor for chunk in chunks if isinstance(chunk, UpstreamChunk)]
    assert cursors == sorted(set(cursors))
    events = server.responses.all["resp_fake_1"].events
    for cursor in cursors:
        after = events[cursor + 1][1]["type"]
        assert not after.startswith("response.function_call_arguments"), after
    json.dumps([chunk.handle for chunk in chunks if isinstance(chunk, UpstreamChunk)])


async def test_each_event_is_a_sign_of_life_also_without_text(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    """A model that thinks in silence is not taken for one that stalls."""
    server.add(replace(WHOLE, tools=()))
    chunks = await collect(lab, make_prompt())
    cursors = [chunk.cursor for chunk in chunks if isinstance(chunk, UpstreamChunk)]
    assert cursors == list(range(len(server.responses.all["resp_fake_1"].events) - 1))


async def test_a_response_goes_on_while_nobody_reads_it(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    text = "one two three four five six"
    server.add(Answer(text=text, chunk_chars=4, delay_s=0.001))
    kept, place = await read_to(lab, make_prompt(), "one two ")
    response = server.responses.all["resp_fake_1"]
    await eventually(lambda: response.is_over, server)
    assert response.value["status"] == "completed"
    rest = await collect(lab, make_prompt(upstream=place))
    assert kept + text_of(rest) == text
    assert isinstance(rest[-1], EndChunk)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", ["cut", "drop", "reset", "garbage"])
async def test_a_connection_that_breaks_is_joined_as_often_as_it_breaks(
    fault: Any, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    text = "one two three four five six"
    server.add(Answer(text=text, chunk_chars=4, fault=fault, after_chunks=2))
    server.responses.join_answers.append(Answer(fault=fault, after_chunks=1))
    kept, place, cuts = "", None, 0
    for _ in range(3):
        pending = ""
        try:
            async for chunk in lab.stream(make_prompt(upstream=place)):
                if isinstance(chunk, TextChunk):
                    pending += chunk.text
                elif isinstance(chunk, UpstreamChunk):
                    kept, pending, place = kept + pending, "", place_of(chunk)
        except errors.StreamCut:
            cuts += 1
    assert (kept, cuts) == (text, 2)
    assert len(server.requests) == 1


async def test_a_response_in_the_foreground_has_no_handle(server: FakeOpenAI) -> None:
    """A server that does not know `background` ignores it, and its answer ends with the reader."""
    lab = make_provider(server.base_url, given_background=False)
    chunks = await collect(lab, make_prompt())
    await lab.close()
    assert not any(isinstance(chunk, UpstreamChunk) for chunk in chunks)
    assert server.requests[0].body["store"] is False


@pytest.mark.parametrize("cut", range(1, 22))
async def test_a_continuation_is_joined_without_the_blanks_that_are_there(
    cut: int, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    """The first call was a plain stream; the second one, which goes on after it, is joined."""
    text = "one \n two  \n\n three. "
    server.add(Answer(text=text, chunk_chars=1))
    chunks = await collect(lab, make_prompt(partial=text[:cut]))
    assert text[:cut] + text_of(chunks) == text
    for at, chunk in enumerate(chunks):
        if isinstance(chunk, UpstreamChunk):
            # The text that has come meanwhile is in the partial text as well.
            partial = text[:cut] + text_of(chunks[:at])
            rest = await collect(lab, make_prompt(partial=partial, upstream=place_of(chunk)))
            assert partial + text_of(rest) == text


# ----------------------------------------------------------------------- what cannot be joined


@pytest.mark.parametrize("has_begin", [True, False])
async def test_an_answer_is_joined_before_a_call_whose_input_is_broken(
    has_begin: bool, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    """Otherwise the log would have no call, although the model waits for its result."""
    item = {"type": "function_call", "id": "fc_1", "call_id": "t", "name": "n", "arguments": '{"a'}
    begin = {"type": "response.output_item.added", "output_index": 1, "item": item}
    text = {"type": "response.output_text.delta", "output_index": 0, "delta": "a"}
    events = [
        text,
        *([begin] if has_begin else []),
        {"type": "response.output_item.done", "output_index": 1, "item": item},
        {**text, "output_index": 2},
    ]
    server.add(Answer(deltas=tuple(events)))
    places: list[Upstream] = []
    whole = await collect(lab, make_prompt())
    places += [place_of(chunk) for chunk in whole if isinstance(chunk, UpstreamChunk)]
    sent = server.responses.all["resp_fake_1"].events
    broken = next(n for n, (_, event) in enumerate(sent) if event.get("item") == item)
    assert places
    assert all(place.cursor < broken for place in places)

    joined = await collect(lab, make_prompt(upstream=places[-1]))
    (call,) = [chunk for chunk in joined if isinstance(chunk, ToolCallChunk)]
    assert "not a JSON object" in call.error
    assert call in whole


async def lost(server: FakeOpenAI, lab: OpenAIProvider, place: Upstream) -> errors.ProviderError:
    text, error = await fail(lab, make_prompt(upstream=place))
    assert type(error) is errors.UpstreamLost, error
    assert text == ""
    return error


async def begun(server: FakeOpenAI, lab: OpenAIProvider) -> Upstream:
    server.add(Answer(text="one two three", chunk_chars=4, hold_after_chunks=2))
    _, place = await read_to(lab, make_prompt(), "one two ")
    return place


async def test_a_response_that_has_expired_is_lost(server: FakeOpenAI, lab: OpenAIProvider) -> None:
    place = await begun(server, lab)
    server.responses.expire()
    assert "status 404" in (await lost(server, lab, place)).message


@pytest.mark.parametrize("status", [400, 404, 410])
async def test_a_server_that_refuses_to_go_on_means_that_the_response_is_lost(
    status: int, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    place = await begun(server, lab)
    server.responses.join_answers.append(Answer(status=status))
    await lost(server, lab, place)


@pytest.mark.parametrize(
    ("status", "expected"),
    [(401, errors.BadKey), (429, errors.RateLimited), (500, errors.ProviderDown)],
)
async def test_another_failure_to_join_is_no_loss(
    status: int, expected: type[errors.ProviderError], server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    place = await begun(server, lab)
    server.responses.join_answers.append(Answer(status=status))
    _, error = await fail(lab, make_prompt(upstream=place))
    assert type(error) is expected


async def test_a_server_that_no_longer_has_the_next_event_has_lost_the_response(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    """Whether it says so, or sends what it has: text would be missing."""
    server.add(WHOLE)
    chunks = await collect(lab, make_prompt())
    place = next(place_of(chunk) for chunk in chunks if isinstance(chunk, UpstreamChunk))
    response = server.responses.all["resp_fake_1"]
    response.kept_from = place.cursor + 5
    await lost(server, lab, place)
    response.kept_from = 0
    response.events[place.cursor + 1 : place.cursor + 3] = []
    await lost(server, lab, Upstream(handle=place.handle, cursor=place.cursor))


async def test_a_server_that_sends_all_events_again_repeats_no_text(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    text = "one two three"
    server.add(Answer(text=text, chunk_chars=4))
    kept, place = await read_to(lab, make_prompt(), "one two ")
    response = server.responses.all["resp_fake_1"]
    await eventually(lambda: response.is_over, server)
    response.replays_all = True
    rest = await collect(lab, make_prompt(upstream=place))
    assert kept + text_of(rest) == text


@pytest.mark.parametrize("code", ["server_error", "rate_limit_exceeded"])
@pytest.mark.parametrize("is_event", [True, False])
async def test_a_response_that_failed_is_not_joined_for_ever(
    code: str, is_event: bool, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    """The first reader learns why; whoever joins goes on with a call of its own."""
    if is_event:
        answer = Answer(text="one two", chunk_chars=4, fault="error", after_chunks=1)
    else:
        answer = Answer(text="one ", stop_reason="failed")
    server.add(replace(answer, error_type=code))
    place, failure = None, None
    try:
        async for chunk in lab.stream(make_prompt()):
            place = place_of(chunk) if isinstance(chunk, UpstreamChunk) else place
    except errors.ProviderError as error:
        failure = error
    assert isinstance(failure, (errors.ProviderDown, errors.RateLimited))
    assert place is not None
    await lost(server, lab, place)


async def test_a_refusal_is_a_refusal_for_whoever_joins(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    """Also when its words came before the cursor."""
    server.add(Answer(text="I will", refusal="I can't help", chunk_chars=3))
    places: list[Upstream] = []
    with pytest.raises(errors.Refusal):
        async for chunk in lab.stream(make_prompt()):
            places += [place_of(chunk)] if isinstance(chunk, UpstreamChunk) else []
    for cursor in (places[-1].cursor, len(server.responses.all["resp_fake_1"].events) - 2):
        place = Upstream(handle=places[-1].handle, cursor=cursor)
        _, error = await fail(lab, make_prompt(upstream=place))
        assert type(error) is errors.Refusal
        assert "I can't help" in error.message


async def test_a_handle_of_another_form_is_lost(server: FakeOpenAI, lab: OpenAIProvider) -> None:
    await lost(server, lab, Upstream(handle={"of_2030": 1}, cursor=1))
    chat = make_provider(server.base_url, given_dialect="chat")
    await lost(server, chat, Upstream(handle={"response_id": "resp_1"}, cursor=1))
    await chat.close()
    assert not server.requests


# ------------------------------------------------------------------------------------ stop


@pytest.mark.parametrize("tells", [True, False])
async def test_stop_ends_the_response_and_a_later_attempt_does_not_wait_for_it(
    tells: bool, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    """Closing a stream does not stop it: the server may be restarting (L9, L15)."""
    server.responses.tells_cancel = tells
    place = await begun(server, lab)
    response = server.responses.all["resp_fake_1"]
    assert response.value["status"] == "in_progress"
    assert isinstance(lab, JoinsAgain)
    await lab.stop_upstream(place.handle)
    assert response.value["status"] == "cancelled"
    await lab.stop_upstream(place.handle)
    await lost(server, lab, place)


async def test_stop_takes_a_response_that_is_gone_for_stopped(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    await lab.stop_upstream({"response_id": "resp_of_last_year"})


async def test_stop_tells_that_the_endpoint_cannot_be_reached() -> None:
    with FakeOpenAI() as gone:
        base_url = gone.base_url
    lab = make_provider(base_url)
    with pytest.raises(errors.ProviderDown):
        await lab.stop_upstream({"response_id": "resp_1"})
    await lab.close()
