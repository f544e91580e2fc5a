"""The private server's own process: a Jupyter server with the chat alone, kept alive by a leash.

``kernel.private_server`` starts it and chooses the paths of its files. Each parent holds a
connection to the leash port. The server ends ``LINGER_S`` after the last connection has closed, or
when no parent came within ``FIRST_S``. It ends under the lock that parents take to look for it, so
no parent joins a server that is about to end. The next server that opens the database continues the
runs that have not ended.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp
from traitlets.config import Config

from ..kernel.private_server import READY, WELCOME, ServerFiles, locked, server_files
from ..shared import connection_file
from ..shared.config import CONNECTION_ENV
from ..shared.errors import ServerUnavailable

LINGER_S = 3.0
FIRST_S = 30.0
GREETING_S = 5.0
STOP_S = 20.0


class PrivateServer(ServerApp):
    """Serves the chat alone, on loopback; ``jupyter server list`` does not show it."""

    default_services = ()  # type: ignore[assignment]  # its type names each

    def load_config_file(  # type: ignore[override]  # as JupyterApp does
        self, suppress_errors: bool = True
    ) -> None:
        """Read no configuration of Jupyter servers; the chat's settings are passed in."""

    def write_server_info_file(self) -> None:
        """Write no address except in the connection file."""

    def write_browser_open_files(self) -> None:
        """Write no address except in the connection file."""


def serve(settings: Config, *, on_leash: bool) -> None:
    """Serve until stopped; with a leash, until the last parent has gone.

    Args:
        settings: the section ``ChatStream``.
    """
    config = Config(
        ServerApp={
            "ip": "127.0.0.1",
            "port": 0,
            "open_browser": False,
            "allow_root": True,
            "log_level": "WARN",
            "terminals_enabled": False,
            "reraise_server_extension_failures": True,
        },
        # This token is kept secret: nobody may use the rest of the server.
        IdentityProvider={"token": secrets.token_urlsafe(32)},
        ChatStream=settings,
    )
    server = PrivateServer.instance(
        config=config, jpserver_extensions={"jupyter_chat_stream": True}
    )
    server.initialize(argv=[], find_extensions=False)
    leash = _LeashServer(server, server_files()) if on_leash else None
    # The extension writes the connection file in the second iteration of the event loop.
    later = server.io_loop.add_callback
    later(later, later, _announce, server, leash)
    try:
        server.start()
    finally:
        if leash is not None:
            leash.forget()


async def _announce(server: ServerApp, leash: _LeashServer | None) -> None:
    """Announce the server to the waiting parent process, or to the person at the terminal."""
    path = os.environ[CONNECTION_ENV]
    if leash is None:
        sys.stdout.write(f"export {CONNECTION_ENV}={path}\n")
        sys.stdout.flush()
        return
    try:
        await leash.begin(Path(path))
    except (OSError, ServerUnavailable) as error:
        sys.stderr.write(f"{error}\n")
        server.stop()
        return
    sys.stdout.buffer.write(READY)
    sys.stdout.flush()
    # The parent reads no further; nothing may block on a pipe that is not read.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


class _LeashServer:
    """Counts the parents, and stops the server when there are none."""

    def __init__(self, server: ServerApp, files: ServerFiles) -> None:
        self._server = server
        self._files = files
        self._token = b""
        self._note: dict[str, object] = {}
        self._parents: set[asyncio.StreamWriter] = set()
        self._listener: asyncio.Server | None = None
        self._end_timer: asyncio.TimerHandle | None = None

    async def begin(self, path: Path) -> None:
        """Open the leash port, and write the note by which parents find it."""
        self._token = connection_file.read(path).token.encode()
        self._listener = await asyncio.start_server(self._hold, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        self._note = {"connection": str(path), "leash": port}
        draft = self._files.note.with_suffix(".new")
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(self._note, file)
        draft.replace(self._files.note)
        self._end_after(FIRST_S)

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Greet a parent, and keep the connection until the parent's end is closed."""
        try:
            token_line = await asyncio.wait_for(reader.readline(), GREETING_S)
            if not hmac.compare_digest(token_line.strip(), self._token):
                return
            self._parents.add(writer)
            writer.write(WELCOME)
            await writer.drain()
            while await reader.read(64):
                pass
        except (TimeoutError, OSError, ValueError):
            pass
        finally:
            self._parents.discard(writer)
            writer.close()
            if not self._parents:
                self._end_after(LINGER_S)

    def _end_after(self, delay_s: float) -> None:
        if self._end_timer is not None:
            self._end_timer.cancel()
        self._end_timer = asyncio.get_running_loop().call_later(delay_s, self._end)

    def _end(self) -> None:
        """Stop, unless a parent is connected or is looking for the server."""
        if self._parents:
            return
        try:
            with locked(self._files.lock, wait=False) as is_free:
                if is_free:
                    self.forget()
        except OSError:
            is_free = True  # the folder was removed: no parent can find the server
        if not is_free:
            self._end_after(LINGER_S)
            return
        self._server.stop()
        # Everything committed stays; a stop that hangs must not keep the server alive forever.
        asyncio.get_running_loop().call_later(STOP_S, os._exit, 1)

    def forget(self) -> None:
        """Remove the note if it is this server's, and accept no more parents."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        if _read_note(self._files) == self._note:
            self._files.note.unlink(missing_ok=True)


def _read_note(files: ServerFiles) -> Any:
    try:
        return json.loads(files.note.read_bytes())
    except (OSError, ValueError):
        return None
