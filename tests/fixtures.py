"""Fixtures for several folders: ``make_harness`` builds a store with a scripted provider.

A folder that uses one imports it into its own `conftest.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.anthropic import AnthropicProvider
from jupyter_chat_stream.shared.backoff import Backoff
from jupyter_chat_stream.testing import FakeAnthropic
from tests.following.harness import Following
from tests.providers.claude import make_provider
from tests.run_harness import RunHarness, running_harness

MakeHarness = Callable[..., Awaitable[RunHarness]]


@pytest.fixture
async def make_harness(tmp_path: Path) -> AsyncIterator[MakeHarness]:
    """Make harnesses from scripts and settings; they end with the test, and must then verify."""
    async with AsyncExitStack() as stack:

        async def make(*scripts: Any, **settings: Any) -> RunHarness:
            folder = settings.pop("folder", tmp_path)
            return await stack.enter_async_context(running_harness(folder, *scripts, **settings))

        yield make


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retries follow at once."""
    at_once = Backoff(first_s=0.0, max_s=0.0)
    monkeypatch.setattr("jupyter_chat_stream.runs.retries.PROVIDER_BACKOFF", at_once)


@pytest.fixture
async def following(make_harness: MakeHarness) -> AsyncIterator[Following]:
    """A thread that is followed; see following/harness.py."""
    made = await Following.begun(await make_harness())
    yield made
    await made.hub.stop()


@pytest.fixture
def fake() -> Iterator[FakeAnthropic]:
    """The API, on loopback."""
    with FakeAnthropic() as server:
        yield server


@pytest.fixture
async def provider(fake: FakeAnthropic, tmp_path: Path) -> AsyncIterator[AnthropicProvider]:
    """Claude's provider, which asks the fake API."""
    made = make_provider(fake.url, tmp_path)
    yield made
    await made.close()
