"""Which server this process uses. The first rule that applies decides:

1. ``JUPYTER_CHAT_STREAM_HEADLESS=1``: the private server;
2. ``JUPYTER_CHAT_STREAM_CONNECTION`` names a file: the server that wrote it. Kernels and
   terminals of a Jupyter server with this extension have it;
3. a Jupyter server *without* this extension started this kernel: an error that says to install
   it there. The sign is ``JPY_SESSION_NAME`` (set for every kernel of a notebook), or that the
   process that started the kernel (``JPY_PARENT_PID``) has a ``jpserver-<pid>.json``;
4. otherwise (a script, nbconvert, nbval, papermill, a kernel of an editor): the private server,
   unless ``JUPYTER_CHAT_STREAM_HEADLESS=0``.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..shared import connection_file
from ..shared.config import CONNECTION_ENV
from ..shared.connection_file import Connection
from . import private_server

HEADLESS_ENV = "JUPYTER_CHAT_STREAM_HEADLESS"


def find_server() -> Connection:
    """Find the server, or start the private one. Starting it blocks for some seconds.

    Raises:
        ServerUnavailable: no server was found, or the private one does not start.
        VersionMismatch: the server has another version of the protocol.
    """
    headless = os.environ.get(HEADLESS_ENV)
    if headless == "1":
        return private_server.connect()
    if os.environ.get(CONNECTION_ENV) or headless == "0" or has_jupyter_parent():
        return connection_file.find()
    return private_server.connect()


def has_jupyter_parent() -> bool:
    """Return whether a Jupyter server started this process."""
    if os.environ.get("JPY_SESSION_NAME"):
        return True
    parent = os.environ.get("JPY_PARENT_PID")
    if not parent:
        return False
    from jupyter_core.paths import jupyter_runtime_dir

    return (Path(jupyter_runtime_dir()) / f"jpserver-{parent}.json").exists()
