"""Find a Chromium that works, or get one: the system's, Playwright's own, then apt as root.

The headless shell is Chromium without its windows. It loads a page for four fifths of the time of a
processor, and Playwright starts it by itself, too. The tests take it if it is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.terminal import Failure, may_use_apt, run, say

SYSTEM_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
HEADLESS_SHELLS = ("chromium-headless-shell", "chrome-headless-shell")
BROWSERS_VARIABLE = "PLAYWRIGHT_BROWSERS_PATH"
# Where in Playwright's `chromium-<revision>` folder the browser is, per platform.
PLAYWRIGHT_PATTERNS = (
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
)
PLAYWRIGHT_SHELLS = (
    "chromium_headless_shell-*/chrome-*/headless_shell",
    "chromium_headless_shell-*/chrome-*/chrome-headless-shell",
)
# Without any font a page has no text to measure.
APT_PACKAGES = ("chromium", "fonts-liberation")
DRIVER_LIBRARY = "libatomic1"
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run")
START_TIMEOUT_S = 60


def find_chromium(*, prefers_shell: bool = False) -> str | None:
    """Return the path of the first Chromium that starts, or None.

    Args:
        prefers_shell: whether a headless shell comes before a whole browser.
    """
    return next((path for path in candidates(prefers_shell) if starts(path)), None)


def candidates(prefers_shell: bool = False) -> Iterator[str]:
    """Name every Chromium that seems to be here, the one asked for first."""
    asked_for = os.environ.get("CHROMIUM")
    if asked_for:
        yield from _found((asked_for,), ())
    if prefers_shell:
        yield from _found(HEADLESS_SHELLS, PLAYWRIGHT_SHELLS)
    yield from _found(SYSTEM_NAMES, PLAYWRIGHT_PATTERNS)


def _found(names: Sequence[str], patterns: Sequence[str]) -> Iterator[str]:
    for name in names:
        path = shutil.which(name)
        if path:
            yield path
    for pattern in patterns:
        for found in sorted(browsers_folder().glob(pattern), reverse=True):
            yield str(found)


def browsers_folder() -> Path:
    """Return where Playwright keeps the browsers it downloads."""
    configured = os.environ.get(BROWSERS_VARIABLE)
    if configured and configured != "0":
        return Path(configured)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ms-playwright"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "ms-playwright"


def starts(path: str) -> bool:
    """Return whether this browser renders an empty page.

    `--version` is not enough: it passes where a shared library is missing, and for the script
    that only tells to install a snap.
    """
    command = [path, *FLAGS, "--dump-dom", "about:blank"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=START_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and b"<html" in done.stdout


def ensure_driver(python: Path) -> None:
    """Make sure Playwright itself starts: its Node needs a library a minimal Debian lacks."""
    command: list[str | Path] = [python, "-m", "playwright", "--version"]
    if run(command, is_required=False):
        return
    if may_use_apt():
        say(f"Playwright does not start: installing the system's package `{DRIVER_LIBRARY}`")
        apt_install(DRIVER_LIBRARY)
        if run(command, is_required=False):
            return
    raise Failure(
        "Playwright, which drives the browser in the tests, does not start here; its reason is "
        f"above. Most likely the package `{DRIVER_LIBRARY}` is missing (Debian, Ubuntu: sudo apt "
        f"install {DRIVER_LIBRARY}): install it and run this again."
    )


def apt_install(*packages: str) -> None:
    """Install system packages, as root."""
    run(["apt-get", "update", "-qq"], is_required=False)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])


def ensure_chromium(python: Path) -> str:
    """Return a working Chromium's path, installing one where there is none.

    Args:
        python: the interpreter of the environment that holds Playwright.
    """
    found = find_chromium()
    if found:
        return found
    say("No Chromium here: asking Playwright to download its own (about 170 MB)")
    run([python, "-m", "playwright", "install", "chromium"], is_required=False)
    found = find_chromium()
    if found:
        return found
    if may_use_apt():
        say("That one does not start here: installing the system's package `chromium`")
        apt_install(*APT_PACKAGES)
        found = find_chromium()
        if found:
            return found
    raise Failure(
        "The browser tests need Chromium, and neither the system's nor Playwright's own starts "
        "here. Install the package `chromium` (Debian, Ubuntu: sudo apt install chromium) and "
        "run this again."
    )
