"""Keys and passwords of the environment, which no output of a call may hold.

A function may print or raise what it finds in ``os.environ``. The value of a variable whose name
tells that it is secret is replaced in every text that leaves the kernel for a call.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...shared.concealing import SecretTexts
from ...shared.secret_names import secrets_of


class Concealer(SecretTexts):
    """Replaces the environment's secrets in texts; the texts of a stream come piece by piece."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        found = secrets_of(environment)
        super().__init__({secret: f"[value of {name}]" for secret, name in found.items()})
