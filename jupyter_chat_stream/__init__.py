"""A chat for notebooks that never loses a token.

Importing this package loads nothing else: each public name is loaded when it is first used. No
module of the package imports a name from here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import _start as _start  # notes the working directory before anybody changes it
from ._version import __version__ as __version__

if TYPE_CHECKING:  # the public names, for type checkers; `__getattr__` loads the same ones
    from .kernel.attachments.attachment import Attachment as Attachment
    from .kernel.chat import Chat as Chat
    from .kernel.failure import RunFailed as RunFailed
    from .kernel.messages import Message as Message
    from .kernel.messages import Messages as Messages
    from .kernel.questions import Question as Question
    from .kernel.run import Run as Run
    from .kernel.schedules import Schedule as Schedule
    from .kernel.usage import ContextUse as ContextUse
    from .kernel.usage import UsageEntry as UsageEntry
    from .kernel.usage import UsageTable as UsageTable
    from .shared.errors import *  # noqa: F403
    from .shared.events import *  # noqa: F403

_KERNEL = {
    "Attachment": "attachments.attachment",
    "Chat": "chat",
    "ContextUse": "usage",
    "Message": "messages",
    "Messages": "messages",
    "Question": "questions",
    "Run": "run",
    "RunFailed": "failure",
    "Schedule": "schedules",
    "UsageEntry": "usage",
    "UsageTable": "usage",
}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return __dir__()
    if name in _KERNEL:
        return getattr(importlib.import_module(f".kernel.{_KERNEL[name]}", __name__), name)
    if name in (shared := _shared()):
        return shared[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(["__version__", *_KERNEL, *_shared()])


def _shared() -> dict[str, Any]:
    """Return every error, the event and its bodies, by name."""
    from .shared import errors, events

    return {name: getattr(events, name) for name in events.__all__} | {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.ChatStreamError)
    }


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyter-chat-stream"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from .server.extension import ChatStreamApp

    return [{"module": "jupyter_chat_stream", "app": ChatStreamApp}]
