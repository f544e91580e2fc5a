"""From an answer of the server to a value or an error of the tree.

The code on the wire chooses the class; a code of a newer server becomes ``ChatStreamError`` with
that code, so that nothing a server says is lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import ChatStreamError, ProviderError

_CODE_BY_STATUS = {401: "forbidden", 403: "forbidden", 404: "not_found", 429: "limit_reached"}


def error_classes() -> dict[str, type[ChatStreamError]]:
    """Give every class of the tree by its code."""
    classes: dict[str, type[ChatStreamError]] = {}
    pending = [ChatStreamError]
    while pending:
        cls = pending.pop()
        classes.setdefault(cls.code, cls)
        pending.extend(cls.__subclasses__())
    return classes


def error_from_wire(wire: Mapping[str, Any], status: int = 500) -> ChatStreamError:
    """Build the error that an ``error`` object means."""
    facts = dict(wire)
    code = str(facts.pop("code", None) or _CODE_BY_STATUS.get(status, ChatStreamError.code))
    message = str(facts.pop("message", None) or f"The chat's server answered {status}.")
    cls = error_classes().get(code, ChatStreamError)
    # The classes' own constructors build the sentence from ids; here the sentence has come.
    error = cls.__new__(cls)
    if isinstance(error, ProviderError):
        ProviderError.__init__(error, message, **facts)
    else:
        ChatStreamError.__init__(error, message, **facts)
    if code != cls.code:
        error.code = code
        error.status = status
    return error


def read_answer(status: int, body: bytes) -> Any:
    """Give the JSON of an answer, None where it has no body.

    Raises:
        ChatStreamError: the answer is an error, or not of this server.
    """
    try:
        content = json.loads(body) if body else None
    except ValueError:
        content = None
        if status < 400:
            raise ChatStreamError(f"The answer ({status}, {len(body)} bytes) is no JSON.") from None
    if status < 400:
        return content
    wire = content.get("error") if isinstance(content, dict) else None
    raise error_from_wire(wire if isinstance(wire, dict) else {}, status)
