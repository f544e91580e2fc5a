"""Endpoints that speak the Messages API: the real SDK against a fake local server or gateway."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jupyter_chat_stream.providers.anthropic import MessagesProvider, sdk
from jupyter_chat_stream.providers.base import EndChunk, Model
from jupyter_chat_stream.providers.endpoints import all_endpoints
from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.shared import errors
from jupyter_chat_stream.testing import Answer, FakeMessages, reply_to
from jupyter_chat_stream.testing.fake_server import Request
from tests.providers.blocks import PDF, PNG, kinds, say, user
from tests.providers.messages import HEADER_SECRET, KEY, make_prompt, make_provider
from tests.providers.streams import collect, fail, text_of

SECRET = "the launch code of the third rocket is swordfish"


@pytest.fixture
def server() -> Iterator[FakeMessages]:
    with FakeMessages(needs_key=True) as running:
        yield running


@pytest.fixture
async def lab(server: FakeMessages) -> AsyncIterator[MessagesProvider]:
    """The endpoint, which sends a key."""
    async with provider_of(server) as made:
        yield made


@asynccontextmanager
async def provider_of(server: FakeMessages, **changes: Any) -> AsyncIterator[MessagesProvider]:
    made = make_provider(server.url, **changes)
    yield made
    await made.close()


async def listed(server: FakeMessages, **changes: Any) -> dict[str, Model]:
    async with provider_of(server, **changes) as provider:
        await provider.refresh()
        return {model.name: model for model in provider.models()}


# ------------------------------------------------------------------------------- answers


async def test_an_answer_comes_from_a_model_with_any_name() -> None:
    name = "hf.co/org/Some-Model-GGUF:Q4_K_M"
    with FakeMessages(models=[name]) as server:
        async with provider_of(server, key_env=None) as provider:
            chunks = await collect(provider, make_prompt("hi", model=name))
    assert text_of(chunks) == reply_to("hi")
    end = chunks[-1]
    assert isinstance(end, EndChunk)
    assert (end.stop_reason, end.model) == ("end_turn", name)


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
async def test_the_address_may_be_written_with_and_without_its_version(
    path: str, server: FakeMessages
) -> None:
    fields = {"dialect": "messages", "base_url": server.url + path, "key_env": "LAB_KEY"}
    (endpoint,) = (
        it for it in all_endpoints({"lab": fields}, find_local=False) if it.name == "lab"
    )
    provider = MessagesProvider(endpoint, environ={"LAB_KEY": KEY})
    await provider.refresh()
    assert [model.name for model in provider.models()] == ["tiny"]
    assert text_of(await collect(provider, make_prompt("hi"))) == reply_to("hi")
    await provider.close()


async def test_a_setting_with_this_dialect_makes_this_provider(server: FakeMessages) -> None:
    fields = {"dialect": "messages", "base_url": server.url}
    registry = Registry(endpoints={"lab": fields})
    assert isinstance(registry.providers["lab"], MessagesProvider)
    facts = [it for it in registry.listing()[1] if it["name"] == "lab"]
    assert [it["dialect"] for it in facts] == ["messages"]
    await registry.close()


async def test_the_parameters_of_a_local_model_are_passed_on(
    lab: MessagesProvider, server: FakeMessages
) -> None:
    params = {"temperature": 0.5, "top_p": 1, "top_k": 40, "stop_sequences": ["END"]}
    await collect(lab, make_prompt(params=params))
    body = server.requests[0].body
    assert {name: body[name] for name in params} == params


@pytest.mark.parametrize(
    ("thinking", "asked"),
    [
        (None, None),
        (True, {"type": "enabled", "budget_tokens": 8_192}),
        ({"budget_tokens": 2_000}, {"type": "enabled", "budget_tokens": 2_000}),
        (False, {"type": "disabled"}),
    ],
)
async def test_thinking_is_asked_for_as_most_servers_understand_it(
    thinking: Any, asked: Any, lab: MessagesProvider, server: FakeMessages
) -> None:
    params = {} if thinking is None else {"thinking": thinking}
    await collect(lab, make_prompt(params=params, max_tokens=20_000))
    assert server.requests[0].body.get("thinking") == asked


@pytest.mark.parametrize("name", ["qwen-3-8b", "phi-5", "gemma-4-4", "llama-3-8b@latest"])
async def test_no_other_model_is_taken_for_a_claude_of_that_number(name: str) -> None:
    with FakeMessages(models=[name]) as server:
        async with provider_of(server) as provider:
            await collect(provider, make_prompt(model=name))
    assert "thinking" not in server.requests[0].body


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": 2.1}, {"temperature": "hot"}, {"temperature": True}, {"top_p": -0.1},
        {"top_k": 1.5}, {"top_k": -1}, {"colour": "blue"},
    ],
)  # fmt: skip
async def test_a_parameter_that_cannot_be_meant_is_refused_by_name(
    params: dict[str, Any], lab: MessagesProvider, server: FakeMessages
) -> None:
    _, error = await fail(lab, make_prompt(params=params))
    assert type(error) is errors.BadRequest
    assert error.facts["param"] in params
    assert not server.requests


# ----------------------------------------------------------------------- keys and headers


def sent(server: FakeMessages) -> list[Request]:
    return [*server.other_requests, *server.requests]


async def test_the_key_is_sent_in_both_headers_that_servers_read(
    lab: MessagesProvider, server: FakeMessages
) -> None:
    await lab.refresh()
    await collect(lab, make_prompt())
    assert len(sent(server)) == 2
    for request in sent(server):
        assert request.key_headers == ("authorization", "x-api-key")
        assert request.headers["x-tenant"] == HEADER_SECRET
        assert "anthropic-version" in request.headers


def test_anthropics_own_address_gets_the_key_in_one_header() -> None:
    """It may refuse a key in the other one; of a message, the SDK chooses the header."""
    team = make_provider("https://api.anthropic.com", headers={})
    assert list(team.key_headers("k")) == ["X-Api-Key"]
    assert sdk.headers(team.endpoint, team.key_headers("k")) == {}


async def test_nothing_that_the_environment_holds_for_claude_goes_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The SDK reads these variables by itself."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-the-claude-api")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-the-claude-api")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Team: rockets\nX-Tenant: theirs")
    with FakeMessages() as server:
        async with provider_of(server, key_env=None) as provider:
            await provider.refresh()
            await collect(provider, make_prompt())
    assert len(sent(server)) == 2
    for request in sent(server):
        assert not request.has_key
        assert "x-team" not in request.headers
        assert request.headers["x-tenant"] == HEADER_SECRET


async def test_a_header_of_the_setting_takes_the_place_of_the_keys() -> None:
    with FakeMessages() as server:
        headers = {"x-api-key": "from-the-setting"}
        async with provider_of(server, headers=headers) as provider:
            await provider.refresh()
            await collect(provider, make_prompt())
    for request in sent(server):
        assert request.key_headers == ("authorization", "x-api-key")


async def test_without_its_key_nothing_is_sent(server: FakeMessages) -> None:
    async with provider_of(server, environ={}) as provider:
        assert not provider.is_ready()
        _, error = await fail(provider, make_prompt())
    assert type(error) is errors.MissingKey
    assert "LAB_KEY" in error.message
    assert not sent(server)


# ------------------------------------------------------------------------ lists and sizes


async def test_a_list_in_anthropics_form_tells_sizes_and_abilities() -> None:
    yes, no = {"supported": True}, {"supported": False}
    entry = {
        "type": "model",
        "id": "claude-sonnet-5-5",
        "display_name": "Claude Sonnet 5.5",
        "created_at": "2026-09-01T00:00:00Z",
        "max_input_tokens": 500_000,
        "max_tokens": 64_000,
        "capabilities": {"image_input": yes, "pdf_input": no, "thinking": yes},
    }
    with FakeMessages(models=[entry]) as server:
        model = (await listed(server))["claude-sonnet-5-5"]
    assert (model.context_tokens, model.max_output_tokens) == (500_000, 64_000)
    assert model.can == ("images", "reasoning", "tools")


async def test_a_list_in_openais_form_tells_what_its_server_tells() -> None:
    entry = {"id": "m.gguf", "object": "model", "owned_by": "llamacpp"}
    pages = {
        "/v1/models": {"object": "list", "data": [entry]},
        "/props": {
            "default_generation_settings": {"n_ctx": 8_192},
            "modalities": {"vision": True},
        },
    }
    with FakeMessages(models=[entry], pages=pages) as server:
        model = (await listed(server, key_env=None))["m.gguf"]
    assert model.context_tokens == 8_192
    assert model.can == ("images",)


async def test_a_list_is_asked_for_as_a_whole(lab: MessagesProvider, server: FakeMessages) -> None:
    """Anthropic's list has 20 models on a page."""
    await lab.refresh()
    assert server.other_paths == ["/v1/models?limit=1000"]


async def test_a_claude_model_behind_a_gateway_gets_images_and_documents() -> None:
    name = "anthropic/claude-sonnet-5-5"
    with FakeMessages(models=[{"id": name, "object": "model"}]) as server:
        async with provider_of(server) as gateway:
            await gateway.refresh()
            (model,) = gateway.models()
            assert {"images", "documents", "reasoning"} <= set(model.can)
            assert gateway.model("claude-opus-5-5").can == model.can
            await collect(gateway, make_prompt(model=name, turns=(user(PNG, PDF, say("?")),)))
    assert kinds(server.requests[0].body["messages"][0]) == ["image", "document", "text"]


@pytest.mark.parametrize("can", [(), ("images",)])
async def test_the_abilities_of_the_setting_are_those_of_a_claude_model_too(
    can: tuple[str, ...],
) -> None:
    """A gateway may pass on no images and no tools."""
    name = "anthropic/claude-sonnet-5-5"
    with FakeMessages(models=[{"id": name, "object": "model"}]) as server:
        async with provider_of(server, can=can) as gateway:
            assert gateway.model(name).can == can
            await gateway.refresh()
            assert [model.can for model in gateway.models()] == [can]


async def test_the_models_of_the_setting_are_listed_in_place_of_the_servers(
    server: FakeMessages,
) -> None:
    found = await listed(server, models=("a/b:c",), context_tokens=64_000)
    assert [(name, model.context_tokens) for name, model in found.items()] == [("a/b:c", 64_000)]


# -------------------------------------------------------------------------------- failures

HTTP_FAILURES = [
    (401, "authentication_error", "no", errors.BadKey, "'key_env' or 'key_file'"),
    (403, "permission_error", "no", errors.BadKey, "'lab'"),
    (404, "not_found_error", "model 'tiny' not found", errors.NoSuchModel, "no model 'tiny'"),
    (404, "not_found_error", "File Not Found", errors.NotTheProvider, "'dialect': 'chat'"),
    (405, "invalid_request_error", "Method Not Allowed", errors.BadRequest, "Method Not Allowed"),
    (400, "exceed_context_size_error", "request exceeds", errors.PromptTooLong, "longer than"),
    (
        400,
        "invalid_request_error",
        "the request exceeds the available context size (512 tokens)",
        errors.PromptTooLong,
        "longer than",
    ),
    (413, "request_too_large", "too large", errors.PromptTooLong, "the endpoint 'lab' takes"),
    (400, "invalid_request_error", "tools: no", errors.BadRequest, "It says: tools: no"),
    (429, "rate_limit_error", "slow down", errors.RateLimited, "'lab' got too many"),
    (529, "overloaded_error", "busy", errors.Overloaded, "'lab' is overloaded"),
    (503, "api_error", "Loading model", errors.ProviderDown, "'lab' failed on its side"),
    (502, None, "<title>Bad Gateway</title>", errors.ProviderDown, "the endpoint 'lab'"),
    (200, None, "<title>Log in</title>", errors.NotTheProvider, "'base_url' of the endpoint 'lab'"),
    (404, None, "<title>nginx</title>", errors.NotTheProvider, "'base_url' of the endpoint 'lab'"),
]


@pytest.mark.parametrize(("status", "type_", "said", "expected", "words"), HTTP_FAILURES)
async def test_a_failure_names_the_endpoint_and_neither_claude_nor_a_secret(
    status: int,
    type_: str | None,
    said: str,
    expected: type[errors.ProviderError],
    words: str,
    lab: MessagesProvider,
    server: FakeMessages,
) -> None:
    for quoting in (said, f"{said}; you sent {SECRET!r}, {KEY} and {HEADER_SECRET}"):
        body = None if type_ else quoting
        error_type = type_ or ""
        server.add(Answer(status=status, error_type=error_type, error_message=quoting, body=body))
        _, error = await fail(lab, make_prompt(SECRET))
        assert type(error) is expected
        told = json.dumps(error.to_wire()) + str(error)
        assert words in told or quoting != said
        for hidden in (KEY, HEADER_SECRET, "swordfish", "Claude", "ANTHROPIC"):
            assert hidden not in told
    assert len(server.requests) == 2, "the provider must not retry by itself"


async def test_a_local_server_that_is_not_running_is_named_with_its_port() -> None:
    with FakeMessages() as gone:
        url = gone.url
    provider = make_provider(url, key_env=None, product="Ollama")
    _, error = await fail(provider, make_prompt())
    await provider.close()
    assert type(error) is errors.ProviderDown
    assert f"Ollama is not running on localhost:{url.rpartition(':')[2]}" in error.message


@pytest.mark.parametrize(("fault", "after_chunks"), [("cut", 3), ("drop", 3), ("garbage", 3)])
async def test_a_stream_without_its_end_was_cut(
    fault: Any, after_chunks: int, lab: MessagesProvider, server: FakeMessages
) -> None:
    server.add(Answer(text="abcdefgh", chunk_chars=2, fault=fault, after_chunks=after_chunks))
    text, error = await fail(lab, make_prompt())
    assert (text, type(error)) == ("abcdef", errors.StreamCut)
    assert "Claude" not in error.message


async def test_ollama_tells_how_to_install_a_model() -> None:
    with FakeMessages() as server:
        async with provider_of(server, product="Ollama", key_env=None) as ollama:
            _, error = await fail(ollama, make_prompt(model="qwen3:8b"))
    assert type(error) is errors.NoSuchModel
    assert error.facts["model"] == "lab/qwen3:8b"
    assert "ollama pull qwen3:8b" in error.message
