"""Speak to the person at the terminal, and run commands in their sight."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

HEARTBEAT_S = 20
# So much of a failed command's output is shown.
SHOWN_LINES = 40


class Failure(Exception):
    """What went wrong, in one sentence that says what to do; ends the command with status 1."""


def say(text: str) -> None:
    """Print one line of progress, at once."""
    print(f"==> {text}", flush=True)


def may_use_apt() -> bool:
    """Return whether this user may install system packages without being asked for a password."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    is_required: bool = True,
) -> bool:
    """Run a command quietly, with a sign of life; show its output when it fails.

    Returns:
        Whether it succeeded; with `is_required`, a failure raises instead.
    """
    shown = " ".join(str(word) for word in command)
    started = time.monotonic()
    ended = threading.Event()
    watcher = threading.Thread(target=_beat, args=(started, ended), daemon=True)
    watcher.start()
    try:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env=dict(env) if env is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        if is_required:
            raise Failure(f"Could not start `{shown}`: {error}") from error
        return False
    finally:
        ended.set()
        watcher.join()
    if done.returncode == 0:
        return True
    print("\n".join(done.stdout.splitlines()[-SHOWN_LINES:]), file=sys.stderr, flush=True)
    if is_required:
        raise Failure(f"`{shown}` failed with status {done.returncode}; its last lines are above.")
    return False


def _beat(started: float, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_S):
        minutes, seconds = divmod(int(time.monotonic() - started), 60)
        print(f"    still at it ({minutes} min {seconds:02d} s)", flush=True)
