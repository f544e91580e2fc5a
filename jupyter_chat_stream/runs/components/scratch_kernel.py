"""Tries a cell in a kernel of its own, which always ends with the try.

The kernel is no sandbox: it runs as the server's user, with that user's network. It is a fresh
process in a temporary folder, without the server's secrets. Its time, memory, output and number
are bounded. Secrets that the code finds elsewhere are removed from the report. A try leaves no
lasting changes in its folder, so it may be repeated after a crash (L14).
"""

from __future__ import annotations

import asyncio
import os
import queue
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...shared.errors import ScratchKernelFailed
from ..tools.concealing import SecretConcealer
from . import limits
from .environment import scratch_environment
from .reports import TOO_MUCH, CellReport, CellWatch

if TYPE_CHECKING:
    from jupyter_client.asynchronous.client import AsyncKernelClient
    from jupyter_client.manager import AsyncKernelManager

PREFIX = "chat-stream-scratch-"
MAX_KERNELS = 2  # at the same time, for one process; further tries wait
START_S = 60.0
POLL_S = 0.5  # the interval of checks whether the kernel is alive
MAX_MESSAGE_BYTES = 16 * 1024 * 1024  # larger messages of a kernel are not received
MAX_FILE_BYTES = 256 * 1024 * 1024  # of each file that the cell writes
STALE_S = 86_400.0  # a folder of this age belongs to a process that was killed

TOO_LONG = "The cell ran for more than {seconds:g} s. It was stopped."
DIED = "The cell ended its kernel: it called os._exit, crashed it, or used too much memory."


@dataclass(frozen=True, kw_only=True)
class KernelLimits:
    """The bounds of one try, and the kernel's name; an empty name means the default kernel."""

    kernel_name: str = ""
    timeout_s: float = 30.0
    memory_bytes: int = 4 * 2**30

    @property
    def cpu_s(self) -> int:
        """The CPU time after which the system ends the kernel; a library may use all cores."""
        return int(60 + 8 * self.timeout_s)


class ScratchKernels:
    """The scratch kernels of one process."""

    def __init__(self, bounds: KernelLimits) -> None:
        self._bounds = bounds
        self._free_slots = asyncio.Semaphore(MAX_KERNELS)
        self._cleanups: set[asyncio.Task[None]] = set()

    async def try_cell(self, code: str) -> CellReport:
        """Run a cell in a fresh kernel, and return the report.

        Raises:
            ScratchKernelFailed: no kernel could be started, so the code has not run.
        """
        async with self._free_slots:
            folder = Path(await asyncio.to_thread(_new_folder))
            kernel = _Kernel(self._bounds, folder)
            try:
                await kernel.start(scratch_environment(os.environ, folder))
                return await kernel.run(code)
            finally:
                kernel.kill()
                # A second cancellation must not prevent the cleanup of the kernel and its folder.
                cleanup = asyncio.ensure_future(kernel.close())
                self._cleanups.add(cleanup)
                cleanup.add_done_callback(self._cleanups.discard)
                await asyncio.shield(cleanup)


class _Kernel:
    """One kernel, from its start to its end."""

    def __init__(self, bounds: KernelLimits, folder: Path) -> None:
        self._bounds = bounds
        self._folder = folder
        self._process: AsyncKernelManager | None = None
        self._client: AsyncKernelClient | None = None
        self._context: Any = None
        self._group: int | None = None

    async def start(self, environment: Mapping[str, str]) -> None:
        self._process = manager = self._make_process()
        try:
            _check_language(manager)
            await manager.start_kernel(env=dict(environment), cwd=str(self._folder))
            self._group = _group_of(manager)
            self._client = client = manager.client()
            client.start_channels(stdin=False, hb=False)
            await client.wait_for_ready(timeout=START_S)
        except ScratchKernelFailed:
            raise
        except Exception as error:  # a missing kernel, a full disk, a limit of the system
            raise ScratchKernelFailed(type(error).__name__) from error

    async def run(self, code: str) -> CellReport:
        client = self._client
        if client is None:
            raise RuntimeError("The kernel was not started.")
        begun_s = time.monotonic()
        until_s = begun_s + self._bounds.timeout_s
        conceal = SecretConcealer().texts.concealed
        watch = CellWatch(msg_id=client.execute(code, allow_stdin=False), conceal=conceal)
        while not watch.is_idle:
            if time.monotonic() > until_s:
                error = TOO_LONG.format(seconds=self._bounds.timeout_s)
                return watch.report(time.monotonic() - begun_s, error)
            try:
                watch.take(await client.get_iopub_msg(timeout=POLL_S))
            except queue.Empty:
                if not await self._is_alive():
                    return watch.report(time.monotonic() - begun_s, DIED)
            if watch.is_too_much:
                return watch.report(time.monotonic() - begun_s, TOO_MUCH)
            await asyncio.sleep(0)  # without it, waiting messages would block the event loop
        return watch.report(time.monotonic() - begun_s)

    async def _is_alive(self) -> bool:
        return self._process is not None and await self._process.is_alive()

    def kill(self) -> None:
        """Kill the kernel and all processes that it has started."""
        group, self._group = self._group, None
        if group is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)

    async def close(self) -> None:
        """Free all resources of the kernel."""
        if self._client is not None:
            self._client.stop_channels()
        if self._process is not None and self._process.has_kernel:
            with suppress(Exception):  # the kernel is dead already; the folder has its files
                await self._process.shutdown_kernel(now=True)
        if self._context is not None:
            self._context.destroy(linger=0)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _make_process(self) -> AsyncKernelManager:
        # Imported late, because few servers ever build components.
        import zmq.asyncio
        from jupyter_client.manager import AsyncKernelManager

        bounds = self._bounds

        class LimitedProcess(AsyncKernelManager):
            def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
                return _limited(super().format_kernel_cmd(extra_arguments), bounds)

        self._context = zmq.asyncio.Context()
        self._context.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        names = {"kernel_name": bounds.kernel_name} if bounds.kernel_name else {}
        return LimitedProcess(
            context=self._context, connection_file=str(self._folder / "kernel.json"), **names
        )


def _limited(command: list[str], bounds: KernelLimits) -> list[str]:
    """Return the command with the limits, on systems that support limits."""
    if os.name != "posix":
        return command
    numbers = (bounds.cpu_s, bounds.memory_bytes, MAX_FILE_BYTES, os.getpid())
    script = str(Path(limits.__file__))
    return [sys.executable, "-E", "-s", script, *map(str, numbers), *command]


def _check_language(manager: AsyncKernelManager) -> None:
    spec = manager.kernel_spec
    if spec is None or spec.language != "python":
        raise ScratchKernelFailed("the kernel is not a Python kernel")


def _group_of(manager: AsyncKernelManager) -> int | None:
    """Return the kernel's process group; None if it is our own."""
    pid = getattr(manager.provisioner, "pid", None)
    if os.name != "posix" or pid is None:
        return None
    group = os.getpgid(pid)
    return None if group == os.getpgrp() else group


def _new_folder() -> str:
    """Make a folder for a kernel, and remove the folders of processes that were killed."""
    parent = Path(tempfile.gettempdir())
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            is_ours = not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
            if is_ours and folder.lstat().st_mtime < time.time() - STALE_S:
                shutil.rmtree(folder, ignore_errors=True)
    return tempfile.mkdtemp(prefix=PREFIX)
