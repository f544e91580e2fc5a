"""Start JupyterLab on the first notebook, with Jupyter folders of the demo's own.

The notebooks are copied, so that trying them changes nothing in the sources; copies, chats and
settings stay in `.demo` from one call to the next, so that what was begun can be gone on with.
The person's own Jupyter is neither read nor written: a password, an extension or a port set there
can neither break the demo nor be changed by it.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

from scripts.frontend import ROOT
from scripts.setup_env import PYTHON, environment
from scripts.terminal import Failure, say

SHIPPED = ROOT / "notebooks"
FIRST = "01_first_chat.ipynb"
DEMO = ROOT / ".demo"
RUNTIME = DEMO / "runtime"
# Which version of each notebook the copy was made of.
ORIGINS = DEMO / "origins.json"
FIRST_PORT = 8888
PORT_TRIES = 100
POLL_S = 0.2
# JupyterLab would ask, and look on the net, at its first start.
NOTIFICATIONS = {"fetchNews": "false", "checkForUpdates": False}


def main() -> int:
    """Start the server, say where it is, and stay until it ends."""
    try:
        copy_notebooks()
        return serve()
    except Failure as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1


def copy_notebooks() -> None:
    """Copy what is new; where the shipped notebook changed, keep the person's copy beside it."""
    if not (SHIPPED / FIRST).exists():
        raise Failure(f"There is no notebook to open: {SHIPPED / FIRST} is missing.")
    copies = DEMO / "notebooks"
    copies.mkdir(parents=True, exist_ok=True)
    origins = json.loads(ORIGINS.read_text(encoding="utf-8")) if ORIGINS.exists() else {}
    for shipped in sorted(SHIPPED.glob("*.ipynb")):
        version = hashlib.sha256(shipped.read_bytes()).hexdigest()
        copy = copies / shipped.name
        if copy.exists() and origins.get(shipped.name) == version:
            continue
        if copy.exists():
            kept = copy.with_name(f"{copy.stem} (kept {time.strftime('%Y-%m-%d %H%M%S')}).ipynb")
            copy.rename(kept)
            say(f"{shipped.name} has changed; yours is kept as {kept.name}")
        copy.write_text(without_outputs(shipped.read_text(encoding="utf-8")), encoding="utf-8")
        origins[shipped.name] = version
    ORIGINS.write_text(json.dumps(origins, indent=1), encoding="utf-8")


def without_outputs(notebook: str) -> str:
    """Return the notebook as before its first run: shipped outputs name threads of elsewhere."""
    content = json.loads(notebook)
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def serve() -> int:
    """Run JupyterLab until it ends; return its status."""
    quiet_notifications()
    opens_browser = has_display()
    server = subprocess.Popen(command(opens_browser), cwd=ROOT, env=demo_environment())
    # Ctrl-C reaches both; the server asks whether it is meant, and its answer decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: server.send_signal(signal.SIGTERM))
    announcer = threading.Thread(target=announce, args=(server, opens_browser), daemon=True)
    announcer.start()
    return server.wait()


def command(opens_browser: bool) -> list[str]:
    """Return the words that start JupyterLab on loopback, at the first free port."""
    words = [
        str(PYTHON),
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={FIRST_PORT}",
        f"--ServerApp.port_retries={PORT_TRIES}",
        f"--ServerApp.root_dir={DEMO / 'notebooks'}",
        f"--LabApp.default_url=/lab/tree/{FIRST}",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
        "--LabApp.news_url=",
        f"--ServerApp.open_browser={opens_browser}",
        "--ServerApp.log_level=WARN",
    ]
    # On loopback only, as above: Jupyter refuses root otherwise.
    return [*words, "--allow-root"] if is_root() else words


def demo_environment() -> dict[str, str]:
    """Return the variables that point Jupyter at the demo's own folders."""
    folders = {
        "JUPYTER_CONFIG_DIR": DEMO / "config",
        "JUPYTER_DATA_DIR": DEMO / "data",
        "JUPYTER_RUNTIME_DIR": RUNTIME,
        "IPYTHONDIR": DEMO / "ipython",
    }
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Started from a terminal in Jupyter, those of that outer server would reach our kernels.
    outer = ("JPY_", "JUPYTER_")
    env = {name: value for name, value in environment().items() if not name.startswith(outer)}
    return {**env, **{name: str(folder) for name, folder in folders.items()}}


def quiet_notifications() -> None:
    """Turn off JupyterLab's question about news."""
    folder = DEMO / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings = folder / "notification.jupyterlab-settings"
    if not settings.exists():
        folder.mkdir(parents=True, exist_ok=True)
        settings.write_text(json.dumps(NOTIFICATIONS), encoding="utf-8")


def announce(server: subprocess.Popen[bytes], opens_browser: bool) -> None:
    """Print the address, token included, as soon as the server has written where it listens."""
    note = RUNTIME / f"jpserver-{server.pid}.json"
    note.unlink(missing_ok=True)  # of an earlier process with this number, killed
    while server.poll() is None:
        try:
            found = json.loads(note.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # not there yet, or half written
            time.sleep(POLL_S)
            continue
        address = f"{found['url']}lab/tree/{FIRST}?token={found['token']}"
        say("JupyterLab is up" + (" and opens in your browser" if opens_browser else ""))
        print(
            f"\n    {address}\n\n    Ctrl-C ends it. Chats and notebooks stay in .demo\n",
            flush=True,
        )
        return


def has_display() -> bool:
    """Return whether a browser could show itself here."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def is_root() -> bool:
    """Return whether the user is root."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


if __name__ == "__main__":
    sys.exit(main())
