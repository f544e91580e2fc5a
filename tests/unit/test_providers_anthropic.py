"""The Claude provider: the real SDK against the fake server, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic.types import RawMessageStreamEvent
from pydantic import TypeAdapter

import jupyter_chat_stream.providers.anthropic as anthropic_module
from jupyter_chat_stream import errors
from jupyter_chat_stream.providers.anthropic import AnthropicProvider
from jupyter_chat_stream.providers.anthropic.reading import Reading
from jupyter_chat_stream.providers.anthropic.request import CONTINUE_MARK
from jupyter_chat_stream.providers.base import (
    Chunk,
    EndChunk,
    Prompt,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    ToolInputChunk,
    Turn,
)
from jupyter_chat_stream.testing import Answer, FakeAnthropic, ToolUse, reply_to

KEY = "sk-ant-test-0123456789abcdefghij"
SECRET = "the launch code of the third rocket is swordfish"
MODEL = "claude-sonnet-5-5"
NOW = 1_800_000_000.0


@pytest.fixture
def fake() -> Iterator[FakeAnthropic]:
    with FakeAnthropic() as server:
        yield server


@pytest.fixture
async def provider(fake: FakeAnthropic, tmp_path: Path) -> AsyncIterator[AnthropicProvider]:
    made = make_provider(fake.url, tmp_path)
    yield made
    await made.close()


def make_provider(url: str, tmp_path: Path, **environ: str) -> AnthropicProvider:
    return AnthropicProvider(
        key_file=tmp_path / "anthropic.key",
        environ={"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url, **environ},
        now=lambda: NOW,
    )


def make_prompt(text: str = "hello", **changes: Any) -> Prompt:
    turns = (Turn(role="user", text=text),)
    return Prompt(**{"model": MODEL, "turns": turns, **changes})


async def collect(provider: AnthropicProvider, prompt: Prompt) -> list[Chunk]:
    return [chunk async for chunk in provider.stream(prompt)]


def text_of(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))


async def fail(provider: AnthropicProvider, prompt: Prompt) -> tuple[str, errors.ProviderError]:
    """Stream until it fails; give the text that came before, and the error."""
    chunks: list[Chunk] = []
    with pytest.raises(errors.ProviderError) as caught:
        async for chunk in provider.stream(prompt):
            chunks.append(chunk)
    return text_of(chunks), caught.value


def parse(event: dict[str, Any]) -> Any:
    return TypeAdapter(RawMessageStreamEvent).validate_python(event)


async def eventually(is_true: Callable[[], bool], fake: FakeAnthropic) -> None:
    """Wait, beside this loop, until the fake server's records say so."""
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, lambda: fake.wait_until(lambda _: is_true()))


# ------------------------------------------------------------------------------ what comes


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
    ["end_turn", "max_tokens", "stop_sequence", "pause_turn", "model_context_window_exceeded"],
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


async def test_a_tool_call_comes_in_pieces_and_then_whole(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    call = ToolUse(id="toolu_1", name="lookup", input={"city": "Zürich", "days": [1, 2]})
    second = ToolUse(id="toolu_2", name="now", input={})
    fake.add(Answer(text="Let me see.", tools=(call, second), chunk_chars=5))
    tool = {"name": "lookup", "description": "…", "input_schema": {"type": "object"}}

    chunks = await collect(provider, make_prompt(tools=(tool,)))

    pieces = [c for c in chunks if isinstance(c, ToolInputChunk) and c.tool_call_id == "toolu_1"]
    assert pieces[0].text == ""
    assert json.loads("".join(piece.text for piece in pieces)) == call.input
    assert [c for c in chunks if isinstance(c, ToolCallChunk)] == [
        ToolCallChunk(tool_call_id="toolu_1", name="lookup", input=call.input),
        ToolCallChunk(tool_call_id="toolu_2", name="now", input={}),
    ]
    assert isinstance(chunks[-1], EndChunk)
    assert chunks[-1].stop_reason == "tool_use"
    assert fake.requests[0].body["tools"] == [tool]


async def test_many_answers_share_one_client(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    prompts = [make_prompt(f"number {i}") for i in range(8)]
    answers = await asyncio.gather(*(collect(provider, prompt) for prompt in prompts))
    assert [text_of(a) for a in answers] == [reply_to(f"number {i}") for i in range(8)]
    assert len(provider._clients) == 1
    assert sorted(r.user_text for r in fake.requests) == [f"number {i}" for i in range(8)]


async def test_answers_after_each_other_share_one_connection(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    """Setting one up costs a handshake or two: the answer is read to the end of its HTTP body."""
    fake.set_default(Answer(end_delay_s=0.01))
    for text in "abc":
        async for chunk in provider.stream(make_prompt(text)):
            if isinstance(chunk, EndChunk):
                break
    assert fake.connection_count == 1


async def test_an_answer_whose_connection_stays_open_comes_all_the_same(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.add(Answer(text="all of it", end_delay_s=60))
    chunks = await collect(provider, make_prompt())
    assert text_of(chunks) == "all of it"
    assert isinstance(chunks[-1], EndChunk)


# ------------------------------------------------------------------------- what is asked


async def test_the_request_carries_what_the_prompt_says(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    turns = (
        Turn(role="user", text="one"),
        Turn(role="assistant", text="two \n"),
        Turn(role="user", text="three", cache=True),
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


# --------------------------------------------------------------------------- what goes wrong

HTTP_FAILURES = [
    (401, "authentication_error", "invalid x-api-key", errors.BadKey, False),
    (403, "permission_error", "not allowed", errors.BadKey, False),
    (404, "not_found_error", "model: claude-x", errors.NoSuchModel, False),
    (400, "invalid_request_error", "prompt is too long: 9 tokens > 8", errors.PromptTooLong, False),
    (
        400,
        "invalid_request_error",
        "input length and `max_tokens` exceed context limit: 9 + 9 > 10",
        errors.PromptTooLong,
        False,
    ),
    (413, "request_too_large", "too large", errors.PromptTooLong, False),
    (400, "invalid_request_error", "tools.0: name is required", errors.BadRequest, False),
    (402, "billing_error", "credit balance is too low", errors.BadRequest, False),
    (422, "invalid_request_error", "no", errors.BadRequest, False),
    (429, "rate_limit_error", "slow down", errors.RateLimited, True),
    (529, "overloaded_error", "overloaded", errors.Overloaded, True),
    (500, "api_error", "oops", errors.ProviderDown, True),
    (502, None, "<html>bad gateway</html>", errors.ProviderDown, True),
    (503, "api_error", "oops", errors.ProviderDown, True),
    (504, "timeout_error", "late", errors.ProviderDown, True),
]


@pytest.mark.parametrize(("status", "type_", "message", "expected", "retryable"), HTTP_FAILURES)
async def test_an_http_error_becomes_its_class(
    status: int,
    type_: str | None,
    message: str,
    expected: type[errors.ProviderError],
    retryable: bool,
    fake: FakeAnthropic,
    provider: AnthropicProvider,
) -> None:
    body = None if type_ else message
    fake.add(Answer(status=status, error_type=type_ or "", error_message=message, body=body))

    text, error = await fail(provider, make_prompt(SECRET))

    assert type(error) is expected
    assert error.retryable is retryable
    assert text == ""
    assert len(fake.requests) == 1, "the provider must not retry by itself"
    assert error.facts["http_status"] == status
    assert error.facts["request_id"] == "req_fake_1"


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "17"}, 17.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": formatdate(NOW + 42, usegmt=True)}, 42.0),
        ({"retry-after": formatdate(NOW - 42, usegmt=True)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e300"}, 86_400.0),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 529, 503])
async def test_retry_after_is_seconds_or_a_date(
    status: int,
    headers: dict[str, str],
    wait_s: float | None,
    fake: FakeAnthropic,
    provider: AnthropicProvider,
) -> None:
    types = {429: "rate_limit_error", 529: "overloaded_error", 503: "api_error"}
    fake.add(Answer(status=status, error_type=types[status], headers=headers))
    _, error = await fail(provider, make_prompt())
    assert error.retry_after_s == wait_s


@pytest.mark.parametrize(
    ("type_", "message", "expected"),
    [
        ("overloaded_error", "Overloaded", errors.Overloaded),
        ("rate_limit_error", "slow down", errors.RateLimited),
        ("api_error", "Internal server error", errors.ProviderDown),
        ("timeout_error", "late", errors.ProviderDown),
        ("authentication_error", "key revoked", errors.BadKey),
        ("invalid_request_error", "prompt is too long", errors.PromptTooLong),
        ("invalid_request_error", "no", errors.BadRequest),
        ("an_error_of_2030", "?", errors.ProviderDown),
    ],
)
async def test_an_error_inside_a_200_becomes_its_class(
    type_: str,
    message: str,
    expected: type[errors.ProviderError],
    fake: FakeAnthropic,
    provider: AnthropicProvider,
) -> None:
    fault = Answer(
        text="abcdefgh", chunk_chars=2, fault="error", after_chunks=3,
        error_type=type_, error_message=message,
    )  # fmt: skip
    fake.add(fault)
    text, error = await fail(provider, make_prompt())
    assert type(error) is expected
    assert text == "abcdef"


@pytest.mark.parametrize("fault", ["cut", "drop", "reset", "garbage"])
@pytest.mark.parametrize("after_chunks", [0, 3])
async def test_a_stream_without_its_end_was_cut(
    fault: Any, after_chunks: int, fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    """The SDK ends such a stream without a word when the HTTP answer ends well."""
    held = Answer(text="abcdefgh", chunk_chars=2, fault=fault, after_chunks=after_chunks)
    fake.add(held)
    text, error = await fail(provider, make_prompt())
    assert type(error) is errors.StreamCut
    assert error.retryable
    # After a reset the system may throw away what was not read yet.
    assert text == "abcdef"[: 2 * after_chunks] or fault == "reset"


async def test_a_stream_cut_after_its_last_text_was_cut_all_the_same(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.add(Answer(text="all of it", fault="cut", after_chunks=1000))
    text, error = await fail(provider, make_prompt())
    assert (text, type(error)) == ("all of it", errors.StreamCut)


@pytest.mark.parametrize(("reason", "was_cut"), [("tool_use", True), ("max_tokens", False)])
@pytest.mark.parametrize("json_text", ['{"a": ', '["no object"]'])
def test_half_a_tool_call_was_cut_unless_the_length_cut_it(
    json_text: str, reason: str, was_cut: bool
) -> None:
    reading = Reading(make_prompt())
    delta = {"type": "input_json_delta", "partial_json": json_text}
    block = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
    stop = {"stop_reason": reason, "stop_sequence": None}
    for event in (
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 3}},
    ):
        chunks = reading.feed(parse(event))
        assert not any(isinstance(chunk, ToolCallChunk) for chunk in chunks)
    if was_cut:
        with pytest.raises(errors.StreamCut):
            reading.feed(parse({"type": "message_stop"}))
    else:
        (end,) = reading.feed(parse({"type": "message_stop"}))
        assert isinstance(end, EndChunk)


async def test_a_refusal_is_no_answer(fake: FakeAnthropic, provider: AnthropicProvider) -> None:
    fake.add(Answer(text="I will", stop_reason="refusal"))
    text, error = await fail(provider, make_prompt())
    assert type(error) is errors.Refusal
    assert not error.retryable
    assert error.facts["category"] == "cyber"
    assert text == "I will"


@pytest.mark.parametrize("fault", ["drop", "reset"])
async def test_a_connection_that_breaks_before_the_answer_means_the_provider_is_down(
    fault: Any, fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.add(Answer(fault=fault, before_headers=True))
    _, error = await fail(provider, make_prompt())
    assert type(error) is errors.ProviderDown
    assert error.retryable


async def test_a_refused_connection_means_the_provider_is_down(tmp_path: Path) -> None:
    with FakeAnthropic() as gone:
        url = gone.url
    provider = make_provider(url, tmp_path)
    _, error = await fail(provider, make_prompt())
    await provider.close()
    assert type(error) is errors.ProviderDown
    assert "ANTHROPIC_BASE_URL" in error.message


async def test_a_web_page_instead_of_a_stream_was_cut(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.set_default(Answer(status=203, body="<html>please log in</html>"))
    _, error = await fail(provider, make_prompt())
    assert type(error) is errors.StreamCut


async def test_a_timeout_is_a_provider_that_is_down_or_a_stall(
    monkeypatch: pytest.MonkeyPatch, fake: FakeAnthropic, tmp_path: Path
) -> None:
    monkeypatch.setattr(anthropic_module, "READ_TIMEOUT_S", 0.2)
    provider = make_provider(fake.url, tmp_path)
    fake.add(
        Answer(fault="silence", before_headers=True),
        Answer(text="abcdefgh", chunk_chars=2, fault="silence", after_chunks=2),
    )
    _, before = await fail(provider, make_prompt())
    text, after = await fail(provider, make_prompt())
    await provider.close()
    assert type(before) is errors.ProviderDown
    assert (text, type(after)) == ("abcd", errors.Stalled)


# ---------------------------------------------------------------------- what must not be said


@pytest.mark.parametrize(
    "quoted", [KEY, SECRET, "opensesame123 is it", "of the second rocket", "swordfi"]
)
async def test_a_refusal_that_quotes_the_key_or_the_prompt_is_not_quoted(
    quoted: str, fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    message = f"messages.0: this is not allowed: {quoted}"
    fake.add(Answer(status=400, error_type="invalid_request_error", error_message=message))
    turns = (Turn(role="user", text=SECRET), Turn(role="user", text="swordfi"))
    prompt = make_prompt(
        turns=turns,
        system="The password opensesame123 is it.",
        partial="The code of the second rocket",
    )
    _, error = await fail(provider, prompt)
    assert quoted not in error.message
    assert type(error) is errors.BadRequest


@pytest.mark.parametrize(("status", "type_", "message", "expected", "_retryable"), HTTP_FAILURES)
async def test_no_error_holds_the_key_or_the_prompt(
    status: int,
    type_: str | None,
    message: str,
    expected: type[errors.ProviderError],
    _retryable: bool,
    fake: FakeAnthropic,
    provider: AnthropicProvider,
) -> None:
    """Even when the API quotes both."""
    quoting = f"{message}; you sent {SECRET!r} with {KEY}"
    body = None if type_ else quoting
    fake.add(Answer(status=status, error_type=type_ or "", error_message=quoting, body=body))
    _, error = await fail(provider, make_prompt(SECRET, system="The password is opensesame123."))
    said = json.dumps(error.to_wire()) + str(error) + repr(error.__cause__)
    for secret in (KEY, "swordfish", "launch code", "opensesame"):
        assert secret not in said


async def test_what_the_api_says_about_a_refused_request_is_told(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    message = "tools.0.custom.name: String should match pattern '^[a-z]+$'"
    fake.add(Answer(status=400, error_type="invalid_request_error", error_message=message))
    _, error = await fail(provider, make_prompt(SECRET))
    assert message in error.message


async def test_no_log_line_holds_the_key_or_the_prompt(
    fake: FakeAnthropic, provider: AnthropicProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    fake.add(Answer(status=500), Answer(text="a quiet answer"))
    await fail(provider, make_prompt(SECRET))
    await collect(provider, make_prompt(SECRET))
    for secret in (KEY, "swordfish", "quiet answer"):
        assert secret not in caplog.text


# ------------------------------------------------------------------------------ who leaves


async def test_cancelling_closes_the_connection(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.add(Answer(text="abcdefgh", chunk_chars=2, fault="silence", after_chunks=2))
    task = asyncio.ensure_future(collect(provider, make_prompt()))
    await eventually(lambda: bool(fake.requests) and fake.requests[0].chunks_sent == 2, fake)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await eventually(lambda: fake.requests[0].state == "left", fake)


async def test_cancelling_before_the_first_byte_closes_the_connection(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.add(Answer(fault="silence", before_headers=True))
    task = asyncio.ensure_future(collect(provider, make_prompt()))
    await eventually(lambda: bool(fake.requests), fake)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await eventually(lambda: fake.requests[0].state == "left", fake)


async def test_closing_the_iterator_closes_the_connection(
    fake: FakeAnthropic, provider: AnthropicProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[Any] = []  # so that no garbage collection can do what `aclose` must
    original = anthropic.AsyncStream.__init__
    monkeypatch.setattr(
        anthropic.AsyncStream,
        "__init__",
        lambda self, **given: (held.append(self), original(self, **given))[1],
    )
    fake.add(Answer(text="x" * 100_000, delay_s=0.001))
    stream = provider.stream(make_prompt())
    assert isinstance(await stream.__anext__(), TextChunk)

    await stream.aclose()

    await eventually(lambda: fake.requests[0].state == "left", fake)
    assert text_of(await collect(provider, make_prompt("again"))) == reply_to("again")


async def test_closing_the_provider_cuts_what_still_streams(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.add(Answer(text="abcdefgh", chunk_chars=2, fault="silence", after_chunks=1))
    stream = provider.stream(make_prompt())
    assert await stream.__anext__() == TextChunk(text="ab")
    await provider.close()
    with pytest.raises(errors.StreamCut):
        await stream.__anext__()
    await eventually(lambda: fake.requests[0].state == "left", fake)


# ----------------------------------------------------------------------------------- keys


async def test_a_new_key_is_used_without_a_restart_and_the_old_client_is_closed(
    fake: FakeAnthropic, tmp_path: Path
) -> None:
    key_file = tmp_path / "anthropic.key"
    provider = AnthropicProvider(key_file=key_file, environ={"ANTHROPIC_BASE_URL": fake.url})
    assert not provider.is_ready()
    _, error = await fail(provider, make_prompt())
    assert type(error) is errors.MissingKey
    assert not fake.requests

    for key in ("sk-first", "sk-the-second"):
        key_file.write_text(key + "\n")
        key_file.chmod(0o600)
        assert provider.is_ready()
        assert text_of(await collect(provider, make_prompt("hi"))) == reply_to("hi")
        assert [held_key for held_key, _ in provider._clients] == [key]
    await provider.close()
    assert not provider._clients


async def test_the_sdk_is_imported_in_a_thread(
    provider: AnthropicProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    original = anthropic_module._import_sdk

    def watched() -> None:
        threads.append(threading.current_thread())
        original()

    monkeypatch.setattr(anthropic_module, "_import_sdk", watched)
    await provider.warm()
    await provider.warm()
    assert len(threads) == 2
    assert threading.main_thread() not in threads


def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    """Server start-up must not pay for it."""
    code = (
        "import sys; from jupyter_chat_stream.providers.registry import Registry; "
        "Registry().models(); "
        "sys.exit(bool({'anthropic', 'httpx2', 'aiohttp', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
