"""The connection file: how a kernel finds the chat of the server that started it.

The server puts the file's path into the environment before any kernel starts, writes the file
once its port is known, and removes it when it stops. The file is 0600 in a folder of 0700: its
token opens this API, and nothing else of the server. This module both reads and writes the file,
because the two sides never import each other.
"""

from __future__ import annotations

import json
import os
import ssl
import stat
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from .._version import PROTOCOL_VERSION, __version__
from .config import CONNECTION_ENV
from .errors import ServerUnavailable, VersionMismatch
from .files import open_plain
from .folders import make_private

MAX_FILE_BYTES = 64 * 1024
SCHEMES = ("http", "https", "http+unix", "https+unix")


@dataclass(frozen=True, kw_only=True)
class Connection:
    """The address of a server's chat, and the token that opens it.

    ``url`` is the API's base and ends with a slash. ``socket`` is the path of a Unix socket to
    connect to, None for TCP. ``ca_file`` is the certificate of a server that serves HTTPS. It is
    trusted for any host name, because the file says which server to expect.
    """

    url: str
    token: str = field(repr=False)
    version: str = __version__
    protocol: int = PROTOCOL_VERSION
    pid: int = 0
    socket: str | None = None
    ca_file: str | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers that authorize a request or the handshake of a WebSocket."""
        return {"Authorization": f"token {self.token}"}

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return the TLS settings of a connection; None if the server speaks plain HTTP."""
        if not self.url.startswith("https"):
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.ca_file is not None:
            # The exact certificate is known, so its name and its issuer need no check.
            context.check_hostname = False
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context


def write(path: Path, connection: Connection) -> None:
    """Write the file in one step: it is never seen incomplete. Mode 0600, its folder 0700.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    make_private(path.parent)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(connection), file)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def is_kept(path: Path, connection: Connection) -> bool:
    """Return whether the path is a plain file with exactly this content."""
    try:
        return stat.S_ISREG(path.lstat().st_mode) and read(path) == connection
    except (OSError, ServerUnavailable):
        return False


def remove(path: Path, token: str) -> bool:
    """Remove the file if it still has this token; returns whether it had."""
    try:
        is_ours = read(path).token == token
    except VersionMismatch:
        return False
    except ServerUnavailable:
        return False
    if is_ours:
        path.unlink(missing_ok=True)
    return is_ours


def find() -> Connection:
    """Read the file that the environment names.

    Raises:
        ServerUnavailable: the environment names no file, or the file is no connection file.
        VersionMismatch: server and kernel speak different protocols.
    """
    path = os.environ.get(CONNECTION_ENV)
    if not path:
        raise ServerUnavailable(
            f"No chat server is known here: {CONNECTION_ENV} is not set. Install "
            "jupyter-chat-stream where JupyterLab runs, then restart the server and this kernel.",
        )
    return read(Path(path))


def read(path: Path) -> Connection:
    """Read a connection file.

    Raises:
        ServerUnavailable: the file is missing, unreadable or no connection file.
        VersionMismatch: the file's server speaks another protocol.
    """
    connection = _parse(path, _read_text(path))
    if connection.protocol != PROTOCOL_VERSION:
        raise VersionMismatch(
            f"The server runs jupyter-chat-stream {connection.version} (protocol "
            f"{connection.protocol}), this kernel {__version__} (protocol {PROTOCOL_VERSION}). "
            "Install the same version in both and restart them.",
            server_version=connection.version,
            kernel_version=__version__,
        )
    return connection


def _read_text(path: Path) -> bytes:
    try:
        with open_plain(path) as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ServerUnavailable(
            f"There is no connection file at {str(path)!r}: the server that started this kernel "
            "has ended, or has not opened its port yet. Is JupyterLab running?",
            path=str(path),
        ) from None
    except OSError as error:
        raise ServerUnavailable(
            f"The connection file {str(path)!r} cannot be read: {error.strerror or error}.",
            path=str(path),
        ) from error
    if len(raw) > MAX_FILE_BYTES:
        raise _misfit(path, f"it is larger than {MAX_FILE_BYTES} bytes")
    return raw


def _parse(path: Path, raw: bytes) -> Connection:
    try:
        content = json.loads(raw)
    except ValueError:
        raise _misfit(path, "it is not JSON") from None
    if not isinstance(content, dict):
        raise _misfit(path, "it is not a JSON object")
    types = {"protocol": (int,), "pid": (int,), "socket": (str, type(None))}
    types["ca_file"] = types["socket"]
    values = {item.name: content[item.name] for item in fields(Connection) if item.name in content}
    for name in ("url", "token", "version", "protocol"):
        if name not in values:
            raise _misfit(path, f"{name!r} is missing")
    for name, value in values.items():
        if not isinstance(value, types.get(name, (str,))) or isinstance(value, bool):
            raise _misfit(path, f"{name!r} has the wrong type")
    connection = Connection(**values)
    if urlsplit(connection.url).scheme not in SCHEMES or not connection.url.endswith("/"):
        raise _misfit(path, "'url' is not the address of an API")
    if not connection.token:
        raise _misfit(path, "'token' is empty")
    return connection


def _misfit(path: Path, reason: str) -> ServerUnavailable:
    return ServerUnavailable(
        f"{str(path)!r} is not a connection file of jupyter-chat-stream: {reason}. "
        "Restart the server, then this kernel.",
        path=str(path),
    )
