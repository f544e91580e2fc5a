"""The Jupyter server extension: settings, addresses, start and stop.

While the server starts, only this module's imports are loaded. The connection file's path is put
into the environment at once, so that kernels inherit it. The file is written, and the service
started, in the second iteration of the event loop: the server listens after the first.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from socket import AF_INET, AF_INET6
from typing import Any, cast

from jupyter_core.paths import jupyter_runtime_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join, urlencode_unix_socket_path
from traitlets import TraitError

from ..shared import logs
from ..shared.config import CONNECTION_ENV, ChatStream
from ..shared.connection_file import Connection
from . import handlers
from .attachments import AttachmentHandler, AttachmentsHandler
from .base import SETTING
from .exports import CopyHandler, ExportHandler
from .files_root import choose_files_root, choose_tool_owners, tell_root
from .following import EventsHandler
from .host import ServiceHost
from .kernels import KernelOwners
from .presence import Presence
from .refusals import StartFailed
from .tools import ConsentHandler, ConsentsHandler, ToolCallHandler, ToolsHandler
from .usage import ThreadUsageHandler, UsageHandler
from .websocket import ChatSocket

BASE = "api/chat-stream"
EVERYWHERE = ("", "0.0.0.0", "::", "*")

ROUTES = (
    (r"status", handlers.StatusHandler),
    (r"models", handlers.ModelsHandler),
    (r"endpoints/([^/]+)/key", handlers.KeyHandler),
    (r"me", handlers.MeHandler),
    (r"threads", handlers.ThreadsHandler),
    (r"threads/([^/]+)", handlers.ThreadHandler),
    (r"threads/([^/]+)/messages", handlers.MessagesHandler),
    (r"threads/([^/]+)/read", handlers.ReadHandler),
    (r"threads/([^/]+)/events", EventsHandler),
    (r"threads/([^/]+)/runs", handlers.RunsHandler),
    (r"threads/([^/]+)/export", ExportHandler),
    (r"threads/([^/]+)/copy", CopyHandler),
    (r"threads/([^/]+)/usage", ThreadUsageHandler),
    (r"runs/([^/]+)", handlers.RunHandler),
    (r"runs/([^/]+)/(cancel|withdraw|continue)", handlers.RunCommandHandler),
    (r"runs/([^/]+)/retry", handlers.RetryHandler),
    (r"runs/([^/]+)/rewrite", handlers.RewriteHandler),
    (r"runs/([^/]+)/input", handlers.InputHandler),
    (r"runs/([^/]+)/tools/([^/]+)/(claim|output|result)", ToolCallHandler),
    (r"tools", ToolsHandler),
    (r"consents", ConsentsHandler),
    (r"consents/([^/]+)", ConsentHandler),
    (r"attachments", AttachmentsHandler),
    (r"attachments/([^/]+)", AttachmentHandler),
    (r"projects", handlers.ProjectsHandler),
    (r"usage", UsageHandler),
    (r"schedules", handlers.SchedulesHandler),
    (r"schedules/([^/]+)", handlers.ScheduleHandler),
    (r"ws", ChatSocket),
    (r".*", handlers.UnknownHandler),
)


class ChatStreamApp(ExtensionApp):
    """A chat whose answers are made in the background of the Jupyter server."""

    name = "chat-stream"
    classes = [ChatStream]  # noqa: RUF012 - traitlets reads it off the class

    def initialize_settings(self) -> None:
        server = self._server
        make = None
        try:
            config = ChatStream(parent=self)
        except TraitError as error:  # the Jupyter server itself goes on
            config, make = ChatStream(), refuser(error)
        choose_files_root(config, server)
        choose_tool_owners(config, server)
        tell_root(server)
        logs.configure(config.log_format, cast(int, server.log_level))
        self.host = ServiceHost(config, settings=server.web_app.settings, log=self.log, make=make)
        self.settings[SETTING] = self.host
        file = f"connection-{os.getpid()}-{secrets.token_hex(3)}.json"
        self.connection_path = Path(jupyter_runtime_dir()) / "chat-stream" / file
        os.environ[CONNECTION_ENV] = str(self.connection_path)
        # By the owner whose kernels read the file; None: the server's own user.
        self._presences: dict[str | None, Presence] = {}
        KernelOwners(self._file_of).watch(server.kernel_manager)
        # The first iteration of the event loop binds the port; this asks for the second.
        server.io_loop.add_callback(server.io_loop.add_callback, self._begin)

    def _file_of(self, owner: str) -> Path:
        """Write the connection file of an owner's kernels; returns its path."""
        if owner not in self._presences:
            name = f"connection-{os.getpid()}-{secrets.token_hex(8)}.json"
            path = self.connection_path.with_name(name)
            self._keep_file(owner, path, self.host.token_of(owner))
        return self._presences[owner].path

    def _keep_file(self, owner: str | None, path: Path, token: str) -> None:
        presence = Presence(path, connection_of(self._server, token))
        self._presences[owner] = presence
        presence.begin()

    @property
    def _server(self) -> ServerApp:
        assert self.serverapp is not None  # Jupyter links it before anything else
        return self.serverapp

    def initialize_handlers(self) -> None:
        self.handlers.extend((f"/{BASE}/{path}", handler) for path, handler in ROUTES)
        self.handlers.append((f"/{BASE}", handlers.UnknownHandler))

    def _begin(self) -> None:
        """Write the connection file and start the service; the server listens now."""
        self._keep_file(None, self.connection_path, self.host.token)
        self.host.begin()

    def current_activity(self) -> dict[str, int] | None:
        return self.host.current_activity()

    async def stop_extension(self) -> None:
        if os.environ.get(CONNECTION_ENV) == str(self.connection_path):
            del os.environ[CONNECTION_ENV]
        for presence in self._presences.values():
            await presence.end()
        await self.host.stop()


def refuser(error: TraitError) -> Callable[[ChatStream], Any]:
    """Return a factory that raises the settings' error instead of building a service."""

    def refuse(config: ChatStream) -> Any:
        raise StartFailed(
            f"A setting of the chat is wrong: {error} Correct it, then start the server again; "
            "jupyter lab --help-all lists the settings."
        )

    return refuse


def port_of(server: ServerApp) -> int:
    """Return the port that the server listens on; before Jupyter 2.20 its own setting stays 0."""
    if server.port:
        return server.port
    sockets = getattr(server.http_server, "_sockets", {}).values()
    ports = (sock.getsockname()[1] for sock in sockets if sock.family in (AF_INET, AF_INET6))
    return int(next(ports, 0))


def connection_of(server: ServerApp, token: str) -> Connection:
    """Return the address and the token for processes on this host."""
    tls: dict[str, str] = server.ssl_options or {}
    ip = server.ip
    if ip in EVERYWHERE:
        ip = "::1" if ip == "::" else "127.0.0.1"
    address = f"[{ip}]:{port_of(server)}" if ":" in ip else f"{ip}:{port_of(server)}"
    scheme = "https" if tls else "http"
    # Absolute, because a kernel's working directory is its notebook's.
    sock = os.path.abspath(server.sock) if server.sock else None
    if sock:
        scheme, address = f"{scheme}+unix", urlencode_unix_socket_path(sock)
    certificate = tls.get("certfile")
    return Connection(
        url=f"{scheme}://{address}{url_path_join(server.base_url, BASE)}/",
        token=token,
        pid=os.getpid(),
        socket=sock,
        ca_file=os.path.abspath(certificate) if certificate else None,
    )
