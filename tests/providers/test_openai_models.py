"""The models that the servers of endpoints list, their sizes, and local servers that are found."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import jupyter_chat_stream.providers.endpoints as endpoints_module
from jupyter_chat_stream.providers.base import Model
from jupyter_chat_stream.providers.endpoints import USUAL_LOCAL, Endpoint
from jupyter_chat_stream.providers.openai import OpenAIProvider
from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.shared.errors import NoSuchModel, ProviderDown
from jupyter_chat_stream.testing import Answer, FakeOpenAI, reply_to
from jupyter_chat_stream.testing.http_server import HttpConnection, HttpRequest
from tests.providers.chat import make_prompt, make_provider
from tests.providers.streams import collect, text_of


@asynccontextmanager
async def provider_of(server: FakeOpenAI, **changes: Any) -> AsyncIterator[OpenAIProvider]:
    """Make a provider of a fake server that takes no key."""
    made = make_provider(server.base_url, **{"key_env": None, "headers": {}, **changes})
    yield made
    await made.close()


async def listed(server: FakeOpenAI, **changes: Any) -> dict[str, Model]:
    async with provider_of(server, **changes) as provider:
        await provider.refresh()
        return {model.name: model for model in provider.models()}


# --------------------------------------------------------------------- lists and sizes


@pytest.mark.parametrize(
    ("entry", "context", "most"),
    [
        ({"id": "m", "owned_by": "vllm", "max_model_len": 40_960}, 40_960, 20_480),
        ({"id": "m", "context_length": 200_000, "max_completion_tokens": 8_000}, 200_000, 8_000),
        ({"id": "m", "context_window": 131_072, "max_completion_tokens": 65_536}, 131_072, 65_536),
        ({"id": "m", "max_context_length": 262_144}, 262_144, 32_000),
        ({"id": "m"}, 32_000, 16_000),
        ({"id": "m", "context_length": "many", "max_model_len": -1}, 32_000, 16_000),
    ],
)
async def test_a_models_sizes_are_those_that_its_server_tells(
    entry: dict[str, Any], context: int, most: int
) -> None:
    with FakeOpenAI(models=[entry]) as server:
        model = (await listed(server))["m"]
    assert (model.context_tokens, model.max_output_tokens) == (context, most)


async def test_ollama_tells_what_it_has_loaded_and_not_what_the_model_could_read() -> None:
    """It cuts the beginning of a longer prompt, and tells nobody."""
    names = ["loaded:8b", "tuned:8b", "plain:8b", "short:1b", "hf.co/org/M-GGUF:Q4", "embed:1b"]
    trained = {"model_info": {"general.architecture": "llama", "llama.context_length": 131_072}}
    shown: dict[str, Any] = {
        "loaded:8b": {**trained, "capabilities": ["completion", "tools", "thinking"]},
        "tuned:8b": {**trained, "parameters": 'stop "x"\nnum_ctx                 16384\n'},
        "plain:8b": trained,
        "short:1b": {"model_info": {"tiny.context_length": 2048}},
        "hf.co/org/M-GGUF:Q4": {**trained, "capabilities": ["completion", "vision"]},
        "embed:1b": {"capabilities": ["embedding"]},
    }
    pages = {
        "/api/ps": {"models": [{"name": "loaded:8b", "context_length": 65_536}]},
        "/api/show": lambda body: shown[body["model"]],
    }
    models = [{"id": name, "owned_by": "library"} for name in names]
    with FakeOpenAI(models=models, pages=pages) as server:
        async with provider_of(server, product="Ollama") as ollama:
            await ollama.refresh()
            await ollama.refresh(force=True)
            found = {model.name: model for model in ollama.models()}
    contexts = {name: model.context_tokens for name, model in found.items()}
    assert contexts == {
        "loaded:8b": 65_536,
        "tuned:8b": 16_384,
        "plain:8b": 4_096,
        "short:1b": 2_048,
        "hf.co/org/M-GGUF:Q4": 4_096,
    }
    assert found["loaded:8b"].can == ("tools", "reasoning")
    assert found["hf.co/org/M-GGUF:Q4"].can == ("images",)
    shows = [path for _, path, _ in server.other_requests if path == "/api/show"]
    assert len(shows) == len(names), "what has not changed is not asked for again"


async def test_what_ollama_tells_besides_the_facts_of_a_model_is_not_kept() -> None:
    """An answer holds the licence, the template and the vocabulary: megabytes of each model."""
    shown = {
        "license": "x" * 100_000,
        "model_info": {"a.context_length": 9_000, "b": ["y"] * 9_000},
    }
    models = [{"id": "m:8b", "owned_by": "library"}]
    with FakeOpenAI(models=models, pages={"/api/show": shown}) as server:
        async with provider_of(server, product="Ollama") as ollama:
            await ollama.refresh()
            assert len(pickle.dumps(ollama.lister.details)) < 1_000
            await ollama.refresh(force=True)
            assert [model.context_tokens for model in ollama.models()] == [4_096]


async def test_openais_newest_general_model_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first model of an endpoint becomes the default once its key is set."""
    monkeypatch.setattr(Endpoint, "is_openai", True)
    names = ["gpt-4-0613", "o3-mini", "gpt-4o", "gpt-5-nano", "gpt-5", "gpt-10", "gpt-5.5", "gpt-4"]
    with FakeOpenAI(models=names) as server:
        found = list(await listed(server))
    assert found == [
        "gpt-10", "gpt-5.5", "gpt-5", "gpt-4o", "gpt-4", "gpt-4-0613", "o3-mini", "gpt-5-nano",
    ]  # fmt: skip


async def test_llamacpp_tells_the_context_it_was_started_with() -> None:
    entry = {"id": "/models/x.gguf", "owned_by": "llamacpp", "meta": {"n_ctx_train": 131_072}}
    pages = {"/props": {"default_generation_settings": {"n_ctx": 8192}}}
    with FakeOpenAI(models=[entry], pages=pages) as server:
        assert (await listed(server))["/models/x.gguf"].context_tokens == 8192
    with FakeOpenAI(models=[entry]) as server:
        assert (await listed(server))["/models/x.gguf"].context_tokens == 32_000


async def test_lm_studio_tells_the_context_that_is_loaded() -> None:
    names = ("loaded", "idle", "text-vectors", "of-2030")
    models = [{"id": name, "owned_by": "organization_owner"} for name in names]
    details = [
        {"id": "loaded", "type": "vlm", "loaded_context_length": 10_000},
        {"id": "idle", "type": "llm", "max_context_length": 32_768},
        {"id": "text-vectors", "type": "embeddings"},
    ]
    with FakeOpenAI(models=models, pages={"/api/v0/models": {"data": details}}) as server:
        found = await listed(server, product="LM Studio")
    contexts = {name: model.context_tokens for name, model in found.items()}
    assert contexts == {"loaded": 10_000, "idle": 4_096, "of-2030": 4_096}
    assert found["loaded"].can == ("images",)


async def test_the_setting_tells_what_models_can_if_the_server_does_not() -> None:
    """vLLM and Groq list names and sizes only."""
    with FakeOpenAI(models=[{"id": "m", "owned_by": "vllm"}]) as server:
        assert (await listed(server))["m"].can == ()
        assert (await listed(server, can=("images", "tools")))["m"].can == ("images", "tools")


async def test_the_settings_win_over_the_server() -> None:
    with FakeOpenAI(models=[{"id": "a", "max_model_len": 8_000}, "b"]) as server:
        found = await listed(server, context_tokens=64_000, models=("b", "c/d:e"))
    assert list(found) == ["b", "c/d:e"]
    assert {model.context_tokens for model in found.values()} == {64_000}


@pytest.mark.parametrize("name", ["", " a", "a\nb", "x" * 161])
def test_a_name_no_model_can_have_is_refused(name: str) -> None:
    with pytest.raises(NoSuchModel):
        make_provider("http://127.0.0.1:1/v1").model(name)


LIST_FAILURES = [
    (Answer(status=401, body={"error": "no"}), "key"),
    (Answer(status=500, body={"error": "no"}), "failed on its side"),
    (Answer(status=404, body="<html>no</html>"), "does not list models"),
    (Answer(status=200, body="<html>hello</html>"), "does not list models"),
    (Answer(status=200, body={"hello": "world"}), "does not list models"),
    (Answer(status=302, body="", headers={"location": "http://192.0.2.1/v1/models"}), "list"),
    (Answer(fault="drop"), "lab"),
    (Answer(fault="reset"), "lab"),
    (Answer(fault="silence"), "did not answer within"),
]


@pytest.mark.parametrize(("answer", "said"), LIST_FAILURES)
async def test_an_endpoint_that_lists_no_models_is_listed_with_its_error(
    answer: Answer, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_chat_stream.providers.listing.LIST_TIMEOUT_S", 0.3)
    with FakeOpenAI(list_answer=answer) as server:
        registry = Registry(endpoints={"lab": {"base_url": server.base_url}})
        await registry.refresh()
        (entry,) = [model for model in registry.models() if model["provider"] == "lab"]
        assert registry.get("lab/any")[1].name == "any", "it may be asked for all the same"
        await registry.close()
    assert not entry["ready"]
    assert said in str(entry["error"])


async def test_strange_entries_of_a_list_are_left_out() -> None:
    names: list[Any] = ["good", "", "a\nb", "x" * 500, "text-embedding-3-small"]
    with FakeOpenAI(models=[{"id": name} for name in names]) as server:
        server.models += [None, 7, {"id": None}, {"no": "id"}]  # type: ignore[list-item]
        assert list(await listed(server)) == ["good"]


@pytest.mark.parametrize("owner", ["library", "llamacpp", "organization_owner", {}, None])
async def test_a_list_that_is_not_what_servers_send_harms_nobody(owner: Any) -> None:
    models = [{"id": "a", "owned_by": owner, "created": {"no": "number"}, "meta": [1]}]
    pages = {"/api/ps": {"models": [{"name": ["x"]}]}, "/api/show": [], "/props": 7,
             "/api/v0/models": {"data": {"id": 1}}}  # fmt: skip
    with FakeOpenAI(models=models, pages=pages) as server:
        registry = Registry(endpoints={"lab": {"base_url": server.base_url}})
        assert (await registry.look_up("lab/a"))[1].name == "a"
        assert [m["provider"] for m in registry.models()][-1] == "lab"
        await registry.close()


async def test_a_list_is_asked_for_again_only_when_it_is_old_or_somebody_wants_it() -> None:
    with FakeOpenAI() as server:
        async with provider_of(server) as lab:
            await asyncio.gather(*(lab.refresh() for _ in range(5)))
            await lab.refresh()
            assert len(server.other_requests) == 1
            await lab.refresh(force=True)
            assert len(server.other_requests) == 2


async def test_the_sizes_of_a_model_are_asked_for_before_its_first_prompt() -> None:
    """A worker is never asked for its list of models."""
    with FakeOpenAI(models=[{"id": "m", "max_model_len": 1234}]) as server:
        registry = Registry(endpoints={"lab": {"base_url": server.base_url}})
        assert not server.other_requests, "nobody is asked at the start"
        provider, model = await registry.look_up("lab/m")
        await registry.close()
    assert (provider.name, model.context_tokens) == ("lab", 1234)


async def test_a_failed_request_for_the_list_forgets_no_size() -> None:
    """Else the next prompt would be cut to a guessed context."""
    with FakeOpenAI(models=[{"id": "m", "max_model_len": 131_072}]) as server:
        async with provider_of(server) as lab:
            await lab.look_up("m")
            server.list_answer = Answer(fault="drop")
            await lab.refresh(force=True)
            with pytest.raises(ProviderDown):
                lab.models()
            assert (await lab.look_up("m")).context_tokens == 131_072
            assert lab.model("m").context_tokens == 131_072


async def test_a_size_is_not_guessed_while_the_server_does_not_answer() -> None:
    with FakeOpenAI(models=[{"id": "m", "max_model_len": 131_072}]) as server:
        server.list_answer = Answer(status=503, body={"error": "loading"})
        async with provider_of(server) as lab, provider_of(server, context_tokens=8_000) as told:
            with pytest.raises(ProviderDown) as caught:
                await lab.look_up("m")
            assert caught.value.retryable
            assert (await told.look_up("m")).context_tokens == 8_000
            server.list_answer = None
            assert (await lab.look_up("m")).context_tokens == 131_072, "the next try asks anew"


async def test_the_details_of_all_models_are_waited_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An Ollama that hangs at one request for each model; the sizes that came in time are kept."""
    monkeypatch.setattr("jupyter_chat_stream.providers.listing.LIST_TIMEOUT_S", 0.3)
    names = [f"m{number}" for number in range(30)]
    hung = set(names[1:])

    async def show(http: HttpRequest, connection: HttpConnection) -> None:
        name = http.json().get("model")
        if name in hung:
            await asyncio.get_running_loop().create_future()
        await connection.send_json(200, {"parameters": "num_ctx 16384"})

    with FakeOpenAI(models=[{"id": name, "owned_by": "library"} for name in names]) as server:
        answer = server.answer_other

        async def answer_other(http: HttpRequest, connection: HttpConnection) -> None:
            await (show if http.path == "/api/show" else answer)(http, connection)

        monkeypatch.setattr(server, "answer_other", answer_other)
        async with provider_of(server, product="Ollama") as ollama:
            async with asyncio.timeout(1.0):  # four times LIST_TIMEOUT_S, if each 8 had their own
                await ollama.refresh()
            assert len(ollama.models()) == len(names)
            assert (await ollama.look_up("m0")).context_tokens == 16_384
            with pytest.raises(ProviderDown, match="did not answer within"):
                await ollama.look_up("m1")
            hung.clear()
            assert (await ollama.look_up("m1")).context_tokens == 16_384
            hung.update(names)
            ollama.lister.details.clear()
            await ollama.refresh(force=True)
            assert (await ollama.look_up("m1")).context_tokens == 16_384, "as it was told before"


async def test_a_size_is_guessed_if_the_server_tells_none() -> None:
    with FakeOpenAI(list_answer=Answer(status=404, body="no")) as server:
        async with provider_of(server) as lab:
            assert (await lab.look_up("m")).context_tokens == 32_000


# ----------------------------------------------------------------------------- discovery


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put fake servers in the place of the usual local addresses."""

    def put(**base_urls: str) -> None:
        local = tuple(
            replace(endpoint, base_url=base_urls.get(endpoint.name, "http://127.0.0.1:1/v1"))
            for endpoint in USUAL_LOCAL
        )
        monkeypatch.setattr(endpoints_module, "USUAL_LOCAL", local)

    return put


async def test_a_local_server_stands_in_the_list_without_any_setting(usual: Any) -> None:
    with FakeOpenAI(models=["llama3:8b", "hf.co/a/b:Q4"]) as server:
        usual(ollama=server.base_url)
        registry = Registry(find_local=True)
        before = {model["provider"] for model in registry.models()}
        await registry.refresh()
        found = [model for model in registry.models() if model["provider"] not in before]
        await registry.close()
    assert [model["id"] for model in found] == ["ollama/llama3:8b", "ollama/hf.co/a/b:Q4"]
    assert all(model["ready"] and model["error"] is None for model in found)
    assert not any(has_key for _, _, has_key in server.other_requests)


async def test_a_local_server_that_has_stopped_leaves_the_list(usual: Any) -> None:
    with FakeOpenAI() as server:
        usual(ollama=server.base_url)
        registry = Registry(find_local=True)
        await registry.refresh()
        assert "ollama" in {model["provider"] for model in registry.models()}
        server.list_answer = Answer(fault="drop")
        await registry.refresh(force=True)
        assert "ollama" not in {model["provider"] for model in registry.models()}
        await registry.close()


async def test_what_is_no_model_server_at_a_usual_address_is_not_mentioned(usual: Any) -> None:
    with FakeOpenAI(list_answer=Answer(status=200, body="<html>a hub</html>")) as server:
        usual(vllm=server.base_url)
        registry = Registry(find_local=True)
        await registry.refresh()
        providers = {model["provider"] for model in registry.models()}
        await registry.close()
    assert providers == {"anthropic", "demo"}


async def test_a_local_server_is_never_asked_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing that is meant for this machine leaves it."""
    with FakeOpenAI() as proxy, FakeOpenAI() as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        async with provider_of(server) as lab:
            await lab.refresh()
            assert [model.name for model in lab.models()] == ["tiny"]
            assert text_of(await collect(lab, make_prompt())) == reply_to("hello")
        assert not proxy.connection_count


@pytest.mark.parametrize("key_env", [None, "LAB_KEY"])
async def test_a_list_is_asked_for_through_the_proxy_without_a_password_of_netrc(
    key_env: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiohttp sends such a password to any host, and refuses to send it beside a key."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    url = "http://models.example/v1/models"
    with FakeOpenAI(pages={url: {"data": [{"id": "m"}]}}) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        lab = make_provider("http://models.example/v1", key_env=key_env, headers={})
        await lab.refresh()
        assert [model.name for model in lab.models()] == ["m"]
        assert proxy.other_requests == [("GET", url, key_env is not None)]
        await lab.close()


async def test_a_hosted_endpoint_without_its_key_is_not_asked(usual: Any) -> None:
    """Discovery leaves the machine for nobody who did not configure it."""
    usual()
    with FakeOpenAI() as server:
        given = {"lab": {"base_url": server.base_url, "key_env": "CHAT_STREAM_NO_SUCH_KEY"}}
        registry = Registry(endpoints=given, find_local=True)
        await registry.refresh()
        (entry,) = [model for model in registry.models() if model["provider"] == "lab"]
        await registry.close()
    assert "CHAT_STREAM_NO_SUCH_KEY" in str(entry["error"])
    assert not server.other_requests


async def test_a_dead_endpoint_does_not_hold_up_the_list_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three that accept and say nothing: asked side by side, and waited for once."""
    monkeypatch.setattr("jupyter_chat_stream.providers.registry.REFRESH_PATIENCE_S", 0.2)
    silent = Answer(fault="silence")
    with FakeOpenAI(list_answer=silent) as dead, FakeOpenAI() as alive:
        given = {f"dead{n}": {"base_url": dead.base_url} for n in range(3)}
        given["alive"] = {"base_url": alive.base_url}
        registry = Registry(endpoints=given)
        async with asyncio.timeout(2.0):
            await registry.refresh()
        assert "alive/tiny" in {model["id"] for model in registry.models()}
        await registry.close()
