"""Real Jupyter servers, each with one of the three pages a chat is seen in.

JupyterLab and Notebook are the environment's own; JupyterLab 4.2 is fetched once into a folder of
the environment and put before them on the path: what it needs beside itself it shares with them.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import psutil

from scripts.frontend import BUNDLE, ROOT
from tests.conftest import PYTHONPATH, home_environment
from tests.e2e import gated_provider

TOKEN = "the-reader-s-token"
PATIENCE_S = 45.0
LASTING = "lasting.ipynb"  # the notebook of the page that stays
EXTENSION = "jupyter-chat-stream"
SERVER_CONFIG = ROOT / "jupyter-config" / "server-config"
OLD_LAB = "jupyterlab==4.2.*"
# JupyterLab would ask, and look on the net, at its first start.
NOTIFICATIONS = {"fetchNews": "false", "checkForUpdates": False}
T = TypeVar("T")


def until(ready: Callable[[], T | None], what: str, patience_s: float = PATIENCE_S) -> T:
    """Wait until `ready` gives something true; fail at the deadline."""
    deadline = time.monotonic() + patience_s
    pause = threading.Event()
    while True:
        found = ready()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {patience_s} s"
        pause.wait(0.05)


@dataclass(frozen=True, kw_only=True)
class Flavour:
    """One of the pages: the module that starts it, and where a notebook is on it."""

    name: str
    module: str
    place: str  # of a notebook, below the base address
    exposes: str  # the setting that lets the tests look into the page

    holds_many: bool  # notebooks in one page

    def address(self, path: str, workspace: str) -> str:
        return self.place.format(path=quote(path), workspace=quote(workspace))


_LAB = "lab/workspaces/{workspace}/tree/{path}?reset"
FLAVOURS = {
    flavour.name: flavour
    for flavour in (
        Flavour(
            name="lab",
            module="jupyterlab",
            place=_LAB,
            exposes="LabApp.expose_app_in_browser",
            holds_many=True,
        ),
        Flavour(
            name="lab42",
            module="jupyterlab",
            place=_LAB,
            exposes="LabApp.expose_app_in_browser",
            holds_many=True,
        ),
        Flavour(
            name="notebook",
            module="notebook",
            place="notebooks/{path}?",
            exposes="JupyterNotebookApp.expose_app_in_browser",
            holds_many=False,
        ),
    )
}


class Site:
    """One server with its folders; `kill` and `start` it at will, its address stays."""

    def __init__(self, flavour: Flavour, folder: Path, old_lab: Path | None = None) -> None:
        self.flavour = flavour
        self.folder = folder
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir(parents=True)
        self.environment = _environment(folder, old_lab)
        self._runtime = Path(self.environment["JUPYTER_RUNTIME_DIR"])
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", self.flavour.module, "--allow-root", "--no-browser"),
                    "--ServerApp.ip=127.0.0.1",
                    f"--ServerApp.port={self.port}",
                    "--ServerApp.port_retries=0",
                    f"--ServerApp.root_dir={self.notebooks}",
                    f"--IdentityProvider.token={TOKEN}",
                    f"--{self.flavour.exposes}=True",
                ],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        note = self._runtime / f"jpserver-{self._process.pid}.json"
        self.port = int(until(lambda: self._noted(note), f"{self.flavour.name} starts")["port"])
        until(self._answers, f"{self.flavour.name} answers")

    def _noted(self, note: Path) -> dict[str, Any] | None:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "server.log").read_text()[-4000:]
        try:
            return json.loads(note.read_text())
        except (OSError, ValueError):  # not there yet, or half written
            return None

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "api/chat-stream/status")["protocol"] > 0
        except OSError:
            return False

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kernels(self) -> list[psutil.Process]:
        """Return the processes that the server has started and that live."""
        assert self._process is not None
        return psutil.Process(self._process.pid).children(recursive=True)

    def kill(self) -> None:
        """End the server as a crash would, and the kernels it leaves behind."""
        assert self._process is not None
        kernels = self.kernels()
        self._process.kill()
        self._process.wait(PATIENCE_S)
        for kernel in kernels:
            if kernel.is_running():
                kernel.kill()
        psutil.wait_procs(kernels, timeout=PATIENCE_S)

    def stop(self) -> None:
        """End it as a person would."""
        if self._process is None or not self.is_running:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    # ----------------------------------------------------------------------------- its API

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send one request and give what the JSON of its answer says."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
                content = response.read()
        except urllib.error.HTTPError as error:
            error.close()
            raise
        return json.loads(content) if content else None

    def chat(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send one request to the chat's own API."""
        return self.ask(method, f"api/chat-stream/{path}", body)

    def thread(self, name: str, model: str) -> str:
        """Get or create the thread of this name; give its id."""
        return str(self.chat("POST", "threads", {"name": name, "model": model})["id"])

    def send(
        self,
        thread: str,
        content: str,
        *,
        model: str | None = None,
        context: Sequence[Mapping[str, str]] = (),
        **params: Any,
    ) -> str:
        """Send a message; give the id of the run that answers it."""
        body = {"content": content, "model": model, "context": list(context), "params": params}
        return str(self.chat("POST", f"threads/{thread}/messages", body)["run"]["id"])

    def wait_for(self, run_id: str, *statuses: str) -> dict[str, Any]:
        """Wait until a run has one of these statuses; give the run."""
        what = f"{run_id} is {' or '.join(statuses)}"
        return until(lambda: run if (run := self.run(run_id))["status"] in statuses else None, what)

    def run(self, run_id: str) -> dict[str, Any]:
        return dict(self.chat("GET", f"runs/{run_id}"))

    def runs(self, thread: str) -> list[dict[str, Any]]:
        return list(self.chat("GET", f"threads/{thread}/runs")["runs"])

    def messages(self, thread: str) -> list[dict[str, Any]]:
        return list(self.chat("GET", f"threads/{thread}/messages")["messages"])

    def forget_answers(self) -> None:
        """Stop the answers that a test has left: their marks are in every page."""
        for row in self.chat("GET", "threads?limit=200")["threads"]:
            for run in self.runs(row["id"]) if row["busy"] or row["asks"] else ():
                self.chat("POST", f"runs/{run['id']}/cancel")  # changes nothing if it has ended

    def forget_kernels(self) -> None:
        """Shut down what the notebooks of a test have left running."""
        for session in self.ask("GET", "api/sessions"):
            if session["path"] == LASTING:
                continue
            try:
                self.ask("DELETE", f"api/sessions/{session['id']}")
            except urllib.error.HTTPError:
                pass  # gone already


def _environment(folder: Path, old_lab: Path | None) -> dict[str, str]:
    """Return the variables of a server with a home of its own, our bundle and our extension."""
    share = folder / "share" / "jupyter"
    if not (BUNDLE / "package.json").exists():
        raise AssertionError(f"There is no front end at {BUNDLE}: `make install` builds it.")
    # A copy: the bundle may be built anew while a browser reads it.
    shutil.copytree(BUNDLE, share / "labextensions" / EXTENSION)
    environment = {**os.environ, **home_environment(folder / "home"), "JUPYTER_PATH": str(share)}
    config = Path(environment["JUPYTER_CONFIG_DIR"])
    shutil.copytree(SERVER_CONFIG, config / "jupyter_server_config.d")
    settings = config / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(NOTIFICATIONS))
    plugins = folder / "plugins"
    gated_provider.install(plugins)
    path = [PYTHONPATH, str(plugins)]
    if old_lab is not None:
        path.insert(0, str(old_lab))
        environment["JUPYTERLAB_DIR"] = str(old_lab / "share" / "jupyter" / "lab")
    return {**environment, "PYTHONPATH": os.pathsep.join(path)}


def fetch_old_lab() -> Path:
    """Return the folder with JupyterLab 4.2, fetching it where this environment has none yet."""
    folder = Path(sys.prefix) / "chat-stream-tests" / "jupyterlab-4.2"
    if (folder / "jupyterlab").is_dir():
        return folder
    draft = folder.with_name(f"{folder.name}.{os.getpid()}")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--target", str(draft), OLD_LAB),
        ],
        env=_first_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        shutil.rmtree(draft, ignore_errors=True)
        raise AssertionError(f"The tests need {OLD_LAB}, and pip cannot get it:\n{done.stderr}")
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    return folder


def _first_environment() -> dict[str, str]:
    """Return the variables this process was started with: they say where pip finds packages."""
    try:
        pairs = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return dict(os.environ)
    return dict(os.fsdecode(pair).split("=", 1) for pair in pairs if b"=" in pair)
