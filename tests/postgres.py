"""Postgres servers of the tests' own: on loopback, in a folder that is thrown away.

Started from the binaries found here (scripts/postgres.py), as the user ``postgres`` where the
tests run as root, who may run none. A plain suite shares one with ``fsync`` off; a fault test
makes its own and stops, kills and restarts it.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

import psutil
import psycopg

from scripts.postgres import ADVICE, find_postgres

PATIENCE_S = 60.0
PAUSE_S = 0.01
USER = "chat"
LOWERED_USERS = ("postgres", "nobody")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",  # a container's /dev/shm may be tiny
    "log_min_messages": "warning",
    "timezone": "UTC",
}
HURRIED = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

StopMode = Literal["smart", "fast", "immediate"]
_STOPS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class Postgres:
    """One server, made stopped in a new folder; ``close`` it, or use it in a ``with``."""

    def __init__(self, *, fsync: bool = True) -> None:
        found = find_postgres()
        if found is None:
            raise RuntimeError(f"These tests start a Postgres server, and none is here. {ADVICE}")
        self._bin = found
        self._as = _lowered()
        self.process: subprocess.Popen[bytes] | None = None
        self.fsync = fsync
        self.password = secrets.token_hex(16)
        self.port = _free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="chat-stream-postgres-"))
        self._data = self.folder / "data"
        self._number = 0
        if self._as:
            os.chown(self.folder, self._as["user"], self._as["group"])
        try:
            self._initialise()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Postgres:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        assert self.process is not None
        return self.process.pid

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of a database, as ``--ChatStream.database_url`` takes it."""
        return f"postgresql+psycopg://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres", **options: Any) -> psycopg.Connection[Any]:
        """Open a connection behind everybody's back, each statement a transaction of its own."""
        options = {"autocommit": True, "port": self.port, **options}
        return psycopg.connect(
            host="127.0.0.1", user=USER, password=self.password, dbname=database, **options
        )

    def create_database(self, template: str = "template0") -> str:
        """Make a new database and give its name; with a template, as a copy of it."""
        self._number += 1
        name = f"chat_{self._number}"
        with self.connect() as conn:
            conn.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        with self.connect() as conn:
            conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    # ------------------------------------------------------------------ starting and ending

    def start(self, *, fsync: bool | None = None) -> None:
        """Start the server and wait until it takes connections, always on the same port."""
        if fsync is not None:
            self.fsync = fsync
        deadline = time.monotonic() + PATIENCE_S
        while not self._has_started(deadline):  # what is left of a killed one may hold its memory
            if time.monotonic() > deadline:
                raise RuntimeError(f"Postgres does not start: {self._last_words()}")
            time.sleep(PAUSE_S)

    def stop(self, mode: StopMode = "fast") -> None:
        """End the server: ``fast`` cuts its connections, ``immediate`` is like a crash."""
        if self.process is not None:
            self.process.send_signal(_STOPS[mode])
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                if mode != "immediate":
                    raise
                self.kill()  # as an operator does where one hangs while it goes down
            self.process = None

    def kill(self) -> None:
        """End all of the server's processes with SIGKILL."""
        if self.process is not None:
            postmaster = psutil.Process(self.process.pid)
            postmaster.suspend()  # so that it starts no more of them
            children = postmaster.children(recursive=True)
            postmaster.kill()
            self.process.wait(PATIENCE_S)
            for child in children:
                try:
                    child.kill()
                except psutil.NoSuchProcess:
                    pass  # its postmaster's death ended it
            while any(_lives(child) for child in children):
                time.sleep(PAUSE_S)
            self.process = None

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start."""
        self.stop(mode)
        self.start()

    def freeze(self) -> None:
        """Stop all of the server's processes where they are (SIGSTOP), until ``thaw``."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        """Let them go on."""
        for process in reversed(self._processes()):
            process.resume()

    def close(self) -> None:
        """End the server and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _processes(self) -> list[psutil.Process]:
        postmaster = psutil.Process(self.pid)
        return [postmaster, *postmaster.children(recursive=True)]

    def _initialise(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password, encoding="utf-8")
        if self._as:
            os.chown(secret, self._as["user"], self._as["group"])
        self._run(
            "initdb",
            f"--pgdata={self._data}",
            f"--username={USER}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *words],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **self._as,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout[-2000:]}")

    def _has_started(self, deadline: float) -> bool:
        settings = {**SETTINGS, **({} if self.fsync else HURRIED), "port": str(self.port)}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self._data), *words],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._as,
            )
        while self.process.poll() is None:
            if self._is_ready():
                return True
            if time.monotonic() > deadline:
                self.kill()
                break
            time.sleep(PAUSE_S)
        self.process = None
        return False

    def _is_ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _last_words(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:]

    def _environment(self) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if not n.upper().startswith("PG")}
        return {**kept, "HOME": str(self.folder), "LC_ALL": "C"}


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _lowered() -> dict[str, Any]:
    """Return the user to run as: a Postgres server refuses root."""
    if os.geteuid() != 0:
        return {}
    for name in LOWERED_USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise RuntimeError("Run these tests as another user than root, or make a user `postgres`.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
