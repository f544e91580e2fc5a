"""Removes keys and passwords of the environment from the output of calls.

A function may print values of ``os.environ``, or raise errors with them. If a variable has the name
of a secret, its value is replaced in every text of a call that leaves the kernel.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...shared.concealing import SecretTexts
from ...shared.secret_names import secrets_of


class Concealer(SecretTexts):
    """Replaces the environment's secrets in texts, also in a stream that comes in pieces."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        secrets = secrets_of(environment)
        super().__init__({secret: f"[value of {name}]" for secret, name in secrets.items()})
