"""(e) What the extension adds to a server's start, and what importing the package takes.

A bare Jupyter server with the chat as its only extension, and the same without it, A, B, A, B;
each until it answers its first request. CPU is that of all its threads by then; what the chat
loads in the background afterwards is shown apart.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from .report import Section

PATIENCE_S = 30.0
SETTLED_S = 2.0
POLL_S = 0.01

SERVE = """
import json, sys
from jupyter_server.serverapp import ServerApp
app = ServerApp.instance()
app.initialize(argv=json.loads(sys.argv[1]), find_extensions=False)
app.start()
"""
IMPORT = """
import time
{before}
started = time.perf_counter(), time.process_time()
{what}
print(time.perf_counter() - started[0], time.process_time() - started[1])
"""


@dataclass(kw_only=True)
class Starts:
    """What was measured of one side, in seconds."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    settled_cpu_s: list[float] = field(default_factory=list)


def run(*, quick: bool = False) -> Section:
    """Measure starts and imports."""
    starts, imports = (1, 3) if quick else (5, 11)
    bare, chat = Starts(), Starts()
    for _ in range(starts):
        for side, extensions in ((bare, {}), (chat, {"jupyter_chat_stream": True})):
            _start(side, extensions)
    rows = [["", "added", "without", "with", "goal"]]
    for name, ours, theirs, goal in (
        ("start, CPU until it answers", chat.cpu_s, bare.cpu_s, "100 ms"),
        ("start, time until it answers", chat.wall_s, bare.wall_s, "100 ms"),
        ("CPU 2 s later, with what loads behind", chat.settled_cpu_s, bare.settled_cpu_s, ""),
    ):
        pair = (statistics.median(theirs), statistics.median(ours))  # both sides alike disturbed
        rows.append([name, _ms(pair[1] - pair[0]), _ms(pair[0]), _ms(pair[1]), goal])
    for before, what in (
        ("", "import jupyter_chat_stream"),
        ("import ipywidgets", "from jupyter_chat_stream import Chat"),
    ):
        taken = [_import(before, what) for _ in range(imports)]
        label = f"`{what}`" + (f" after `{before}`" if before else "")
        for index, kind in enumerate(("time", "CPU")):
            value = statistics.median(pair[index] for pair in taken)
            rows.append([f"{label}, {kind}", _ms(value), "", "", "150 ms"])
    return Section(
        name="e",
        title="time added to start-up and to imports",
        goal="start at most 100 ms, imports at most 150 ms",
        rows=rows,
        notes=[
            f"medians of {starts} starts and {imports} imports, files cached",
            "with other load (average 6 to 8) the added time was 270 to 1080 ms in three "
            "runs: what loads behind then competes with the first answer; CPU added was 43 "
            "to 70 ms",
        ],
    )


def _start(side: Starts, extensions: dict[str, bool]) -> None:
    with tempfile.TemporaryDirectory(prefix="chat-stream-bench-") as folder:
        port = _free_port()
        arguments = [
            f"--ServerApp.jpserver_extensions={extensions}",
            f"--ServerApp.port={port}",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.root_dir={folder}",
            "--ServerApp.open_browser=False",
            "--ServerApp.log_level=ERROR",
            "--allow-root",
        ]
        environment = {**os.environ, "JUPYTER_DATA_DIR": f"{folder}/data"}
        environment["JUPYTER_RUNTIME_DIR"] = f"{folder}/runtime"
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, json.dumps(arguments)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_until_it_answers(process, f"http://127.0.0.1:{port}/api")
            side.wall_s.append(time.perf_counter() - started)
            side.cpu_s.append(_cpu_s(process.pid))
            time.sleep(SETTLED_S)
            side.settled_cpu_s.append(_cpu_s(process.pid))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)


def _wait_until_it_answers(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_S):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(POLL_S)
    raise RuntimeError(f"the server did not answer (exit code {process.poll()})")


def _cpu_s(pid: int) -> float:
    """Return the CPU time of all threads, those that have ended too, in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _import(before: str, what: str) -> tuple[float, float]:
    code = IMPORT.format(before=before, what=what)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    wall_s, cpu_s = done.stdout.split()
    return float(wall_s), float(cpu_s)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _ms(value_s: float) -> str:
    return f"{value_s * 1000:.0f} ms"
