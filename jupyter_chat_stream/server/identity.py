"""The owner of a request, and the identity of the connection file's token.

The owner comes from the server alone, never from a payload. It is the user's name if a hub or an
identity provider of the administrator provides real names. Otherwise it is one fixed user, because
Jupyter makes up a random name for each browser, and a kernel and a browser must own the same
threads.
"""

from __future__ import annotations

import hmac
import os
import re
from typing import Any

from jupyter_server.auth.identity import (
    IdentityProvider,
    LegacyIdentityProvider,
    PasswordIdentityProvider,
    User,
)
from tornado.web import RequestHandler

from ..shared.config import LOCAL_OWNER

_AUTHORIZATION = re.compile(r"(?:token|bearer)\s+(\S+)\s*", re.IGNORECASE)
_RANDOM_NAME = re.compile(r"[0-9a-f]{32}")


def owner_of(provider: IdentityProvider, user: User) -> str:
    """Return the owner of the threads that this user reads and writes."""
    if isinstance(provider, ConnectionIdentity):
        return user.username
    if type(provider) in (IdentityProvider, PasswordIdentityProvider):
        return LOCAL_OWNER
    return LOCAL_OWNER if _is_anonymous(provider, user) else user.username


def server_owner(provider: IdentityProvider) -> str:
    """Return the owner of the kernels on this server."""
    is_hub = any(cls.__module__.startswith("jupyterhub.") for cls in type(provider).__mro__)
    return (os.environ.get("JUPYTERHUB_USER") if is_hub else None) or LOCAL_OWNER


def is_own_user(provider: IdentityProvider, user: User) -> bool:
    """Return whether this is the user whose server it is, on a page and not in a kernel."""
    if isinstance(provider, ConnectionIdentity):
        return False
    return owner_of(provider, user) == server_owner(provider)


def _is_anonymous(provider: IdentityProvider, user: User) -> bool:
    is_random = _RANDOM_NAME.fullmatch(user.username) is not None
    if isinstance(provider, LegacyIdentityProvider):
        return is_random or user.username == "anonymous"
    return is_random and str(user.name).startswith("Anonymous ")


class ConnectionIdentity(IdentityProvider):
    """Replaces the server's provider for requests with the connection file's token.

    Such a request comes from a kernel of this server: its user is the server's owner, it needs no
    XSRF token, and its origin is ignored.
    """

    def __init__(self, owner: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._user = User(username=owner)

    def get_user(self, handler: RequestHandler) -> User:
        handler._token_authenticated = True  # type: ignore[attr-defined]  # Jupyter reads it there
        return self._user

    def is_token_authenticated(self, handler: RequestHandler) -> bool:
        return True


def has_token(handler: RequestHandler, token: str) -> bool:
    """Return whether the request's Authorization header has exactly this token."""
    match = _AUTHORIZATION.fullmatch(handler.request.headers.get("Authorization", ""))
    if match is None:
        return False
    return hmac.compare_digest(match.group(1).encode(), token.encode())
