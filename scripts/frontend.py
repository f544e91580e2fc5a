"""Build the front end when, and only when, its sources differ from those the bundle was made of.

A bundle carries the fingerprint of its sources. Times are not looked at: git sets them at
checkout, and a source distribution sets them all alike. Used by the build hook, so that
`pip install .` and `make install` agree on what is fresh.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from scripts.terminal import Failure, run, say

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "labextension"
BUNDLE = ROOT / "jupyter_chat_stream" / "labextension"
FINGERPRINT = "sources.sha256"
# What the bundle is made of; tests and documentation are not.
BUNDLED = ("src/**/*", "style/**/*", "schema/**/*", "package.json", "tsconfig*.json", "yarn.lock")
INSTALLED = ("package.json", "yarn.lock", ".yarnrc.yml")


def build_hook(target: str, version: str) -> None:
    """Make sure the distribution being built gets the bundle of the present sources."""
    ensure_bundle(dict(os.environ))


def ensure_bundle(env: Mapping[str, str]) -> bool:
    """Build the bundle unless it is fresh; return whether that was needed.

    Args:
        env: the environment to build in; `jlpm` and `node` are on its PATH.
    """
    if not (SOURCES / "package.json").exists():
        raise Failure(f"There is no front end to build: {SOURCES / 'package.json'} is missing.")
    if is_fresh():
        return False
    ensure_packages(env)
    say("Building the front end")
    wanted = fingerprint(SOURCES, BUNDLED)
    run(["jlpm", "run", "build:prod"], cwd=SOURCES, env=env)
    (BUNDLE / FINGERPRINT).write_text(wanted, encoding="utf-8")
    return True


def is_fresh() -> bool:
    """Return whether the bundle was made of the present sources."""
    return _read(BUNDLE / FINGERPRINT) == fingerprint(SOURCES, BUNDLED)


def ensure_packages(env: Mapping[str, str]) -> None:
    """Install the JavaScript packages unless those the lock file names are there."""
    stamp = SOURCES / "node_modules" / ".installed.sha256"
    wanted = fingerprint(SOURCES, INSTALLED)
    if _read(stamp) == wanted:
        return
    say("Installing JavaScript packages (the first time takes two to five minutes)")
    run(["jlpm", "install"], cwd=SOURCES, env=env)
    stamp.parent.mkdir(exist_ok=True)
    # Read again: the installation may have completed the lock file.
    stamp.write_text(fingerprint(SOURCES, INSTALLED), encoding="utf-8")


def fingerprint(folder: Path, patterns: Iterable[str]) -> str:
    """Hash the names and contents of the files that match, whatever their times."""
    files = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        # Git may check text out with either line ending.
        digest.update(hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).digest())
    return digest.hexdigest()


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
