"""The Responses API: the real SDK against the fake server, over real HTTP."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import (
    Chunk,
    DocumentBlock,
    EndChunk,
    ImageBlock,
    ProviderDataChunk,
    ReasoningBlock,
    ReasoningChunk,
    TextBlock,
    TextChunk,
    ToolCallChunk,
    Turn,
    UpstreamChunk,
    text_turn,
)
from jupyter_chat_stream.providers.openai import OpenAIProvider, responses_request
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import Answer, FakeOpenAI
from jupyter_chat_stream.testing.fake_openai import DEFAULT_MODEL
from tests.providers.chat import make_prompt
from tests.providers.responses import THINKER, make_provider
from tests.providers.streams import collect, fail, text_of

PNG = b"\x89PNG\r\n\x1a\n0123"


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(needs_key=True) as made:
        yield made


@pytest.fixture
async def lab(server: FakeOpenAI) -> AsyncIterator[OpenAIProvider]:
    """The endpoint ``lab``, whose answers do not run in the background."""
    made = make_provider(server.base_url, given_background=False)
    yield made
    await made.close()


@pytest.fixture
async def thinker(server: FakeOpenAI) -> AsyncIterator[OpenAIProvider]:
    """An endpoint whose model reasons."""
    server.models = [THINKER]
    made = make_provider(server.base_url)
    await made.refresh()
    yield made
    await made.close()


def of_output(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **fields}


# ------------------------------------------------------------------------- what comes


async def test_an_answer_comes_in_pieces_and_ends_with_its_usage(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    details = {"cached_tokens": 1000, "cache_write_tokens": 4}
    usage = {"input_tokens": 1011, "output_tokens": 21, "input_tokens_details": details}
    server.add(Answer(text="Grüße 👋 an alle", chunk_chars=3, usage=usage))

    chunks = await collect(lab, make_prompt())

    assert text_of(chunks) == "Grüße 👋 an alle"
    assert len(chunks) == 6, "five pieces, the end, and no cursor"
    assert chunks[-1] == EndChunk(
        stop_reason="end_turn",
        model=DEFAULT_MODEL,
        usage={
            "input_tokens": 7,
            "output_tokens": 21,
            "cache_read_tokens": 1000,
            "cache_write_tokens": 4,
        },
    )


@pytest.mark.parametrize(
    ("reason", "read", "ours"),
    [
        (None, 100, "end_turn"),
        ("max_output_tokens", 100, "max_tokens"),
        ("max_output_tokens", 4090, "model_context_window_exceeded"),
        ("of_2030", 100, "of_2030"),
    ],
)
async def test_the_end_of_a_response_becomes_one_of_the_common_words(
    reason: str | None, read: int, ours: str, server: FakeOpenAI
) -> None:
    server.add(Answer(text="x", stop_reason=reason, usage={"input_tokens": read}))
    small = make_provider(server.base_url, context_tokens=4096)
    end = (await collect(small, make_prompt(max_tokens=1000)))[-1]
    await small.close()
    assert isinstance(end, EndChunk)
    assert end.stop_reason == ours


async def test_texts_of_two_items_and_two_summaries_stand_apart(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    summary = "reasoning_summary_text.delta"
    server.add(
        Answer(
            deltas=(
                of_output(summary, output_index=0, summary_index=0, delta="First"),
                of_output(summary, output_index=0, summary_index=0, delta=" this."),
                of_output(summary, output_index=0, summary_index=1, delta="Then that."),
                of_output("output_text.delta", output_index=1, content_index=0, delta="A"),
                of_output("output_text.delta", output_index=1, content_index=0, delta="B"),
                of_output("output_text.delta", output_index=2, content_index=0, delta="C"),
            )
        )
    )
    chunks = await collect(lab, make_prompt())
    reasoning = "".join(c.text for c in chunks if isinstance(c, ReasoningChunk))
    assert reasoning == "First this.\n\nThen that."
    assert text_of(chunks) == "AB\n\nC"


async def test_events_of_odd_forms_lose_nothing_and_break_nothing(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    odd = (
        of_output("output_text.delta", delta="a"),
        of_output("output_text.delta", delta=None),
        of_output("output_text.delta"),
        of_output("output_text.delta", delta=7),
        of_output("output_item.added"),
        of_output("output_item.added", item=None),
        of_output("output_item.done", item={"type": "of_2030", "id": None}),
        of_output("function_call_arguments.delta", item_id="nobody's", delta="{"),
        of_output("created", response=None),
        {"type": "of_2030"},
        {"type": ["a", "list"]},
        of_output("output_text.delta", delta="b"),
    )
    server.add(Answer(deltas=odd))
    chunks = await collect(lab, make_prompt())
    assert text_of(chunks) == "ab"
    assert isinstance(chunks[-1], EndChunk)


CALL = {"type": "function_call", "id": "fc_1", "call_id": "t", "name": "n", "arguments": ""}


@pytest.mark.parametrize("reason", [None, "max_output_tokens"])
@pytest.mark.parametrize("arguments", ['{"a": ', '["no object"]', None])
async def test_a_call_with_a_broken_input_fails_and_half_a_call_was_cut_unless_by_its_length(
    arguments: str | None,
    reason: str | None,
    server: FakeOpenAI,
    lab: OpenAIProvider,
) -> None:
    done = of_output("output_item.done", item={**CALL, "arguments": arguments})
    ends = () if arguments is None else (done,)
    server.add(
        Answer(deltas=(of_output("output_item.added", item=CALL), *ends), stop_reason=reason)
    )
    if arguments is None and reason is None:
        assert type((await fail(lab, make_prompt()))[1]) is errors.StreamCut
        return
    chunks = await collect(lab, make_prompt())
    assert isinstance(chunks[-1], EndChunk)
    calls = [chunk for chunk in chunks if isinstance(chunk, ToolCallChunk)]
    assert [(call.input, "not a JSON object" in call.error) for call in calls] == (
        [({}, True)] if reason is None else []
    )


async def test_a_response_that_does_not_say_that_it_is_done_was_cut(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    server.add(Answer(text="all of it", stop_reason="none"))
    text, error = await fail(lab, make_prompt())
    assert (text, type(error)) == ("all of it", errors.StreamCut)


async def test_what_speaks_chat_completions_only_is_told_from_a_cut(
    server: FakeOpenAI, lab: OpenAIProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "send_stream", super(FakeOpenAI, server).send_stream)
    _, error = await fail(lab, make_prompt())
    assert type(error) is errors.NotTheProvider
    assert "'dialect'" in error.message


FAILED = [
    ("server_error", "sorry", errors.ProviderDown),
    ("rate_limit_exceeded", "slow down", errors.RateLimited),
    ("invalid_image_format", "no image", errors.BadRequest),
    ("image_content_policy_violation", "no", errors.Refusal),
    ("bio_policy", "no", errors.Refusal),
    ("invalid_prompt", "bad", errors.BadRequest),
]


@pytest.mark.parametrize(("code", "said", "expected"), FAILED)
@pytest.mark.parametrize("is_event", [True, False])
async def test_a_response_that_fails_becomes_its_class(
    code: str,
    said: str,
    expected: type[errors.ProviderError],
    is_event: bool,
    server: FakeOpenAI,
    lab: OpenAIProvider,
) -> None:
    """As `response.failed`, or as an event `error` whose fields are not in an object."""
    if is_event:
        server.add(Answer(deltas=({"type": "error", "code": code, "message": said},)))
    else:
        server.add(Answer(text="", stop_reason="failed", error_type=code, error_message=said))
    _, error = await fail(lab, make_prompt())
    assert type(error) is expected


# ------------------------------------------------------------------------- what is asked


async def test_the_request_carries_what_the_prompt_says(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    turns = (
        text_turn("user", "one"),
        text_turn("assistant", "two \n"),
        text_turn("user", "three", cache=True),
    )
    params = {"temperature": 0.5, "effort": "low", "tool_choice": {"type": "any"}, "top_p": 1}
    await collect(lab, make_prompt(turns=turns, system="Be brief.", max_tokens=99, params=params))

    assert server.requests[0].path == "/v1/responses"
    assert server.requests[0].body == {
        "model": DEFAULT_MODEL,
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two \n"},
            {"role": "user", "content": "three"},
        ],
        "max_output_tokens": 99,
        "stream": True,
        "store": False,
        "temperature": 0.5,
        "top_p": 1,
        "reasoning": {"effort": "low"},
        "tool_choice": "required",
    }


async def test_images_and_documents_go_as_data_urls(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    blocks = (
        ImageBlock(name="plot.png", type="image/png", data=PNG),
        DocumentBlock(name="report.pdf", type="application/pdf", data=b"%PDF-1.7"),
        TextBlock(text="What is odd?"),
    )
    await collect(lab, make_prompt(turns=(Turn(role="user", blocks=blocks),)))
    pdf = base64.b64encode(b"%PDF-1.7").decode()
    png = base64.b64encode(PNG).decode()
    assert server.requests[0].body["input"][0]["content"] == [
        {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{png}"},
        {
            "type": "input_file",
            "filename": "report.pdf",
            "file_data": f"data:application/pdf;base64,{pdf}",
        },
        {"type": "input_text", "text": "What is odd?"},
    ]


@pytest.mark.parametrize("params", [{"seed": 1}, {"stop_sequences": ["a"]}, {"effort": "heroic"}])
def test_a_parameter_that_the_dialect_lacks_is_refused_by_name(params: dict[str, Any]) -> None:
    lab = make_provider("http://127.0.0.1:1/v1")
    with pytest.raises(errors.BadRequest) as caught:
        responses_request.build(make_prompt(params=params), lab.endpoint, lab.model("x"))
    assert caught.value.facts["param"] in params


async def test_a_cut_answer_is_gone_on_with_exactly(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    whole = "A list:\n\n- one  \n- two\n\nand the end."
    for cut in range(1, len(whole)):
        server.add(Answer(text=whole, chunk_chars=2))
        chunks = await collect(lab, make_prompt(partial=whole[:cut]))
        assert whole[:cut] + text_of(chunks) == whole


# ----------------------------------------------------------------------------- reasoning


def kept_of(chunks: list[Chunk]) -> Mapping[str, Any]:
    (kept,) = [chunk.data for chunk in chunks if isinstance(chunk, ProviderDataChunk)]
    return kept


async def test_reasoning_goes_back_unchanged_to_the_model_that_wrote_it(
    server: FakeOpenAI, thinker: OpenAIProvider
) -> None:
    server.add(Answer(thinking="Hm.", text="So."))
    first = await collect(thinker, make_prompt())
    kept = kept_of(first)
    kinds = [type(chunk) for chunk in first if not isinstance(chunk, UpstreamChunk)]
    assert kinds == [ReasoningChunk, ProviderDataChunk, TextChunk, EndChunk]
    asked = server.requests[0].body
    assert asked["include"] == ["reasoning.encrypted_content"]
    assert asked["reasoning"] == {"summary": "auto"}

    answer = Turn(role="assistant", blocks=(ReasoningBlock(data=kept), TextBlock(text="So.")))
    turns = (text_turn("user", "hello"), answer, text_turn("user", "more"))
    await collect(thinker, make_prompt(turns=turns))

    (sent,) = [item for item in server.requests[1].body["input"] if "type" in item]
    assert sent["encrypted_content"] == "c2VjcmV0"
    assert sent["summary"] == [{"type": "summary_text", "text": "Hm."}]
    other = responses_request.build(
        make_prompt(turns=turns, model="other"), thinker.endpoint, thinker.model("other")
    )
    assert all("type" not in item for item in other["input"])


async def test_reasoning_without_a_text_after_it_is_left_out(
    server: FakeOpenAI, thinker: OpenAIProvider
) -> None:
    """The API refuses it, and with it the whole prompt."""
    server.add(Answer(thinking="Hm.", text="So."))
    data = kept_of(await collect(thinker, make_prompt()))
    answer = Turn(role="assistant", blocks=(TextBlock(text="So."), ReasoningBlock(data=data)))
    turns = (text_turn("user", "hello"), answer, text_turn("user", "more"))
    assert isinstance((await collect(thinker, make_prompt(turns=turns)))[-1], EndChunk)


async def test_reasoning_that_the_server_cannot_read_is_left_out(
    server: FakeOpenAI, thinker: OpenAIProvider
) -> None:
    """The key may belong to another organisation by now."""
    error = {"code": "invalid_encrypted_content", "message": "Cannot verify.", "param": None}
    data = {"model": DEFAULT_MODEL, "item": {"type": "reasoning", "encrypted_content": "x"}}
    answer = Turn(role="assistant", blocks=(ReasoningBlock(data=data), TextBlock(text="So.")))
    turns = (text_turn("user", "hello"), answer, text_turn("user", "more"))
    server.add(Answer(status=400, body={"error": error}))
    for _ in range(2):
        assert isinstance((await collect(thinker, make_prompt(turns=turns)))[-1], EndChunk)
    counts = [
        sum(item.get("type") == "reasoning" for item in request.body["input"])
        for request in server.requests
    ]
    assert counts == [1, 0, 1], "it is left out once: another prompt's reasoning may be fine"
