"""Removes the secrets of the environment and of ``mcp.json`` from outputs of server tools.

A file may contain the server's key. An MCP server may repeat its secrets: in an error ("401 for
…?token=…"), or in a tool that prints its environment. Code in a scratch kernel may find the
server's environment. Events are kept and shared, so the values are replaced before a write.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ...shared.concealing import SecretTexts
from ...shared.secret_names import secrets_of

CONCEALED = "[secret of the server]"


class SecretConcealer:
    """Replaces the server environment's secrets, and further secrets, in JSON values."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self.texts = SecretTexts(dict.fromkeys({*secrets, *secrets_of()}, CONCEALED))

    def concealed(self, value: Any) -> Any:
        """Return a JSON value with all secrets in its texts replaced."""
        if isinstance(value, str):
            return self.texts.concealed(value)
        if isinstance(value, dict):
            return {self.concealed(name): self.concealed(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.concealed(item) for item in value]
        return value
