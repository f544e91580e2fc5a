"""A chat for notebooks that never loses a token.

Importing this package loads nothing else: each public name is loaded when it is first used. No
module of the package imports a name from here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import _start as _start  # notes the working directory before anybody changes it
from ._version import __version__

if TYPE_CHECKING:
    from .kernel.chat import Chat
    from .kernel.failure import RunFailed
    from .kernel.messages import Message, Messages
    from .kernel.questions import Question
    from .kernel.run import Run
    from .kernel.schedules import Schedule
    from .shared.errors import (
        BadKey,
        BadRequest,
        ChatStreamError,
        Compacted,
        Conflict,
        ContentTooLarge,
        CursorAhead,
        DamagedRow,
        DatabaseBusy,
        DatabaseForeign,
        DatabaseGone,
        DatabaseOnOtherHost,
        DatabaseTooNew,
        DatabaseTooOld,
        DatabaseUnreachable,
        DatabaseUnreadable,
        DataFolderRefused,
        FoldError,
        Forbidden,
        IdempotencyMismatch,
        InvalidInput,
        LimitReached,
        MessageNotFound,
        MissingKey,
        NoSuchModel,
        NotFound,
        NotTheProvider,
        Overloaded,
        PromptTooLong,
        ProviderDown,
        ProviderError,
        RateLimited,
        Refusal,
        RequestNotOpen,
        RunNotEnded,
        RunNotFound,
        RunRefused,
        ScheduleNotFound,
        ServerUnavailable,
        StaleAttempt,
        Stalled,
        StoreError,
        StreamCut,
        ThreadNotFound,
        TooManyLater,
        TooManySchedules,
        VersionMismatch,
        WrongCall,
    )
    from .shared.events import (
        Completed,
        Delta,
        Event,
        Failed,
        Finalized,
        InputGiven,
        InputRequested,
        MessageWritten,
        StatusChanged,
        ThreadChanged,
        ToolReturned,
        ToolStarted,
        Unknown,
    )

__all__ = [
    "BadKey",
    "BadRequest",
    "Chat",
    "ChatStreamError",
    "Compacted",
    "Completed",
    "Conflict",
    "ContentTooLarge",
    "CursorAhead",
    "DamagedRow",
    "DataFolderRefused",
    "DatabaseBusy",
    "DatabaseForeign",
    "DatabaseGone",
    "DatabaseOnOtherHost",
    "DatabaseTooNew",
    "DatabaseTooOld",
    "DatabaseUnreachable",
    "DatabaseUnreadable",
    "Delta",
    "Event",
    "Failed",
    "Finalized",
    "FoldError",
    "Forbidden",
    "IdempotencyMismatch",
    "InputGiven",
    "InputRequested",
    "InvalidInput",
    "LimitReached",
    "Message",
    "MessageNotFound",
    "MessageWritten",
    "Messages",
    "MissingKey",
    "NoSuchModel",
    "NotFound",
    "NotTheProvider",
    "Overloaded",
    "PromptTooLong",
    "ProviderDown",
    "ProviderError",
    "Question",
    "RateLimited",
    "Refusal",
    "RequestNotOpen",
    "Run",
    "RunFailed",
    "RunNotEnded",
    "RunNotFound",
    "RunRefused",
    "Schedule",
    "ScheduleNotFound",
    "ServerUnavailable",
    "StaleAttempt",
    "Stalled",
    "StatusChanged",
    "StoreError",
    "StreamCut",
    "ThreadChanged",
    "ThreadNotFound",
    "TooManyLater",
    "TooManySchedules",
    "ToolReturned",
    "ToolStarted",
    "Unknown",
    "VersionMismatch",
    "WrongCall",
    "__version__",
]

# The modules of the public names; errors and events are in the last two.
_KERNEL = {
    "Chat": "chat",
    "Message": "messages",
    "Messages": "messages",
    "Question": "questions",
    "Run": "run",
    "RunFailed": "failure",
    "Schedule": "schedules",
}
_SHARED = (".shared.errors", ".shared.events")


def __getattr__(name: str) -> Any:
    if name in _KERNEL:
        return getattr(importlib.import_module(f".kernel.{_KERNEL[name]}", __name__), name)
    if name in __all__:
        modules = (importlib.import_module(module, __name__) for module in _SHARED)
        return next(getattr(module, name) for module in modules if hasattr(module, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyter-chat-stream"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from .server.extension import ChatStreamApp

    return [{"module": "jupyter_chat_stream", "app": ChatStreamApp}]
