"""Error responses: the errors of the HTTP edge, and the response to any error.

A response names a stable code and the next step. An unforeseen error becomes ``internal``, with an
id that is also in the log. The log gets such an error's type and traceback, never its message,
which may quote a prompt or a key.
"""

from __future__ import annotations

import logging
import secrets
import traceback
from dataclasses import dataclass, field
from http.client import responses
from math import ceil

from tornado.web import HTTPError

from ..shared.errors import ChatStreamError, Forbidden, InvalidInput, LimitReached
from ..shared.records import WireError


class InvalidJson(InvalidInput):
    """The body is not JSON."""

    code = "invalid_json"


class Unauthenticated(Forbidden):
    """The request carries no valid token. The status is 403, not 401, as in Jupyter."""

    code = "unauthenticated"

    def __init__(self) -> None:
        super().__init__(
            "This request carries no token that is valid here. Send the server's token in an "
            "Authorization header: `Authorization: token <token>`."
        )


class StartFailed(ChatStreamError):
    """The chat could not start; the rest of the Jupyter server still works."""

    code = "start_failed"
    status = 503


_SENTENCES = {
    400: ("bad_request", "The request is malformed."),
    403: ("forbidden", "This is not allowed."),
    404: ("not_found", "There is nothing here."),
    405: ("method_not_allowed", "This address does not take that method; see the Allow header."),
    413: ("content_too_large", "The request is too large."),
}


@dataclass(frozen=True, kw_only=True)
class ErrorResponse:
    """The HTTP response to an error."""

    status: int
    error: WireError
    headers: dict[str, str] = field(default_factory=dict)


def error_response(
    error: BaseException | None, *, status: int, log: logging.Logger
) -> ErrorResponse:
    """Return the response to an error; log an unforeseen one.

    Args:
        status: the status that tornado chose, for its own errors.
    """
    if isinstance(error, ChatStreamError):
        return _chat_error_response(error)
    if error is None or isinstance(error, HTTPError):
        status = error.status_code if isinstance(error, HTTPError) else status
        default = (f"http_{status}", f"{responses.get(status, 'Refused')}.")
        code, sentence = _SENTENCES.get(status, default)
        reason = error.log_message if isinstance(error, HTTPError) and status == 403 else None
        message = f"{sentence} {reason}" if reason else sentence
        return ErrorResponse(status=status, error={"code": code, "message": message})
    return unforeseen(error, log=log)


def _chat_error_response(error: ChatStreamError) -> ErrorResponse:
    headers = {}
    if isinstance(error, LimitReached) or "retry_after_s" in error.facts:
        headers["Retry-After"] = str(max(1, ceil(error.facts.get("retry_after_s") or 1)))
    return ErrorResponse(status=error.status, error=error.to_wire(), headers=headers)


def unforeseen(error: BaseException, *, log: logging.Logger) -> ErrorResponse:
    """Log an error under a new id, without its message, and return a response with that id."""
    error_id = secrets.token_hex(6)
    stack = "".join(traceback.format_tb(error.__traceback__))
    log.error("chat-stream | internal error %s: %s\n%s", error_id, type(error).__name__, stack)
    return ErrorResponse(
        status=500,
        error={
            "code": "internal",
            "message": f"Something went wrong inside; the server's log has it as {error_id}.",
            "id": error_id,
        },
    )
