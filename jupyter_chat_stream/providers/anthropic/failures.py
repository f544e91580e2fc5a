"""Translates each failure of a request to the Messages API into one of the package's errors.

The body's ``error.type`` decides, because an error inside a stream comes with status 200. Without
it, the status decides. The API's own message is quoted only if the API refused the request,
because then nobody could act without it, and only if it holds neither the key nor the prompt.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...shared.errors import (
    BadKey,
    BadRequest,
    NoSuchModel,
    NotTheProvider,
    Overloaded,
    PromptTooLong,
    ProviderDown,
    ProviderError,
    RateLimited,
    Refusal,
    Stalled,
    StreamCut,
)
from ...shared.json_objects import JsonObject
from .. import foreign_answers
from ..network_failures import NetworkFailure
from ..retry_after import retry_after_s
from . import foreign
from .api_request import MessagesRequest

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
    "exceed_context_size_error": PromptTooLong,  # llama.cpp
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
_FILTER_WORDS = re.compile(r"(?i)blocked by content filter|content filtering policy")
_TOO_LONG = re.compile(
    r"(?i)prompt is too long|exceed(s|ed)? (the )?(available )?context (limit|window|size)"
    r"|maximum context length|PDF pages|too much media"
)
_MODEL = re.compile(r"(?i)\bmodel\b")


def translate(
    error: Exception, request: MessagesRequest, now: Callable[[], float], *, has_begun: bool
) -> ProviderError:
    """Translate an exception of the SDK, or of a library that the SDK uses."""
    import aiohttp
    import anthropic
    import httpx2

    network = (anthropic.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError, OSError)
    if isinstance(error, anthropic.APIStatusError):
        return from_status(error, request, now)
    if isinstance(error, (*network, asyncio.TimeoutError)):
        return from_connection(error, request, has_begun=has_begun)
    if has_begun and isinstance(error, (ValueError, TypeError, AttributeError, LookupError)):
        return StreamCut(
            f"The stream does not follow the protocol of the Messages API "
            f"({type(error).__name__}). Look at {request.setting} and at proxies in between."
        )
    return ProviderError(
        f"A request to the address {request.endpoint.place!r} failed with an error that this "
        f"version does not know ({type(error).__name__}). Please report it."
    )


def from_status(
    error: anthropic.APIStatusError, request: MessagesRequest, now: Callable[[], float]
) -> ProviderError:
    """Translate an HTTP error, or an error inside a stream."""
    response, status = error.response, error.status_code
    page = error.body if isinstance(error.body, str) and status >= 300 else None  # no JSON
    if foreign_answers.is_foreign(status, page):
        return foreign.not_the_provider(response, page or "", request)
    type_, message = _read_body(error.body)
    kind = _kind(type_, status, message)
    facts: JsonObject = {}
    if status >= 300:
        facts["http_status"] = status
    if isinstance(error.request_id, str):
        facts["request_id"] = error.request_id[:128]
    if kind in (RateLimited, Overloaded, ProviderDown):
        facts["retry_after_s"] = retry_after_s(response.headers, now)
        if page:
            description = foreign_answers.describe(response, page, request.prompt, request.key)
            return kind(f"A server in between answered for {request.whom}: {description}.", **facts)
    if kind is NoSuchModel:
        if not request.is_claude and status == 404 and not _MODEL.search(message):
            return _no_api_error(request, message, facts)
        facts["model"] = f"{request.endpoint.name}/{request.prompt.model}"
    is_too_large = status == 413 or type_ == "request_too_large"
    return kind(_sentence(kind, request, message, status, is_too_large=is_too_large), **facts)


def _sentence(
    kind: type[ProviderError],
    request: MessagesRequest,
    message: str,
    status: int,
    *,
    is_too_large: bool,
) -> str:
    sentences = _SENTENCES if request.is_claude else {**_SENTENCES, **_OF_ENDPOINTS}
    endpoint = request.endpoint
    file_sentence = _file_sentence(kind, message)
    template = file_sentence or (_TOO_LARGE if is_too_large else sentences[kind])
    sentence = template.format(
        who=endpoint.title,
        whom=request.whom,
        model=request.prompt.model,
        name=endpoint.name,
        status=status,
    )
    if kind is BadRequest or file_sentence:
        return sentence + request.quote(message)
    if kind is NoSuchModel and endpoint.product == "Ollama":
        return f"{sentence} To install it: ollama pull {request.prompt.model}"
    return sentence


def _no_api_error(request: MessagesRequest, message: str, facts: JsonObject) -> NotTheProvider:
    endpoint = request.endpoint
    return NotTheProvider(
        f"{endpoint.title} has no Messages API at {endpoint.place} (status 404). Look at the "
        f"'base_url' of the endpoint {endpoint.name!r}; a newer version of the server may have it, "
        f"and 'dialect': 'chat' may do without.{request.quote(message)}",
        **facts,
    )


def _read_body(body: object) -> tuple[str, str]:
    """Return the type and the message of the API's error object; empty texts without one."""
    error = body.get("error") if isinstance(body, dict) else None
    fields = (error.get("type"), error.get("message")) if isinstance(error, dict) else ()
    type_, message = (text if isinstance(text, str) else "" for text in fields or ("", ""))
    return type_, message


def _kind(type_: str, status: int, message: str) -> type[ProviderError]:
    if _TOO_LONG.search(message) and (status == 400 or type_ == "invalid_request_error"):
        return PromptTooLong
    if _FILTER_WORDS.search(message) and status < 500:
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
    RateLimited: "{who} got too many requests with this key (rate limit).",
    Overloaded: "{who} is overloaded at the moment.",
    ProviderDown: "{who} failed on its side (status {status}).",
    BadRequest: "{who} refuses this request.",
    Refusal: "{who} declined this request: its content filter blocked it.",
}
_OF_ENDPOINTS: dict[type[ProviderError], str] = {
    BadKey: (
        "{who} refuses the key of this server, or the key may not do this, or there is none. Put a "
        "valid key where 'key_env' or 'key_file' of the endpoint {name!r} says."
    ),
    NoSuchModel: "{who} has no model {model!r}, or this key may not use it. Choose another.",
    RateLimited: "{who} got too many requests from this server (rate limit).",
}
_TOO_LARGE = (
    "The messages and files of this conversation are together larger than {whom} takes in one "
    "request. Start a new thread, or edit a message and attach smaller files."
)
_EDIT = "Edit the message that holds it, or start a new thread."
# The API's words about a file that it refuses, and the sentence for them.
_FILES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"(?i)image exceeds|image dimensions exceed"),
        f"An image of this conversation is larger than {{whom}} takes. {_EDIT} A smaller "
        "copy of the image will do.",
    ),
    (
        re.compile(r"(?i)process image|image does not match|image appears to be"),
        f"An image of this conversation is damaged or of another type than its name says. {_EDIT}",
    ),
    (
        re.compile(r"(?i)PDF pages|too much media"),
        "The documents and images of this conversation are more than {whom} takes in one "
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


def _file_sentence(kind: type[ProviderError], message: str) -> str:
    """Return the sentence for a file that the API refuses; empty for another reason."""
    if kind not in (BadRequest, PromptTooLong):
        return ""
    return next((sentence for pattern, sentence in _FILES if pattern.search(message)), "")


def from_connection(
    error: BaseException, request: MessagesRequest, *, has_begun: bool
) -> ProviderError:
    """Translate a failure of the network.

    Args:
        has_begun: whether the answer had begun, so that its stream was cut.
    """
    failure = NetworkFailure.of(error)
    endpoint = request.endpoint
    if has_begun:
        if failure.is_timeout:
            return Stalled(f"{endpoint.title} fell silent during the answer ({failure.reason}).")
        return StreamCut(f"The connection broke in the middle of the answer ({failure.reason}).")
    if not request.is_claude:
        return failure.before_answer(endpoint)
    problem = "did not answer in time" if failure.is_timeout else "cannot be reached"
    return ProviderDown(
        f"The Claude API {problem} ({failure.reason}). Look at the network, at ANTHROPIC_BASE_URL "
        "and at the proxy settings of the Jupyter server."
    )
