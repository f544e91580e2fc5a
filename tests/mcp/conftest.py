"""Fixtures of the tests of MCP servers, which are real ones of the SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from jupyter_chat_stream.runs.tools.mcp import servers
from tests.fixtures import make_harness as make_harness
from tests.mcp.lab import McpLab


@pytest.fixture
async def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[McpLab]:
    """A folder with an ``mcp.json`` and the servers that it names, which may start slowly."""
    monkeypatch.setattr(servers, "LIST_WAIT_S", 60.0)
    async with AsyncExitStack() as stack:
        made = McpLab(tmp_path)
        stack.push_async_callback(made.close)
        yield made
