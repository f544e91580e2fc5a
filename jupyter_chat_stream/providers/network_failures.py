"""Failures of the network before and in an answer, as the SDKs' transports report them."""

from __future__ import annotations

from dataclasses import dataclass

from ..shared.errors import ProviderDown
from .endpoints import Endpoint
from .listing import unreachable

MAX_CAUSES = 8


@dataclass(frozen=True, kw_only=True)
class NetworkFailure:
    """The facts that an exception and its causes tell."""

    reason: str
    """The name of the exception's class; the network's own one."""
    is_refused: bool
    """Whether nobody listens at the address."""
    is_timeout: bool

    @classmethod
    def of(cls, error: BaseException) -> NetworkFailure:
        """Read the facts of an exception."""
        causes = [error, *_causes(error)]
        # aiohttp's own error decides if there is one: the SDKs' transport reports a refused and a
        # closed connection as a timeout, too.
        start = next((i for i, cause in enumerate(causes) if "ClientError" in _names(cause)), 0)
        names = {name for cause in causes[start:] for name in _names(cause)}
        is_refused = bool(names & {"ClientConnectorError", "ConnectError"})
        is_timeout = not is_refused and bool(names & {"TimeoutException", "TimeoutError"})
        reason = type(causes[-1]).__name__
        return cls(reason=reason, is_refused=is_refused, is_timeout=is_timeout)

    def before_answer(self, endpoint: Endpoint) -> ProviderDown:
        """Return the error for an answer of an endpoint that did not begin."""
        if self.is_timeout:
            return ProviderDown(
                f"{endpoint.title} at {endpoint.place} did not answer in time ({self.reason})."
            )
        if endpoint.is_local and not self.is_refused:
            return ProviderDown(
                f"{endpoint.title} on {endpoint.place} closed the connection before it answered "
                f"({self.reason}). Look at its log."
            )
        return unreachable(endpoint, self.reason)


def _names(error: BaseException) -> set[str]:
    return {base.__name__ for base in type(error).__mro__}


def _causes(error: BaseException) -> list[BaseException]:
    """Return the causes of an error, nearest first: the SDKs wrap the transport's errors."""
    causes: list[BaseException] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and cause not in causes and len(causes) < MAX_CAUSES:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    return causes
