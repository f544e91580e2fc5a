"""The private server, as its parents see it: found or started, and kept alive by a leash.

There is one for each user, host and configuration (so for each database). Its parents are the
processes that use it; each holds one connection to its leash port. The server ends when the last
leash is closed. The system closes the sockets of a dead process, so this works for any death.

::

    <data>/chat-stream/headless/<key>.lock   held while a parent looks for it or it stops
    <data>/chat-stream/headless/<key>.json   {"connection": path, "leash": port}, while it runs
    <data>/chat-stream/headless/<key>.log    its output

Because of the lock, two scripts that start at once share one server, and no parent can join a
server that is about to end.
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..shared import connection_file
from ..shared.config import CONNECTION_ENV, data_dir
from ..shared.connection_file import Connection
from ..shared.errors import ChatStreamError, DataFolderRefused, ServerUnavailable
from ..shared.folders import make_data_folder, reason_of

START_TIMEOUT_S = 60.0
LEASH_TIMEOUT_S = 5.0
READY = b"ready\n"
WELCOME = b"ok\n"
# The private server does not belong to the notebook or kernel that started it.
_FOREIGN = (CONNECTION_ENV, "JPY_PARENT_PID", "JPY_SESSION_NAME", "JUPYTER_CHAT_STREAM_HEADLESS")


@dataclass(frozen=True, kw_only=True)
class ServerFiles:
    """The paths of the files of the private server of this user, host and configuration."""

    lock: Path
    note: Path
    log: Path


def server_files() -> ServerFiles:
    """Return the files of this process's private server, and make their folder.

    Raises:
        DataFolderRefused: the folder cannot be made or written to.
    """
    from jupyter_core.paths import jupyter_config_dir

    folder = make_data_folder(data_dir() / "headless")
    identity = f"{socket.gethostname()}\n{jupyter_config_dir()}"
    key = hashlib.sha256(identity.encode()).hexdigest()[:12]
    return ServerFiles(
        lock=folder / f"{key}.lock", note=folder / f"{key}.json", log=folder / f"{key}.log"
    )


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Lock a file. Yields False if another process has the lock and ``wait`` is false."""
    while True:
        with path.open("ab") as file:
            path.chmod(0o600)
            try:
                _lock(file.fileno(), wait=wait)
            except (BlockingIOError, PermissionError):
                yield False
                return
            if _is_at(path, file.fileno()):
                yield True  # closing the file releases the lock
                return
        # The folder was cleaned meanwhile: the next process locks another file of that name.


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int, *, wait: bool) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int, *, wait: bool) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


class ServerLeash:
    """The socket that keeps the private server alive for this process; a forked child has none."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.socket: socket.socket | None = None
        self.connection: Connection | None = None

    def is_held(self) -> bool:
        if self.socket is None:
            return False
        try:  # The server never writes after its welcome: a readable socket is closed.
            self.socket.recv(1)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def drop(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket = self.connection = None


class ServerProcess(subprocess.Popen[bytes]):
    """The server's process; it may outlive the process that started it."""

    def __del__(self) -> None:
        """Raise no ResourceWarning: the server must outlive this process."""


current_leash = ServerLeash()
atexit.register(lambda: current_leash.drop())
_children: list[ServerProcess] = []


def _forget() -> None:
    """Drop the leash in a forked child: it must end with the parent process."""
    global current_leash
    current_leash.drop()
    current_leash = ServerLeash()
    _children.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def connect() -> Connection:
    """Find the private server or start it, and hold its leash until the process ends.

    Raises:
        ServerUnavailable: the server cannot be started; the message names its log or the cause.
        VersionMismatch: the running server has another version.
        DataFolderRefused: the server's files cannot be made or written.
    """
    with current_leash.guard:
        if current_leash.is_held() and current_leash.connection is not None:
            return current_leash.connection
        current_leash.drop()
        files = server_files()
        try:
            _join_or_start(files)
        except OSError as error:
            raise _refusal(error, files) from error
        assert current_leash.connection is not None
        return current_leash.connection


def _join_or_start(files: ServerFiles) -> None:
    with locked(files.lock):
        if not _join(files):
            _start(files)
            if not _join(files):
                raise _start_error(files)


def _join(files: ServerFiles) -> bool:
    """Take the leash of a running server; returns False if none runs."""
    try:
        note = json.loads(files.note.read_bytes())
        path, port = Path(note["connection"]), int(note["leash"])
        leash = socket.create_connection(("127.0.0.1", port), timeout=LEASH_TIMEOUT_S)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    try:
        connection = connection_file.read(path)
        leash.sendall(connection.token.encode() + b"\n")
        welcome = leash.recv(len(WELCOME))
    except OSError:
        welcome = b""
    except BaseException:
        leash.close()
        raise
    if welcome != WELCOME:
        leash.close()
        return False
    leash.setblocking(False)
    current_leash.socket, current_leash.connection = leash, connection
    return True


def _start(files: ServerFiles) -> None:
    """Start the server, and wait until it reports that it is ready, or ends."""
    environment = {name: os.environ[name] for name in os.environ if name not in _FOREIGN}
    paths = [str(Path(__file__).parents[2]), environment.get("PYTHONPATH", "")]  # also a checkout's
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    _children[:] = [child for child in _children if child.poll() is None]
    handle = os.open(files.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as log:
        child = ServerProcess(
            [sys.executable, "-m", "jupyter_chat_stream", "serve", "--headless"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=files.note.parent,
            env=environment,
            # An interrupt at the terminal is for the script, not for its server.
            start_new_session=True,
        )
    _children.append(child)
    assert child.stdout is not None
    timer = threading.Timer(START_TIMEOUT_S, child.kill)
    timer.daemon = True
    timer.start()
    try:
        child.stdout.readline()
    finally:
        timer.cancel()
        child.stdout.close()


def _start_error(files: ServerFiles) -> ServerUnavailable:
    lines = files.log.read_text(errors="replace").strip().splitlines()
    last = lines[-1][:300] if lines else "it said nothing"
    return ServerUnavailable(
        f"The private chat server did not start: {last}. Its log is {str(files.log)!r}.",
        log=str(files.log),
    )


# System limits that prevent a start, with the advice for each.
_ADVICE = {
    (errno.EMFILE,): "This process has too many files open: close some, or raise `ulimit -n`",
    (errno.ENFILE,): "The system has too many files open: end some programs",
    (errno.EAGAIN, errno.ENOMEM): "The system starts no more processes: free some memory, end some "
    "programs, or raise `ulimit -u`",
}


def _refusal(error: OSError, files: ServerFiles) -> ChatStreamError:
    """Return the error of a failed start: of the folder, the interpreter or a system limit."""
    for numbers, advice in _ADVICE.items():
        if error.errno in numbers:
            return ServerUnavailable(
                f"The private chat server cannot be reached ({reason_of(error)}). {advice}; then "
                "try again."
            )
    if error.filename == sys.executable:
        return ServerUnavailable(
            f"The private chat server cannot be started ({reason_of(error)}): this Python was "
            "moved, removed or closed to you. Restart the kernel with one that is there."
        )
    return DataFolderRefused(str(files.note.parent), reason_of(error))
