"""The life of a real process that a test breaks, and the fork server that forks it.

Every process is ended by its own id, and with its test, whatever happened to it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0
LOOK_S = 0.02
FROZEN = (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)

T = TypeVar("T")


class TooLate(AssertionError):
    """What was waited for did not come."""


async def eventually(
    look: Callable[[], Awaitable[T]],
    *,
    within_s: float = PATIENCE_S,
    every_s: float = LOOK_S,
    what: str = "",
) -> T:
    """Look again and again until the answer is true, and give it."""
    deadline = time.monotonic() + within_s
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TooLate(f"not within {within_s} s: {what or look}")
        await asyncio.sleep(every_s)


async def stays(look: Callable[[], Awaitable[T]], *, for_s: float, what: str = "") -> None:
    """See that the answer is true all that time."""
    deadline = time.monotonic() + for_s
    while time.monotonic() < deadline:
        assert await look(), what
        await asyncio.sleep(5 * LOOK_S)


class ForkServer:
    """The process that forks the others; see fork_server.py.

    Args:
        imports: the modules that it has ready; none: those of servers and workers.
    """

    def __init__(self, *imports: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.fork_server", *imports],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._hear() == "ready"

    def start(
        self,
        argv: Sequence[str],
        environment: dict[str, str],
        log: Path,
        *,
        program: str = "server",
        fault: str | None = None,
    ) -> int:
        """Fork one, and give its process id.

        Args:
            program: ``server``, ``command`` (``jupyter chat-stream``) or ``kernel``.
            fault: what is wrong in its world, a name of process_faults.py.
        """
        order = {"argv": argv, "environment": environment, "log": str(log)}
        return int(self._order({**order, "program": program, "fault": fault}))

    def reap(self, pid: int) -> int:
        """Wait for one's end, and give how it ended."""
        return int(self._order({"reap": pid}))

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        self._process.stdout.close()

    def _order(self, order: dict[str, Any]) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the fork server has ended"
        return json.loads(line)


class Process:
    """A process that can be started again and again, and killed, stopped and thawed between.

    Args:
        folder: where its home and its logs are.
        fork_server: forks it; None starts it as a person does, with all that is installed.
        fault: what is wrong in its world (process_faults.py); needs the fork server.
        settings: of ``ChatStream``.
    """

    program = "server"

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        *,
        log: Path,
        fork_server: ForkServer | None = None,
        fault: str | None = None,
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.environment = environment
        self.log = log
        self.fork_server = fork_server
        self.fault = fault
        self.settings = settings
        self.pid: int | None = None
        self._popen: subprocess.Popen[bytes] | None = None

    def spawn(self, *, whole: bool = False) -> None:
        """Start the process; it is ready when ``ready`` says so.

        Args:
            whole: not from the fork server, but as a person starts it.
        """
        assert self.pid is None, "it runs already"
        if self.fork_server is None or whole:
            with self.log.open("ab") as log:
                self._popen = subprocess.Popen(
                    [sys.executable, "-m", *self._command(), *self._arguments()],
                    cwd=self.folder,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self.pid = self._popen.pid
        else:
            self.pid = self.fork_server.start(
                self._arguments(),
                self.environment,
                self.log,
                program=self.program,
                fault=self.fault,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this very process."""
        assert self.pid is not None
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and see it dead."""
        self.signal(signal.SIGKILL)
        self.wait()

    def freeze(self) -> None:
        """SIGSTOP: it lives, and does nothing until ``thaw``."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    async def until_frozen(self, within_s: float = PATIENCE_S) -> None:
        """Wait until it has stopped itself."""

        async def look() -> bool:
            return psutil.Process(self.pid).status() in FROZEN

        await eventually(look, within_s=within_s, what=f"process {self.pid} stopped")

    @property
    def has_died(self) -> bool:
        """Whether it ended by itself; ``wait`` then says how."""
        assert self.pid is not None
        try:
            return psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    async def until_dead(self, within_s: float = PATIENCE_S) -> int:
        """Wait until it has ended by itself; give how."""

        async def look() -> bool:
            return self.has_died

        await eventually(look, within_s=within_s, what=f"the end of process {self.pid}")
        return self.wait()

    def wait(self) -> int:
        """Wait for the process's end; give how it ended (negative: by a signal)."""
        assert self.pid is not None
        if self._popen is not None:
            code = self._popen.wait(PATIENCE_S)
        else:
            assert self.fork_server is not None
            code = self.fork_server.reap(self.pid)
        self.pid = self._popen = None
        return code

    def close(self) -> None:
        """Leave no process behind."""
        if self.pid is not None:
            self.kill()

    def logged(self) -> str:
        """Return the end of what all its lives have logged."""
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    def _command(self) -> Sequence[str]:
        raise NotImplementedError

    def _arguments(self) -> list[str]:
        raise NotImplementedError

    def _traits(self) -> list[str]:
        return [f"--ChatStream.{name}={value}" for name, value in self.settings.items()]


class Worker(Process):
    """``jupyter chat-stream worker``; ``database_url`` is one of its settings."""

    program = "command"

    def __init__(
        self, folder: Path, environment: dict[str, str], *, number: int = 0, **given: Any
    ) -> None:
        super().__init__(folder, environment, log=folder / f"worker-{number}.log", **given)
        self._logged_before = 0

    def spawn(self, *, whole: bool = False) -> None:
        self._logged_before = self.log.stat().st_size if self.log.exists() else 0
        super().spawn(whole=whole)

    async def start(self, *, whole: bool = False) -> Worker:
        self.spawn(whole=whole)
        return await self.ready()

    async def ready(self) -> Worker:
        """Wait until it has said that it is."""

        async def look() -> bool:
            assert not self.has_died, self.logged()
            has_begun = self.log.exists()  # its log, which it makes itself
            return has_begun and b"ready" in self.log.read_bytes()[self._logged_before :]

        await eventually(look, what=f"a ready worker: {self.logged()}")
        return self

    def _command(self) -> Sequence[str]:
        return ("jupyter_chat_stream",)

    def _arguments(self) -> list[str]:
        return ["worker", *self._traits()]
