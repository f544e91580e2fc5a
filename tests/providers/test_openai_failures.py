"""What goes wrong at an endpoint of Chat Completions: each failure has its class, and no secret."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate
from typing import Any

import pytest

from jupyter_chat_stream.providers import file_bodies
from jupyter_chat_stream.providers.base import text_turn
from jupyter_chat_stream.providers.openai import OpenAIProvider
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import Answer, FakeOpenAI
from tests.providers.chat import HEADER_SECRET, KEY, NOW, as_openai, make_prompt, make_provider
from tests.providers.claude import SECRET
from tests.providers.streams import collect, fail


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as made:
        yield made


@pytest.fixture(params=["chat", "responses", "background"])
def spoken(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A dialect, as fields of an endpoint."""
    dialect = "chat" if request.param == "chat" else "responses"
    return {"given_dialect": dialect, "given_background": request.param == "background"}


@pytest.fixture
async def lab(server: FakeOpenAI, spoken: dict[str, Any]) -> AsyncIterator[OpenAIProvider]:
    made = make_provider(server.base_url, **spoken)
    yield made
    await made.close()


def of_openai(code: str | None, message: str, type_: str = "invalid_request_error") -> Any:
    return {"error": {"message": message, "type": type_, "param": None, "code": code}}


LONG = "This model's maximum context length is 8192 tokens. However, you requested 9000."
# Status, body, class: as OpenAI, Azure, Ollama, llama.cpp, vLLM, Mistral, OpenRouter and gateways
# word them.
HTTP_FAILURES: list[tuple[int, Any, type[errors.ProviderError]]] = [
    (401, of_openai("invalid_api_key", "Incorrect API key provided"), errors.BadKey),
    (401, {"message": "Unauthorized"}, errors.BadKey),
    (403, of_openai("unsupported_country_region_territory", "No."), errors.BadKey),
    (404, of_openai("model_not_found", "The model `x` does not exist"), errors.NoSuchModel),
    (404, of_openai(None, 'model "x" not found, try pulling it first', "api_error"),
     errors.NoSuchModel),
    (404, {"object": "error", "message": "The model `x` does not exist.",
           "type": "NotFoundError", "code": 404}, errors.NoSuchModel),
    (404, {"detail": "Not Found"}, errors.NotTheProvider),
    (404, "404 page not found", errors.NotTheProvider),
    (400, of_openai("context_length_exceeded", LONG), errors.PromptTooLong),
    (400, of_openai(None, LONG, "BadRequestError"), errors.PromptTooLong),
    (400, {"error": {"code": 400, "type": "exceed_context_size_error",
                     "message": "the request exceeds the available context size"}},
     errors.PromptTooLong),
    (413, of_openai(None, "too large"), errors.PromptTooLong),
    (400, of_openai("unsupported_parameter", "Unsupported parameter: 'top_p'"), errors.BadRequest),
    (400, {"error": '"x" does not support tools'}, errors.BadRequest),
    (400, of_openai("content_filter", "The response was filtered"), errors.Refusal),
    (400, {"message": "bad", "code": "²²²"}, errors.BadRequest),
    (402, {"error": {"code": 402, "message": "Insufficient credits"}}, errors.BadRequest),
    (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"]}]}, errors.BadRequest),
    (429, of_openai("rate_limit_exceeded", "slow down", "requests"), errors.RateLimited),
    (429, of_openai("insufficient_quota", "You exceeded your quota", "insufficient_quota"),
     errors.BadRequest),
    (529, of_openai(None, "busy"), errors.Overloaded),
    (503, of_openai(None, "The engine is currently overloaded", "server_error"), errors.Overloaded),
    (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
     errors.ProviderDown),
    (500, of_openai(None, "oops", "server_error"), errors.ProviderDown),
    (502, "<html><title>Bad gateway</title></html>", errors.ProviderDown),
    (504, of_openai("timeout_error", "late"), errors.ProviderDown),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "expected"), HTTP_FAILURES)
async def test_an_http_error_becomes_its_class(
    status: int,
    body: Any,
    expected: type[errors.ProviderError],
    server: FakeOpenAI,
    lab: OpenAIProvider,
) -> None:
    server.add(Answer(status=status, body=body, headers={"x-request-id": "req_1"}))
    text, error = await fail(lab, make_prompt(SECRET))
    assert type(error) is expected
    assert text == ""
    assert len(server.requests) == 1, "the provider must not retry by itself"
    assert error.facts["http_status"] == status


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "17"}, 17.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": formatdate(NOW + 42, usegmt=True)}, 42.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 529, 503])
async def test_retry_after_is_seconds_or_a_date(
    status: int,
    headers: dict[str, str],
    wait_s: float | None,
    server: FakeOpenAI,
    lab: OpenAIProvider,
) -> None:
    server.add(Answer(status=status, body=of_openai(None, "later"), headers=headers))
    _, error = await fail(lab, make_prompt())
    assert error.retryable
    assert error.retry_after_s == wait_s


IN_A_200 = [
    (of_openai("server_error", "The server had an error")["error"], errors.ProviderDown),
    (of_openai("rate_limit_exceeded", "slow down")["error"], errors.RateLimited),
    (of_openai("context_length_exceeded", LONG)["error"], errors.PromptTooLong),
    (of_openai("invalid_api_key", "revoked")["error"], errors.BadKey),
    (of_openai("model_not_found", "gone")["error"], errors.NoSuchModel),
    ({"code": 502, "message": "Provider returned error"}, errors.ProviderDown),
    ({"code": 429, "message": "later"}, errors.RateLimited),
    ({"code": 529, "message": "busy"}, errors.Overloaded),
    ("model requires more system memory", errors.ProviderDown),
]


@pytest.mark.parametrize(("wrong", "expected"), IN_A_200)
@pytest.mark.parametrize("whole", [False, True])
async def test_an_error_inside_a_200_becomes_its_class(
    wrong: Any,
    expected: type[errors.ProviderError],
    whole: bool,
    server: FakeOpenAI,
    lab: OpenAIProvider,
) -> None:
    """As an event after some text, or as JSON in the place of the stream."""
    body = {"error": wrong}
    if whole:
        server.add(Answer(body=body))
    else:
        answer = Answer(text="abcdefgh", chunk_chars=2, fault="error", after_chunks=3)
        server.error_of = lambda type_, message: body  # type: ignore[method-assign]
        server.add(answer)
    text, error = await fail(lab, make_prompt())
    assert type(error) is expected
    assert text == ("" if whole else "abcdef")


@pytest.mark.parametrize("fault", ["cut", "drop", "reset", "garbage"])
@pytest.mark.parametrize("after_chunks", [0, 3, 1000])
async def test_a_stream_without_its_end_was_cut(
    fault: Any, after_chunks: int, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    """The SDK ends such a stream without a word when the HTTP answer ends well."""
    server.add(Answer(text="abcdefgh", chunk_chars=2, fault=fault, after_chunks=after_chunks))
    text, error = await fail(lab, make_prompt())
    assert type(error) is errors.StreamCut
    assert error.retryable
    # After a reset the system may throw away what was not read yet.
    assert text == "abcdefgh"[: 2 * after_chunks] or fault == "reset"


@pytest.mark.parametrize(
    ("answer", "category"),
    [
        (Answer(text="I will", stop_reason="content_filter"), "content_filter"),
        (Answer(text="I will", refusal="I can't help with that", chunk_chars=4), "unnamed"),
        (Answer(text="I will", refusal="I can't help", stop_reason="length"), "unnamed"),
        (Answer(text="I will", refusal="I can't help", stop_reason="of_2030"), "unnamed"),
    ],
)
async def test_a_refusal_is_no_answer(
    answer: Answer, category: str, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    server.add(answer)
    text, error = await fail(lab, make_prompt())
    assert type(error) is errors.Refusal
    assert not error.retryable
    assert error.facts["category"] == category
    assert answer.refusal in error.message
    assert text == "I will"


# ------------------------------------------------------------------------- connections


async def test_a_refused_connection_says_what_is_not_running_and_where() -> None:
    with FakeOpenAI() as gone:
        base_url = gone.base_url
    ollama = make_provider(base_url, name="ollama", product="Ollama", key_env=None)
    _, error = await fail(ollama, make_prompt())
    await ollama.close()
    assert type(error) is errors.ProviderDown
    port = base_url.split(":")[2].removesuffix("/v1")
    assert f"Ollama is not running on localhost:{port}" in error.message


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=200, body="<html><title>Sign in</title></html>"),
        Answer(status=203, body="<html><title>Sign in</title></html>"),
        Answer(status=200, body={"object": "chat.completion", "choices": []}),
        Answer(status=511, body="<html>network</html>"),
    ],
)
async def test_a_page_instead_of_a_stream_is_not_the_provider(
    answer: Answer, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    server.set_default(answer)
    _, error = await fail(lab, make_prompt())
    assert type(error) is errors.NotTheProvider
    assert not error.retryable
    assert "'lab'" in error.message


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirection_is_not_followed(
    status: int, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    """It would take the key and the prompt to an address that nobody chose."""
    with FakeOpenAI() as other:
        where = {"location": f"{other.base_url}/chat/completions"}
        server.set_default(Answer(status=status, body="", headers=where))
        _, error = await fail(lab, make_prompt())
        assert not other.requests
        assert not other.other_requests
    assert type(error) is errors.NotTheProvider
    assert "redirected to" in error.message


async def test_a_timeout_is_a_provider_that_is_down_or_a_stall(
    monkeypatch: pytest.MonkeyPatch, server: FakeOpenAI
) -> None:
    monkeypatch.setattr(file_bodies, "READ_TIMEOUT_S", 0.2)
    lab = make_provider(server.base_url)
    server.add(
        Answer(fault="silence", before_headers=True),
        Answer(text="abcdefgh", chunk_chars=2, fault="silence", after_chunks=2),
    )
    _, before = await fail(lab, make_prompt())
    text, after = await fail(lab, make_prompt())
    await lab.close()
    assert type(before) is errors.ProviderDown
    assert (text, type(after)) == ("abcd", errors.Stalled)


# ---------------------------------------------------------------------- what must not be said


@pytest.mark.parametrize("quoted", [KEY, HEADER_SECRET, SECRET, "opensesame123 is it"])
async def test_a_refusal_that_quotes_a_secret_or_the_prompt_is_not_quoted(
    quoted: str, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    server.add(Answer(status=400, body=of_openai(None, f"messages.0: not allowed: {quoted}")))
    turns = (text_turn("user", SECRET),)
    prompt = make_prompt(turns=turns, system="The password opensesame123 is it.")
    _, error = await fail(lab, prompt)
    assert quoted not in error.message
    assert type(error) is errors.BadRequest


LONG_HEADER = "tenant-secret-of-many-characters-42"


@pytest.mark.parametrize("part", [f"{KEY[:20]}*****", f"…{KEY[-8:]}", f"{LONG_HEADER[:20]}*"])
async def test_a_part_of_a_secret_is_not_quoted(part: str, server: FakeOpenAI) -> None:
    """Some servers mask the end of a key, or cut their message inside it."""
    server.add(Answer(status=400, body=of_openai(None, f"Incorrect API key provided: {part}")))
    lab = make_provider(server.base_url, headers={"X-Tenant": LONG_HEADER})
    _, error = await fail(lab, make_prompt())
    await lab.close()
    assert part not in error.message
    assert type(error) is errors.BadRequest


@pytest.mark.parametrize(("status", "body", "_expected"), HTTP_FAILURES)
async def test_no_error_holds_a_secret_or_the_prompt(
    status: int, body: Any, _expected: Any, server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    """Even when the server quotes all of them."""
    quoting = f"; you sent {SECRET} with {KEY} and {HEADER_SECRET}"
    text = json.dumps(body).replace('",', f'{quoting}",').replace('"}', f'{quoting}"}}')
    server.add(Answer(status=status, body=json.loads(text)))
    _, error = await fail(lab, make_prompt(SECRET))
    said = json.dumps(error.to_wire()) + str(error) + repr(error.__cause__)
    for secret in (KEY, HEADER_SECRET, "swordfish", "launch code"):
        assert secret not in said


async def test_what_a_server_says_about_a_refused_request_is_told(
    server: FakeOpenAI, lab: OpenAIProvider
) -> None:
    message = "Unsupported value: 'temperature' does not support 0.2 with this model."
    server.add(Answer(status=400, body=of_openai("unsupported_value", message)))
    _, error = await fail(lab, make_prompt(SECRET))
    assert message in error.message


async def test_no_log_line_holds_a_secret_or_the_prompt(
    server: FakeOpenAI, lab: OpenAIProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    server.add(Answer(status=500), Answer(text="a quiet answer"))
    await fail(lab, make_prompt(SECRET))
    await collect(lab, make_prompt(SECRET))
    await lab.refresh()
    for secret in (KEY, HEADER_SECRET, "swordfish", "quiet answer"):
        assert secret not in caplog.text


async def test_an_unknown_model_of_ollama_says_how_to_install_it(server: FakeOpenAI) -> None:
    ollama = make_provider(server.base_url, name="ollama", product="Ollama", key_env=None)
    _, error = await fail(ollama, make_prompt(model="qwen3:8b"))
    await ollama.close()
    assert type(error) is errors.NoSuchModel
    assert error.facts["model"] == "ollama/qwen3:8b"
    assert "ollama pull qwen3:8b" in error.message


async def test_openai_is_named_in_its_sentences(server: FakeOpenAI) -> None:
    server.needs_key = True
    server.add(Answer(status=401, body=of_openai("invalid_api_key", "no")))
    provider = as_openai(server.base_url)
    _, error = await fail(provider, make_prompt())
    await provider.close()
    assert error.message.startswith("OpenAI refuses the key")
