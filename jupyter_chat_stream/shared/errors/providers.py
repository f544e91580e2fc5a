"""The errors of a provider, one class for each kind of failure."""

from __future__ import annotations

from typing import Any

from .ours import ChatStreamError


class ProviderError(ChatStreamError):
    """A provider failed to answer.

    Args:
        retry_after_s: the seconds that the provider asks to wait; None if it does not ask.
    """

    code = "provider_error"
    status = 502
    retryable = False

    def __init__(self, message: str, *, retry_after_s: float | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after_s = retry_after_s


class MissingKey(ProviderError):
    code = "missing_key"


class BadKey(ProviderError):
    code = "bad_key"


class NoSuchModel(ProviderError):
    code = "no_such_model"
    status = 400


class PromptTooLong(ProviderError):
    code = "prompt_too_long"


class BadRequest(ProviderError):
    code = "bad_request"
    status = 400


class Refusal(ProviderError):
    code = "refusal"


class NotTheProvider(ProviderError):
    """Something other than the provider answered, such as a sign-in page or a proxy."""

    code = "not_the_provider"


class RateLimited(ProviderError):
    code = "rate_limited"
    retryable = True


class Overloaded(ProviderError):
    code = "overloaded"
    retryable = True


class ProviderDown(ProviderError):
    """A server error, or no connection at all."""

    code = "provider_down"
    retryable = True


class StreamCut(ProviderError):
    """The stream ended before the answer was complete."""

    code = "stream_cut"
    retryable = True


class UpstreamLost(ProviderError):
    """The upstream can no longer be joined at the cursor; the answer continues from its text."""

    code = "upstream_lost"
    retryable = True


class Stalled(ProviderError):
    """Nothing came for ``stall_timeout_s``."""

    code = "stalled"
    retryable = True
