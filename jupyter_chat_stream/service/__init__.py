"""The service: every command of the chat, for any transport.

The service joins store, engine, hub and providers. Each group of commands is a class in a module
of its own; ``Service`` inherits from all of them.
"""

from __future__ import annotations

from ..store.front import SendRequest as SendRequest
from .attachments import Attachments
from .exports import Exports
from .following import Following
from .keys import Keys
from .messages import MessageService
from .schedules import Schedules
from .threads import Threads
from .usage import UsageService


class Service(
    Threads,
    MessageService,
    Schedules,
    Following,
    Attachments,
    Exports,
    Keys,
    UsageService,
):
    """The chat of one server."""
