"""Translates each failure of a request to the Claude API into one of the package's errors.

The body's ``error.type`` decides, because an error inside a stream comes with status 200. Without
it, the status decides. The API's own message is quoted only if the API refused the request,
because then nobody could act without it, and only if it holds neither the key nor the prompt.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

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
from .. import foreign_answers
from ..base import Prompt
from ..quoting import quote
from ..retry_after import retry_after_s
from . import foreign

if TYPE_CHECKING:
    import anthropic

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
_FILTERED = re.compile(r"(?i)blocked by content filter|content filtering policy")
_TOO_LONG = re.compile(
    r"(?i)prompt is too long|exceed(s|ed)? (the )?context (limit|window)|PDF pages|too much media"
)


def translate(
    error: Exception, prompt: Prompt, key: str, now: Callable[[], float], *, has_begun: bool
) -> ProviderError:
    """Translate an exception of the SDK, or of a library that the SDK uses."""
    import aiohttp
    import anthropic
    import httpx2

    network = (anthropic.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError, OSError)
    if isinstance(error, anthropic.APIStatusError):
        return from_status(error, prompt, key, now)
    if isinstance(error, (*network, asyncio.TimeoutError)):
        return from_connection(error, has_begun=has_begun)
    if has_begun and isinstance(error, (ValueError, TypeError, AttributeError, LookupError)):
        return StreamCut(
            "The stream does not follow the protocol of the Claude API "
            f"({type(error).__name__}). Look at ANTHROPIC_BASE_URL and at proxies in between."
        )
    return ProviderError(
        "The request to the Claude API failed with an error that this version does not know "
        f"({type(error).__name__}). Please report it."
    )


def from_status(
    error: anthropic.APIStatusError, prompt: Prompt, key: str, now: Callable[[], float]
) -> ProviderError:
    """Translate an HTTP error, or an error inside a stream."""
    response, status = error.response, error.status_code
    page = error.body if isinstance(error.body, str) and status >= 300 else None  # no JSON
    if foreign_answers.is_foreign(status, page):
        return foreign.not_the_provider(response, page or "", prompt, key)
    type_, message = _read_body(error.body)
    kind = _kind(type_, status, message)
    facts: dict[str, Any] = {}
    if status >= 300:
        facts["http_status"] = status
    if isinstance(error.request_id, str):
        facts["request_id"] = error.request_id[:128]
    of_file = _of_file(kind, message)
    sentence = of_file or _SENTENCES[kind].format(model=prompt.model, status=status)
    if kind in (RateLimited, Overloaded, ProviderDown):
        if page:
            what = foreign_answers.describe(response, page, prompt, key)
            sentence = f"A server in between answered for the Claude API: {what}."
        return kind(sentence, retry_after_s=retry_after_s(response.headers, now), **facts)
    if kind is NoSuchModel:
        facts["model"] = f"anthropic/{prompt.model}"
    if kind is PromptTooLong and (status == 413 or type_ == "request_too_large"):
        sentence = _TOO_LARGE
    if kind is BadRequest or of_file:
        sentence += quote(message, prompt, key)
    return kind(sentence, **facts)


def _read_body(body: object) -> tuple[str, str]:
    """Return the type and the message of the API's error object; empty texts without one."""
    error = body.get("error") if isinstance(body, dict) else None
    found = (error.get("type"), error.get("message")) if isinstance(error, dict) else ()
    type_, message = (text if isinstance(text, str) else "" for text in found or ("", ""))
    return type_, message


def _kind(type_: str, status: int, message: str) -> type[ProviderError]:
    if _TOO_LONG.search(message) and (status == 400 or type_ == "invalid_request_error"):
        return PromptTooLong
    if _FILTERED.search(message) and status < 500:
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
        "The Claude API refuses this server's key, or this use of it. Put a valid key into "
        "ANTHROPIC_API_KEY where JupyterLab is started, or into the key file."
    ),
    NoSuchModel: (
        "The Claude API knows no model {model!r}, or this key may not use it. Choose "
        "another; if the name is right, look at ANTHROPIC_BASE_URL."
    ),
    PromptTooLong: (
        "The conversation is longer than the model {model!r} can read. "
        "Start a new thread, or choose a model with a larger context."
    ),
    RateLimited: "The Claude API got too many requests with this key (rate limit).",
    Overloaded: "The Claude API is overloaded at the moment.",
    ProviderDown: "The Claude API failed on its side (status {status}).",
    BadRequest: "The Claude API refuses this request.",
    Refusal: "The Claude API declined this request: its content filter blocked it.",
}


_TOO_LARGE = (
    "The messages and files of this conversation are together larger than the Claude API takes in "
    "one request. Start a new thread, or edit a message and attach smaller files."
)
_EDIT = "Edit the message that holds it, or start a new thread."
# The API's words about a file that it refuses, and the sentence for them.
_FILES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"(?i)image exceeds|image dimensions exceed"),
        f"An image of this conversation is larger than the Claude API takes. {_EDIT} A smaller "
        "copy of the image will do.",
    ),
    (
        re.compile(r"(?i)process image|image does not match|image appears to be"),
        f"An image of this conversation is damaged or of another type than its name says. {_EDIT}",
    ),
    (
        re.compile(r"(?i)PDF pages|too much media"),
        "The documents and images of this conversation are more than the Claude API takes in one "
        "request. Start a new thread, or edit a message and attach fewer pages or images.",
    ),
    (
        re.compile(r"(?i)PDF .*password"),
        f"A PDF of this conversation is protected by a password. {_EDIT} Attach a copy without a "
        "password.",
    ),
    (
        re.compile(r"(?i)PDF .*(not valid|invalid)|process (the )?PDF"),
        f"A PDF of this conversation is damaged, or no PDF. {_EDIT}",
    ),
)


def _of_file(kind: type[ProviderError], message: str) -> str:
    """Return the sentence for a file that the API refuses; empty for another reason."""
    if kind not in (BadRequest, PromptTooLong):
        return ""
    return next((said for words, said in _FILES if words.search(message)), "")


def from_connection(error: BaseException, *, has_begun: bool) -> ProviderError:
    """Translate a failure of the network.

    Args:
        has_begun: whether the answer had begun, so that its stream was cut.
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
