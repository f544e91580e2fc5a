"""What goes wrong at Claude: each failure has its class, and none tells a secret."""

from __future__ import annotations

import json
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers import file_bodies
from jupyter_chat_stream.providers.anthropic import AnthropicProvider
from jupyter_chat_stream.providers.anthropic.reading import MessagesReading
from jupyter_chat_stream.providers.base import EndChunk, ToolCallChunk, text_turn
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import Answer, FakeAnthropic
from tests.providers.claude import KEY, NOW, SECRET, make_asked, make_prompt, make_provider, parse
from tests.providers.streams import collect, fail

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


@pytest.mark.parametrize(("reason", "fails"), [("tool_use", True), ("max_tokens", False)])
@pytest.mark.parametrize("json_text", ['{"a": ', '["no object"]'])
def test_a_call_with_a_broken_input_fails_unless_the_length_cut_it(
    json_text: str, reason: str, fails: bool
) -> None:
    reading = MessagesReading(make_asked())
    delta = {"type": "input_json_delta", "partial_json": json_text}
    block = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
    stop = {"stop_reason": reason, "stop_sequence": None}
    events = (
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    )
    chunks = [chunk for event in events for chunk in reading.feed(parse(event))]
    calls = [chunk for chunk in chunks if isinstance(chunk, ToolCallChunk)]
    assert [(call.input, "not a JSON object" in call.error) for call in calls] == (
        [({}, True)] if fails else []
    )
    assert isinstance(chunks[-1], EndChunk)


async def test_a_refusal_is_no_answer(fake: FakeAnthropic, provider: AnthropicProvider) -> None:
    fake.add(Answer(text="I will", stop_reason="refusal"))
    text, error = await fail(provider, make_prompt())
    assert type(error) is errors.Refusal
    assert not error.retryable
    assert error.facts["category"] == "cyber"
    assert text == "I will"


async def test_a_refused_connection_means_the_provider_is_down(tmp_path: Path) -> None:
    with FakeAnthropic() as gone:
        url = gone.url
    provider = make_provider(url, tmp_path)
    _, error = await fail(provider, make_prompt())
    await provider.close()
    assert type(error) is errors.ProviderDown
    assert "ANTHROPIC_BASE_URL" in error.message


async def test_a_web_page_instead_of_a_stream_is_not_the_provider(
    fake: FakeAnthropic, provider: AnthropicProvider
) -> None:
    fake.set_default(Answer(status=203, body="<html>please log in</html>"))
    _, error = await fail(provider, make_prompt())
    assert type(error) is errors.NotTheProvider
    assert not error.retryable


async def test_a_timeout_is_a_provider_that_is_down_or_a_stall(
    monkeypatch: pytest.MonkeyPatch, fake: FakeAnthropic, tmp_path: Path
) -> None:
    monkeypatch.setattr(file_bodies, "READ_TIMEOUT_S", 0.2)
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
    turns = (text_turn("user", SECRET), text_turn("user", "swordfi"))
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
