"""The owner of a kernel: the person who started it.

With the server's own token, a kernel belongs to its single user. If an identity provider provides
real names, a kernel that a request starts gets a connection file with that person's token; the
kernel's environment names the file, and Jupyter keeps the environment for restarts. A kernel that
no request starts belongs to the server's user. All kernels run as one user of the operating system,
so this token does not protect one person's kernel from another's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_server.base.call_context import CallContext

from ..shared.config import CONNECTION_ENV
from .identity import owner_of, server_owner


class KernelOwners:
    """Names each kernel's owner in the kernel's environment at its start.

    Args:
        file_of: writes an owner's connection file and returns its path.
    """

    def __init__(self, file_of: Callable[[str], Path]) -> None:
        self._file_of = file_of

    def watch(self, manager: Any) -> None:
        """Set the owner of every kernel that this kernel manager starts from now on."""
        start = manager.start_kernel

        def start_kernel(*args: Any, **options: Any) -> Any:
            owner = _caller()
            if owner is not None:
                environment = dict(options.get("env") or os.environ)
                environment[CONNECTION_ENV] = str(self._file_of(owner))
                options["env"] = environment
            return start(*args, **options)

        manager.start_kernel = start_kernel


def _caller() -> str | None:
    """Return who starts the kernel; None for the server's user, or without a request."""
    handler = CallContext.get(CallContext.JUPYTER_HANDLER)
    user = getattr(handler, "_jupyter_current_user", None)
    if handler is None or user is None:
        return None
    provider = handler.identity_provider
    owner = owner_of(provider, user)
    return None if owner == server_owner(provider) else owner
