"""``GET models``: the list that the endpoints tell, asked for when somebody wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from jupyter_chat_stream.providers import endpoints
from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.testing import FakeOpenAI
from tests.server.conftest import StartServer
from tests.server.harness import PATIENCE_S


@pytest.fixture
def local() -> Iterator[FakeOpenAI]:
    """A model server, in the place of the one that Ollama's usual port has."""
    with FakeOpenAI(models=["qwen3:8b"]) as made:
        yield made


@pytest.fixture
def configured() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(models=["large"]) as made:
        yield made


@pytest.fixture
def warmed(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Is set when what a server loads behind its start is loaded."""
    event = asyncio.Event()
    warm = Registry.warm

    async def noted(self: Registry) -> None:
        await warm(self)
        event.set()

    monkeypatch.setattr(Registry, "warm", noted)
    return event


async def test_no_endpoint_is_asked_before_somebody_opens_the_list(
    start_server: StartServer,
    local: FakeOpenAI,
    configured: FakeOpenAI,
    warmed: asyncio.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A start waits for no endpoint, and an answer of another model asks none."""
    usual = tuple(
        replace(each, base_url=local.base_url if each.name == "ollama" else "http://127.0.0.1:1/v1")
        for each in endpoints.USUAL_LOCAL
    )
    monkeypatch.setattr(endpoints, "USUAL_LOCAL", usual)
    server = await start_server(
        ChatStream_find_local_models=True,
        ChatStream_endpoints={"lab": {"base_url": configured.base_url}},
    )
    done = await server.answered(await server.thread())
    assert done["run"]["status"] == "completed"
    await asyncio.wait_for(warmed.wait(), PATIENCE_S)
    assert (local.connection_count, configured.connection_count) == (0, 0)

    listed = (await server.ask("GET", "models")).json["models"]
    assert {"ollama/qwen3:8b", "lab/large"} <= {model["id"] for model in listed}
