"""Keys and passwords of the environment, which no output of a call may hold.

A function may print or raise what it finds in ``os.environ``. The value of a variable whose name
tells that it is secret is replaced in every text that leaves the kernel for a call.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ...shared.secret_names import MIN_SECRET_CHARS, is_secret_name

_URL_PASSWORD = re.compile(rf"://[^/\s:@]*:([^/\s@]{{{MIN_SECRET_CHARS},}})@")


def secrets_of(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the secret values of the environment, each with the name of its variable."""
    found: dict[str, str] = {}
    for name, value in (os.environ if environment is None else environment).items():
        if is_secret_name(name) and len(value) >= MIN_SECRET_CHARS:
            found[value] = name
        for password in _URL_PASSWORD.findall(value):
            found[password] = name
    return found


class Concealer:
    """Replaces the environment's secrets in texts; the texts of a stream come piece by piece."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._names = secrets_of(environment)
        longest_first = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def concealed(self, text: str) -> str:
        """Return a whole text without secrets."""
        if not self._names:
            return text
        return self._pattern.sub(lambda found: f"[value of {self._names[found[0]]}]", text)

    def held_back(self, text: str) -> int:
        """Return how many of the last characters may be the beginning of a secret."""
        held = 0
        for secret in self._names:
            for size in range(min(len(secret) - 1, len(text)), held, -1):
                if text.endswith(secret[:size]):
                    held = size
                    break
        return held
