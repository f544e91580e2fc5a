"""The tools of the server, as its settings choose them."""

from __future__ import annotations

from ...shared.config import ChatStream
from .base import ServerTools


def make_server_tools(config: ChatStream) -> ServerTools:
    """Return the tools that a process with these settings executes."""
    return ServerTools()
