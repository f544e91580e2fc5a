"""A chat for notebooks that never loses a token.

Importing this package costs nothing: each public name is loaded when it is first used. Nothing
inside the package imports from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _start as _start  # notes the working directory before anybody changes it
from ._version import __version__

if TYPE_CHECKING:
    from .kernel.widget import Chat, Run

__all__ = ["Chat", "Run", "__version__"]


def __getattr__(name: str) -> Any:
    if name in ("Chat", "Run"):
        from .kernel import widget

        return getattr(widget, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyter-chat-stream"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from .server.extension import ChatStreamApp

    return [{"module": "jupyter_chat_stream", "app": ChatStreamApp}]
