"""Responses of the server, as values or as errors.

The code on the wire chooses the class. An unknown code, of a newer server, becomes a
``ChatStreamError`` with that code, so that no information is lost.
"""

from __future__ import annotations

import json
from typing import Any

from ..shared.errors import (
    ChatStreamError,
    Forbidden,
    LimitReached,
    NotFound,
    ProviderError,
    ServerUnavailable,
)
from ..shared.records import WireError
from .sentences import in_python


def error_classes() -> dict[str, type[ChatStreamError]]:
    """Return every class of error by its code."""
    classes: dict[str, type[ChatStreamError]] = {}
    pending = [ChatStreamError]
    while pending:
        cls = pending.pop()
        classes.setdefault(cls.code, cls)
        pending.extend(cls.__subclasses__())
    return classes


def error_from_wire(wire: WireError, status: int = 500) -> ChatStreamError:
    """Build the error that an ``error`` object stands for."""
    facts = dict(wire)
    code = str(facts.pop("code", None) or ChatStreamError.code)
    message = str(facts.pop("message", None) or "The chat's server gives no reason.")
    message = in_python(code, message, facts)
    cls = error_classes().get(code, ChatStreamError)
    # The classes' own constructors build the sentence from ids; here the server has sent it.
    error = cls.__new__(cls)
    if isinstance(error, ProviderError):
        ProviderError.__init__(error, message, **facts)
    else:
        ChatStreamError.__init__(error, message, **facts)
    if code != cls.code:
        error.code = code
        error.status = status
    return error


def read_answer(status: int, body: bytes, url: str = "") -> Any:
    """Return the JSON of a response; None if it has no body.

    Raises:
        ChatStreamError: the response is an error, or does not come from a chat server.
    """
    is_page = False
    content = None
    try:
        content = json.loads(body) if body else None
    except ValueError:
        is_page = True
    wire = content.get("error") if isinstance(content, dict) else None
    if status >= 400 and isinstance(wire, dict):
        raise error_from_wire(wire, status)
    if status >= 300 or is_page:
        raise _foreign_error(status, url)
    return content


def _foreign_error(status: int, url: str) -> ChatStreamError:
    """Build the error for a response of another program: a proxy, a login page, a bare Jupyter."""
    if 300 <= status < 400 or status in (401, 403):
        return Forbidden(
            f"The server at {url} asks for a login and does not let this kernel in. "
            "Restart the kernel; if that does not help, restart JupyterLab.",
            url=url,
        )
    if status == 404:
        return NotFound(
            f"There is no chat on the server at {url}. Install jupyter-chat-stream where "
            "JupyterLab runs, then restart the server and this kernel.",
            url=url,
        )
    if status == 429:
        return LimitReached(
            f"The server at {url} takes no more requests for now. Try again in a minute.", url=url
        )
    return ServerUnavailable(
        f"Something else than the chat's server answers at {url} (a proxy, or a server that "
        "fails). Is JupyterLab running, and does a proxy stand before it?",
        url=url,
    )
