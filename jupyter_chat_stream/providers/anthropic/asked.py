"""A request to the Messages API: what the sentences of its errors name, and must not quote."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..base import Prompt
from ..endpoints import CLAUDE as CLAUDE
from ..endpoints import Endpoint
from ..quoting import quote


@dataclass(frozen=True, kw_only=True)
class AskedMessages:
    """The address and the prompt of a request, and the secrets that no error may quote."""

    endpoint: Endpoint
    prompt: Prompt
    key: str = field(default="", repr=False)

    @property
    def is_claude(self) -> bool:
        """Whether the address is that of the provider ``anthropic``."""
        return self.endpoint.name == CLAUDE.name

    @property
    def whom(self) -> str:
        """The endpoint's title, as it is written in the middle of a sentence."""
        title = self.endpoint.title
        return f"the {title[4:]}" if title.startswith("The ") else title

    @property
    def setting(self) -> str:
        """The setting that holds the endpoint's address, as a sentence names it."""
        if self.is_claude and self.endpoint.takes_environment:
            return "ANTHROPIC_BASE_URL"
        return f"the 'base_url' of the endpoint {self.endpoint.name!r}"

    def quote(self, said: str) -> str:
        """Quote a server's message as a sentence; empty if the message quotes a secret."""
        return quote(said, self.prompt, self.key, self.endpoint.headers.values())
