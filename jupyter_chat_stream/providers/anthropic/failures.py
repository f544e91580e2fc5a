"""Every way a request to the Claude API fails, as a class of the project's tree.

The body's ``error.type`` decides, because an error inside a stream comes with status 200; the
status decides where there is none. What the API says is quoted only for a refused request, where
nobody could act without it, and only when it quotes neither the key nor the prompt.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

from ...shared.errors import (
    BadKey,
    BadRequest,
    NoSuchModel,
    Overloaded,
    PromptTooLong,
    ProviderDown,
    ProviderError,
    RateLimited,
    Refusal,
    Stalled,
    StreamCut,
)
from ..base import Prompt
from . import foreign
from .quoting import may_quote

MAX_QUOTE_CHARS = 300
MAX_RETRY_AFTER_S = 24 * 3600.0

_TYPES: dict[str, type[ProviderError]] = {
    "authentication_error": BadKey,
    "permission_error": BadKey,
    "not_found_error": NoSuchModel,
    "rate_limit_error": RateLimited,
    "overloaded_error": Overloaded,
    "api_error": ProviderDown,
    "timeout_error": ProviderDown,
    "request_too_large": PromptTooLong,
    "invalid_request_error": BadRequest,
    "billing_error": BadRequest,
}
_STATUSES: dict[int, type[ProviderError]] = {
    401: BadKey,
    403: BadKey,
    404: NoSuchModel,
    408: ProviderDown,
    413: PromptTooLong,
    429: RateLimited,
    529: Overloaded,
}
_PASSING = (408, 429, 529)  # and 5xx: what a gateway says of a moment, not of itself
_LOGIN_STATUS = 511  # "network authentication required": a captive portal
_FILTERED = re.compile(r"(?i)blocked by content filter|content filtering policy")
_TOO_LONG = re.compile(r"(?i)prompt is too long|exceed(s|ed)? (the )?context (limit|window)")


def from_status(error: Any, prompt: Prompt, key: str, now: Callable[[], float]) -> ProviderError:
    """Translate an ``anthropic.APIStatusError``: an HTTP error, or an error inside a stream."""
    response, status = error.response, error.status_code
    page = _page_of(error)
    if 300 <= status < 400 or status == _LOGIN_STATUS or (page and not _passes(status)):
        return foreign.not_the_provider(response, page or "", prompt, key)
    type_, said = _read_body(error.body)
    kind = _kind(type_, error.status_code, said)
    facts: dict[str, Any] = {}
    if error.status_code >= 300:
        facts["http_status"] = error.status_code
    if isinstance(error.request_id, str):
        facts["request_id"] = error.request_id[:128]
    if kind in (RateLimited, Overloaded, ProviderDown):
        sentence = _SENTENCES[kind].format(status=status)
        if page:
            what = foreign.describe(response, page, prompt, key)
            sentence = f"A server in between answered for the Claude API: {what}."
        return kind(
            sentence,
            retry_after_s=retry_after_s(error.response.headers, now),
            **facts,
        )
    if kind is NoSuchModel:
        facts["model"] = f"anthropic/{prompt.model}"
    sentence = _SENTENCES[kind].format(model=prompt.model)
    if kind is BadRequest:
        sentence += _quote(said, prompt, key)
    return kind(sentence, **facts)


def _page_of(error: Any) -> str | None:
    """Return the text of an error that is none of the API's, which are JSON."""
    return error.body if isinstance(error.body, str) and error.status_code >= 300 else None


def _passes(status: int) -> bool:
    return status in _PASSING or status >= 500


def _read_body(body: Any) -> tuple[str, str]:
    """Return the type and the message of the API's error object; empty texts without one."""
    error = body.get("error") if isinstance(body, dict) else None
    type_, said = (error.get("type"), error.get("message")) if isinstance(error, dict) else ("", "")
    return (
        type_ if isinstance(type_, str) else "",
        said if isinstance(said, str) else "",
    )


def _kind(type_: str, status: int, said: str) -> type[ProviderError]:
    if _TOO_LONG.search(said) and (status == 400 or type_ == "invalid_request_error"):
        return PromptTooLong
    if _FILTERED.search(said) and status < 500:
        return Refusal
    by_type = _TYPES.get(type_)
    if by_type is not None and (status < 300 or by_type is not BadRequest):
        return by_type
    if status in _STATUSES:
        return _STATUSES[status]
    if 400 <= status < 500:
        return BadRequest
    return ProviderDown


_SENTENCES: dict[type[ProviderError], str] = {
    BadKey: (
        "The Claude API refuses the key of this server, or the key may not do this. Put a valid "
        "one into ANTHROPIC_API_KEY where JupyterLab is started, or into the key file."
    ),
    NoSuchModel: (
        "The Claude API knows no model {model!r}, or this key may not use it. Choose "
        "another; if the name is right, look at ANTHROPIC_BASE_URL."
    ),
    PromptTooLong: (
        "The conversation is longer than the model {model!r} can read. "
        "Start a new thread, or choose a model with a larger context."
    ),
    RateLimited: "The Claude API has had enough requests from this key for now (rate limit).",
    Overloaded: "The Claude API is overloaded at the moment.",
    ProviderDown: "The Claude API failed on its side (status {status}).",
    BadRequest: "The Claude API does not take this request.",
    Refusal: "The Claude API declined this request: its content filter blocked it.",
}


def from_connection(error: BaseException, *, has_begun: bool) -> ProviderError:
    """Translate a failure of the network.

    Args:
        has_begun: whether the answer had begun; then it was cut, else there was no connection.
    """
    names = {cls.__name__ for cls in type(error).__mro__}
    is_timeout = bool(names & {"TimeoutException", "APITimeoutError", "TimeoutError"})
    reason = type(error.__cause__ or error).__name__
    if not has_begun:
        what = "did not answer in time" if is_timeout else "cannot be reached"
        return ProviderDown(
            f"The Claude API {what} ({reason}). Look at the network, at ANTHROPIC_BASE_URL and "
            "at the proxy settings of the Jupyter server."
        )
    if is_timeout:
        return Stalled(f"The Claude API fell silent in the middle of the answer ({reason}).")
    return StreamCut(f"The connection broke in the middle of the answer ({reason}).")


def retry_after_s(headers: Any, now: Callable[[], float] = time.time) -> float | None:
    """Read how long to wait: ``retry-after-ms``, or ``retry-after`` in seconds or as a date."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            wait_s = float(value) * unit_s
        except ValueError:
            wait_s = _until(value, now)
        if 0 <= wait_s < float("inf"):  # not for NaN, nor for nonsense
            return min(wait_s, MAX_RETRY_AFTER_S)
    return None


def _until(date: str, now: Callable[[], float]) -> float:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - now())
    except (ValueError, TypeError, OverflowError):
        return float("nan")


def _quote(said: str, prompt: Prompt, key: str) -> str:
    line = " ".join(said.split())[:MAX_QUOTE_CHARS]
    if not line or (key and key in said) or not may_quote(line, prompt, key):
        return ""
    return f" It says: {line}"
