"""The API that plays a case, and a run that asks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.anthropic import AnthropicProvider
from jupyter_chat_stream.shared.backoff import Backoff
from tests.cases.api import PlayedApi
from tests.run_harness import RunHarness, running_harness


@pytest.fixture(scope="module")
def api() -> Iterator[PlayedApi]:
    with PlayedApi() as server:
        yield server


@pytest.fixture
async def harness(
    api: PlayedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RunHarness]:
    """A store and a run's execution, with Claude's provider at the played API."""
    at_once = Backoff(first_s=0.0, max_s=0.0)
    monkeypatch.setattr("jupyter_chat_stream.runs.retries.PROVIDER_BACKOFF", at_once)
    environ = {"ANTHROPIC_API_KEY": "sk-ant-0123456789abcdef", "ANTHROPIC_BASE_URL": api.url}
    provider: Any = AnthropicProvider(key_file=tmp_path / "no.key", environ=environ)
    async with running_harness(tmp_path, provider=provider, max_retries=2) as made:
        yield made
    await provider.close()
    await asyncio.to_thread(api.wait_until_idle)
