"""Secrets that no output of a server's tool may hold: of its environment, and of ``mcp.json``.

A file may hold the server's key, and an MCP server may repeat what it got: in an error ("401 for
…?token=…"), or in a tool that prints its environment. Code of a scratch kernel may find the
server's environment, too. Events are kept and shared, so the values are replaced before.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ...shared.concealing import SecretTexts
from ...shared.secret_names import secrets_of

CONCEALED = "[secret of the server]"


class SecretConcealer:
    """Replaces the secrets of the server's environment, and others, in JSON values."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self.texts = SecretTexts(dict.fromkeys({*secrets, *secrets_of()}, CONCEALED))

    def concealed(self, value: Any) -> Any:
        """Return a JSON value whose texts have no secret."""
        if isinstance(value, str):
            return self.texts.concealed(value)
        if isinstance(value, dict):
            return {self.concealed(name): self.concealed(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.concealed(item) for item in value]
        return value
