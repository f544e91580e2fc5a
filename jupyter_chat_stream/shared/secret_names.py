"""Names of variables that tell of a secret: a key, a token, a password."""

from __future__ import annotations

import re

MIN_SECRET_CHARS = 8  # a shorter value is found in many texts by chance
_SECRET = re.compile(
    r"(^|_)(key|keys|token|secret|secrets|password|passwd|passphrase|pwd|credential|credentials|"
    r"apikey|auth)(_|$)|_(key|token|secret|password)",
    re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Return whether the name of a variable tells that its value is secret."""
    return _SECRET.search(name) is not None
