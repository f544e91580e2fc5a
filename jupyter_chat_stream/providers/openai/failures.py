"""Every way a request to one of OpenAI's dialects fails, as a class of the project's tree.

The error's own ``code`` and ``type`` decide before the status, because an error inside a stream
comes with status 200. A server's message is quoted only for a refused request, because then nobody
could act without it, and only if it quotes neither a key nor the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

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
from ..endpoint_request import EndpointRequest
from ..endpoints import Dialect
from ..network_failures import NetworkFailure
from ..quoting import as_reason
from ..retry_after import retry_after_s

_CODES: Mapping[str, type[ProviderError]] = {
    "invalid_api_key": BadKey,
    "authentication_error": BadKey,
    "permission_error": BadKey,
    "model_not_found": NoSuchModel,
    "context_length_exceeded": PromptTooLong,
    "exceed_context_size_error": PromptTooLong,  # llama.cpp
    "insufficient_quota": BadRequest,
    "content_filter": Refusal,
    "content_policy_violation": Refusal,
    "image_content_policy_violation": Refusal,
    "bio_policy": Refusal,
    "misalignment_policy_violation": Refusal,
    "invalid_prompt": BadRequest,
    "rate_limit_exceeded": RateLimited,
    "rate_limit_error": RateLimited,
    "overloaded_error": Overloaded,
    "server_error": ProviderDown,
    "timeout_error": ProviderDown,
    "invalid_request_error": BadRequest,
}
_STATUSES: Mapping[int, type[ProviderError]] = {
    401: BadKey,
    403: BadKey,
    404: NoSuchModel,
    408: ProviderDown,
    409: ProviderDown,
    413: PromptTooLong,
    429: RateLimited,
    529: Overloaded,
}
_PASSING = (RateLimited, Overloaded, ProviderDown)
_TOO_LONG = re.compile(
    r"(?i)maximum context length|context[ _](length|size|window)|prompt is too long|too many tokens"
)
_IMAGE = re.compile(r"(^|_)image(_|$)")  # OpenAI has a dozen codes for images that it cannot read
_OVERLOAD_WORDS = re.compile(r"(?i)overloaded|server busy")
_FILTER_WORDS = re.compile(r"(?i)content management policy|flagged|content filter")
_NO_MODEL = re.compile(r"(?i)\bmodel\b.*(not found|does not exist|not exist|no such)")


API_NAMES: Mapping[Dialect, str] = {"chat": "Chat Completions", "responses": "the Responses API"}


class OpenAIRequest(EndpointRequest):
    """A request in one of OpenAI's dialects."""

    @property
    def api(self) -> str:
        """The name of the dialect, for sentences."""
        return API_NAMES[self.endpoint.dialect]


def from_status(error: Any, request: OpenAIRequest, now: Callable[[], float]) -> ProviderError:
    """Translate an ``openai.APIStatusError``."""
    response, status = error.response, error.status_code
    is_json = foreign_answers.media_type(response).endswith("json")
    page = error.body if isinstance(error.body, str) and not is_json else None
    if foreign_answers.is_foreign(status, page):
        return not_the_provider(response, page or "", request)
    facts: JsonObject = {"http_status": status}
    if isinstance(error.request_id, str):
        facts["request_id"] = error.request_id[:128]
    wait_s = retry_after_s(response.headers, now)
    if page:
        description = foreign_answers.describe(response, page, request.prompt, request.key)
        return _kind("", "", status)(
            f"A server in between answered for {request.endpoint.title}: {description}.",
            retry_after_s=wait_s,
            **facts,
        )
    return _translate(error.body, status, request, wait_s, facts)


def from_stream(body: Any, request: OpenAIRequest) -> ProviderError:
    """Translate an error object that came inside an answer with status 200."""
    return _translate(body, 200, request, None, {})


def _translate(
    body: Any, status: int, request: OpenAIRequest, wait_s: float | None, facts: JsonObject
) -> ProviderError:
    codes, message = _read(body)
    if status == 404 and not any(map(_by_code, codes)) and not _NO_MODEL.search(message):
        return NotTheProvider(
            f"{request.endpoint.title} does not speak {request.api} at {request.endpoint.place} "
            f"(status 404). Look at the 'base_url' of the endpoint {request.endpoint.name!r}, "
            f"which often ends with /v1, and at its 'dialect'.{request.quote(message)}",
            **facts,
        )
    number = next((int(code) for code in codes if code.isdecimal() and len(code) == 3), 0)
    kind = next((_kind(code, message, status or number) for code in codes if _by_code(code)), None)
    kind = kind or _kind("", message, number if status < 300 else status)
    if kind in _PASSING:
        facts["retry_after_s"] = wait_s
    if kind is NoSuchModel:
        facts["model"] = f"{request.endpoint.name}/{request.prompt.model}"
    sentence = _SENTENCES[kind].format(
        who=request.endpoint.title, model=request.prompt.model, name=request.endpoint.name
    )
    if kind is BadRequest:
        sentence += request.quote(message)
    if kind is NoSuchModel and request.endpoint.product == "Ollama":
        sentence += f" To install it: ollama pull {request.prompt.model}"
    return kind(sentence, **facts)


def _read(body: Any) -> tuple[list[str], str]:
    """Return the codes and the message of an error, in any of the servers' forms."""
    if isinstance(body, Mapping) and isinstance(body.get("error"), (Mapping, str)):
        body = body["error"]
    if isinstance(body, str):
        return [], body
    if not isinstance(body, Mapping):
        return [], ""
    codes = [body.get("code"), body.get("type")]
    message = next(
        (body[name] for name in ("message", "detail") if isinstance(body.get(name), str)), ""
    )
    return [str(code) for code in codes if isinstance(code, (str, int))], message


def _by_code(code: str) -> type[ProviderError] | None:
    return _CODES.get(code) or (BadRequest if _IMAGE.search(code) else None)


def _kind(code: str, message: str, status: int) -> type[ProviderError]:
    if code not in _PASSING_CODES and status not in (401, 404, 429) and status < 500:
        if _TOO_LONG.search(message):
            return PromptTooLong
        if _FILTER_WORDS.search(message):
            return Refusal
    if _OVERLOAD_WORDS.search(message) and (status >= 500 or status < 300):
        return Overloaded
    by_code = _by_code(code)
    if by_code is not None and (status < 300 or by_code is not BadRequest or code in _FINAL_CODES):
        return by_code
    if status in _STATUSES:
        return _STATUSES[status]
    return BadRequest if 400 <= status < 500 else ProviderDown


_PASSING_CODES = tuple(code for code, kind in _CODES.items() if kind in _PASSING)
_FINAL_CODES = ("insufficient_quota",)  # of status 429, but waiting does not help
_SENTENCES: Mapping[type[ProviderError], str] = {
    BadKey: (
        "{who} refuses the key of this server, or the key may not do this, or there is none. Put a "
        "valid one where 'key_env' or 'key_file' of the endpoint {name!r} says."
    ),
    NoSuchModel: "{who} has no model {model!r}, or this key may not use it. Choose another.",
    PromptTooLong: (
        "The conversation is longer than the model {model!r} can read. "
        "Start a new thread, or choose a model with a larger context."
    ),
    RateLimited: "{who} has had enough requests from this server for now (rate limit).",
    Overloaded: "{who} is overloaded at the moment.",
    ProviderDown: "{who} failed on its side.",
    BadRequest: "{who} does not take this request.",
    Refusal: "{who} declined this request: a content filter blocked it.",
}


def refusal_error(reason: str, *, is_filtered: bool) -> Refusal:
    """Return the error for an answer that is a refusal.

    Args:
        reason: the model's reason; empty if it named none.
        is_filtered: whether a filter ended the answer, not the model.
    """
    return Refusal(
        f"The model declined to answer{as_reason(reason)} Ask in other words, or choose another "
        "model.",
        category="content_filter" if is_filtered else "unnamed",
    )


def from_connection(
    error: BaseException, request: OpenAIRequest, *, has_begun: bool
) -> ProviderError:
    """Translate a failure of the network.

    Args:
        has_begun: whether the answer had begun, so that its stream was cut.
    """
    failure = NetworkFailure.of(error)
    if not has_begun:
        return failure.before_answer(request.endpoint)
    if failure.is_timeout:
        return Stalled(
            f"{request.endpoint.title} fell silent in the middle of the answer ({failure.reason})."
        )
    return StreamCut(f"The connection broke in the middle of the answer ({failure.reason}).")


def not_the_provider(response: Any, body: str, request: OpenAIRequest) -> NotTheProvider:
    """Return the error for an answer that does not come from the API."""
    description = foreign_answers.describe(response, body, request.prompt, request.key)
    return NotTheProvider(
        f"What answers for the endpoint {request.endpoint.name!r} is no server of {request.api}: "
        f"{description}. Look at its 'base_url' in --ChatStream.endpoints and at the proxies of "
        "the Jupyter server; one of them may want somebody to sign in.",
        http_status=response.status_code,
    )
