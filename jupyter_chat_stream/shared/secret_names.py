"""Variables whose names tell of a secret: a key, a token, a password."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

MIN_SECRET_CHARS = 8  # a shorter value is found in many texts by chance
_SECRET = re.compile(
    r"(^|_)(key|keys|token|secret|secrets|password|passwd|passphrase|pwd|credential|credentials|"
    r"apikey|auth)(_|$)|_(key|token|secret|password)",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(rf"://[^/\s:@]*:([^/\s@]{{{MIN_SECRET_CHARS},}})@")


def is_secret_name(name: str) -> bool:
    """Return whether the name of a variable tells that its value is secret."""
    return _SECRET.search(name) is not None


def secrets_of(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the secret values of an environment, each with the name of its variable.

    Args:
        environment: None: this process's own.
    """
    secrets: dict[str, str] = {}
    for name, value in (os.environ if environment is None else environment).items():
        if is_secret_name(name) and len(value) >= MIN_SECRET_CHARS:
            secrets[value] = name
        for password in _URL_PASSWORD.findall(value):
            secrets[password] = name
    return secrets
