"""Secrets of an entry of ``mcp.json``, which no output of its server may hold.

A server may repeat what it got: in an error ("401 for …?token=…"), or in a tool that prints its
environment. Events are kept and shared, so the values are replaced before.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

CONCEALED = "[secret of mcp.json]"


class EntryConcealer:
    """Replaces the secrets of one entry in JSON values."""

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
