"""The tools of the server, as its settings choose them."""

from __future__ import annotations

from ...shared.config import ChatStream
from .ask_person import AskPerson
from .base import ServerTools
from .wait_until import WaitUntil


def make_server_tools(config: ChatStream) -> ServerTools:
    """Return the tools that a process with these settings executes."""
    return ServerTools(AskPerson(), WaitUntil())
