"""A request to an endpoint: what the sentences of its errors name, and what they must not quote."""

from __future__ import annotations

from dataclasses import dataclass, field

from .base import Prompt
from .endpoints import Endpoint
from .quoting import quote


@dataclass(frozen=True, kw_only=True)
class EndpointRequest:
    """The endpoint and the prompt of a request, and the secrets that no error may quote."""

    endpoint: Endpoint
    prompt: Prompt
    key: str = field(default="", repr=False)

    def quote(self, message: str) -> str:
        """Quote a server's message as a sentence; empty if the message quotes a secret."""
        return quote(message, self.prompt, self.key, self.endpoint.headers.values())
