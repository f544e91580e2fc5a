"""Real servers, real kernels and real scripts for the tests of the kernel's side."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from jupyter_chat_stream.shared.config import CONNECTION_ENV

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0
LOOPBACK = {"ServerApp.ip": "127.0.0.1", "ServerApp.port": 0}
ECHO = "demo/echo"
SLOW: dict[str, Any] = {"model": "demo/long", "params": {"chars": 50_000, "chars_per_second": 400}}
T = TypeVar("T")


def until(ready: Callable[[], T | None], what: str = "it", patience_s: float = PATIENCE_S) -> T:
    """Wait until `ready` gives something true; fail at the deadline."""
    deadline = time.monotonic() + patience_s
    pause = threading.Event()
    while True:
        found = ready()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not happen within {patience_s} s"
        pause.wait(0.01)


class JupyterServer:
    """`jupyter server` as a process of its own, with the chat; `kill` and `start` at will.

    Its connection file is kept at one path, as it is for a kernel that outlives its server. It
    reads no configuration of the environment, which would have it import JupyterLab.
    """

    def __init__(self, environment: dict[str, str], folder: Path, **settings: Any) -> None:
        self.environment = {**environment, "JUPYTER_NO_CONFIG": "1"}
        self.connection = folder / "connection.json"
        self._folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        runtime = Path(self.environment["JUPYTER_RUNTIME_DIR"]) / "chat-stream"
        for old in runtime.glob("connection-*.json"):
            old.unlink()
        where = {} if "ServerApp.sock" in self._settings else LOOPBACK
        settings = [f"--{name}={value}" for name, value in {**where, **self._settings}.items()]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "jupyter_server",
                    "--ServerApp.open_browser=False",
                    "--ServerApp.allow_root=True",
                    "--ServerApp.jpserver_extensions={'jupyter_chat_stream': True}",
                    *settings,
                ],
                cwd=self._folder,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        process = self._process

        def written_by_now() -> Path | None:
            log = (self._folder / "server.log").read_text()
            assert process.poll() is None, f"the server has ended:\n{log}"
            return next(runtime.glob("connection-*.json"), None)

        written = until(written_by_now, "the server's start")
        draft = self.connection.with_suffix(".draft")
        shutil.copyfile(written, draft)
        draft.replace(self.connection)

    def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """End it as a person would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    @property
    def kernel_environment(self) -> dict[str, str]:
        return {**self.environment, CONNECTION_ENV: str(self.connection)}


@dataclass(kw_only=True)
class Outcome:
    """What one execution brought."""

    text: str = ""
    shown: list[dict[str, Any]] = field(default_factory=list)  # bundles, displayed or returned
    updates: list[dict[str, Any]] = field(default_factory=list)
    comms: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    traceback: str = ""


def collect(client: BlockingKernelClient, message_id: str) -> Outcome:
    """Read everything an execution brings, until the kernel is idle again."""
    outcome = Outcome()
    while True:
        message = client.get_iopub_msg(timeout=PATIENCE_S)
        if message["parent_header"].get("msg_id") != message_id:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            outcome.text += content["text"]
        elif kind in ("display_data", "execute_result"):
            outcome.shown.append(content["data"])
        elif kind == "update_display_data":
            outcome.updates.append(content["data"])
        elif kind.startswith("comm_"):
            outcome.comms.append(content["data"])
        elif kind == "error":
            outcome.error = content["ename"]
            outcome.traceback = "\n".join([content["evalue"], *content["traceback"]])
        elif kind == "status" and content["execution_state"] == "idle":
            return outcome


class Kernel:
    """A real ipykernel."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(
            env=environment,
            cwd=str(folder),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE_S)

    def run(self, code: str, *, fails: bool = False) -> Outcome:
        """Execute code and give what it brought; an error fails the test unless it is meant."""
        outcome = self.collect(self.client.execute(code, store_history=True))
        assert fails or outcome.error is None, outcome.traceback
        return outcome

    def collect(self, message_id: str) -> Outcome:
        """Read everything an execution brings, until the kernel is idle again."""
        return collect(self.client, message_id)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def run_script(code: str, environment: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    """Start a plain Python script."""
    script = folder / f"script-{os.urandom(4).hex()}.py"
    script.write_text(code)
    return subprocess.Popen(
        [sys.executable, str(script)],
        env=environment,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(script: subprocess.Popen[str]) -> str:
    """Wait for a script and give what it printed; fail where it failed."""
    out, err = script.communicate(timeout=PATIENCE_S * 2)
    assert script.returncode == 0, err
    return out
