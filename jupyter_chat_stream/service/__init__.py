"""Everything a command can do, and nothing about how it came in.

The service joins store, engine, hub and providers; handlers, the command line and tests call it.
Its chapters are one module each.
"""

from __future__ import annotations

from ..store.front import SendRequest as SendRequest
from .exports import Exports
from .following import Following
from .messages import MessageService
from .schedules import Schedules
from .threads import Threads


class Service(Threads, MessageService, Schedules, Following, Exports):
    """The chat of one server."""
