"""A request to the Messages API: how the sentences of its errors name the address."""

from __future__ import annotations

from ..endpoint_request import EndpointRequest
from ..endpoints import CLAUDE as CLAUDE


class MessagesRequest(EndpointRequest):
    """A request to an address that has the Messages API."""

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
