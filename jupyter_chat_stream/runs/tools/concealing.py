"""Secrets that no output of a server's tool may hold: of its environment, and of ``mcp.json``.

A file may hold the server's key, and an MCP server may repeat what it got: in an error ("401 for
…?token=…"), or in a tool that prints its environment. Events are kept and shared, so the values are
replaced before.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from typing import Any

from ...shared.secret_names import MIN_SECRET_CHARS, is_secret_name

CONCEALED = "[secret of the server]"


class SecretConcealer:
    """Replaces some secrets in JSON values."""

    def __init__(self, secrets: Collection[str]) -> None:
        longest_first = sorted(secrets, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if secrets else None

    def concealed(self, value: Any) -> Any:
        """Return a JSON value whose texts have no secret."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self._pattern.sub(CONCEALED, value)
        if isinstance(value, dict):
            return {self.concealed(name): self.concealed(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.concealed(item) for item in value]
        return value


def environment_secrets(environment: Mapping[str, str] = os.environ) -> set[str]:
    """Return the values of the variables whose names tell of a secret."""
    return {
        value
        for name, value in environment.items()
        if is_secret_name(name) and len(value) >= MIN_SECRET_CHARS
    }
