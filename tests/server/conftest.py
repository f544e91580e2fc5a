"""Servers for tests. ``chat_server`` is one with every setting as it comes; see harness.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.server.harness import ChatServer, running_server

StartServer = Callable[..., Awaitable[ChatServer]]


@pytest.fixture
async def start_server(tmp_path: Path) -> AsyncIterator[StartServer]:
    """Start servers with settings (``ChatStream_default_model=…``); they end with the test."""
    async with AsyncExitStack() as stack:

        async def start(**config: Any) -> ChatServer:
            folder = config.pop("folder", tmp_path)
            return await stack.enter_async_context(running_server(folder, **config))

        yield start


@pytest.fixture
async def chat_server(start_server: StartServer) -> ChatServer:
    """A server with the chat, ready."""
    return await start_server()
