"""Make `.venv` and install the package into it, editable, with its built front end.

Does only what is missing: what was installed, and from which definition, is noted in the
environment, so a second call looks and leaves. Run by `make` with whatever fitting Python
`find_python.sh` found; standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.chromium import ensure_chromium, ensure_driver  # noqa: E402 - the path comes first
from scripts.frontend import BUNDLE, ensure_bundle, ensure_packages, is_fresh  # noqa: E402
from scripts.model_server import ensure_model_server  # noqa: E402
from scripts.postgres import ensure_postgres  # noqa: E402
from scripts.selection import Selection, select  # noqa: E402
from scripts.terminal import Failure, may_use_apt, run, say  # noqa: E402

VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
NOTE = VENV / ".chat-stream-installed"
# Windows lets few users make symbolic links, so there the bundle is copied.
MAY_LINK = os.name != "nt"
EXTENSION = VENV / "share" / "jupyter" / "labextensions" / "jupyter-chat-stream"
# What each purpose needs beyond the package itself, smallest first: each includes the one before.
EXTRAS = {"use": "demo", "test": "test", "docs": "test,docs", "check": "dev,docs"}
# What decides whether the installed metadata is still right.
DEFINITION = ("pyproject.toml", "labextension/package.json", "jupyter-config")
# Variables that would put packages, or look for them, somewhere else.
DIVERTING = ("PIP_PREFIX", "PIP_TARGET", "PIP_USER", "PYTHONHOME", "PYTHONPATH")


def main() -> int:
    """Bring the environment to what the purpose needs."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--for", dest="purpose", choices=list(EXTRAS), default="use")
    parser.add_argument("part", nargs="*", help="after `--`: the tests that are to run, if not all")
    given = parser.parse_args()
    try:
        if given.part:
            set_up_part(select(given.part))
        else:
            set_up(given.purpose)
    except Failure as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    return 0


def set_up(purpose: str) -> None:
    """Make what is missing for this purpose, and nothing else."""
    os.chdir(ROOT)
    ensure_environment()
    is_new = ensure_tools()
    env = environment()
    needs_packages = purpose in ("test", "check") or not is_fresh()
    is_missing = is_new or not is_installed(purpose, is_page_needed=False)
    if MAY_LINK and needs_packages and is_missing:
        install_beside_packages(widest(purpose), env)
        is_new = False
    is_rebuilt = ensure_bundle(env)
    must_copy = is_rebuilt and not EXTENSION.is_symlink()
    if is_new or must_copy or not is_installed(purpose):
        install(widest(purpose))
    if purpose in ("test", "check"):
        ensure_packages(env)
    if purpose == "test":
        ensure_driver(PYTHON)
        ensure_chromium(PYTHON)
        ensure_postgres(PYTHON)
        ensure_model_server(PYTHON)


def set_up_part(selection: Selection) -> None:
    """Make what a part of the tests needs: the front end is built only where they open it."""
    if selection.needs_page:
        set_up("test")
        return
    os.chdir(ROOT)
    ensure_environment()
    if ensure_tools() or not is_installed("test", is_page_needed=False):
        install(widest("test"), is_page_needed=False)
    if selection.needs_packages:
        ensure_packages(environment())
    if selection.pytest:
        ensure_postgres(PYTHON)
        ensure_model_server(PYTHON)


def environment() -> dict[str, str]:
    """Return this process's variables with the environment's commands first on the PATH."""
    env = {name: value for name, value in os.environ.items() if name not in DIVERTING}
    path = os.pathsep.join([str(BIN), env.get("PATH", os.defpath)])
    return {**env, "PATH": path, "VIRTUAL_ENV": str(VENV)}


# ------------------------------------------------------------------------------ the environment


def ensure_environment() -> None:
    """Make `.venv` unless there is one that works."""
    shown = ".".join(map(str, sys.version_info[:3]))
    if PYTHON.exists() and works(PYTHON):
        if os.environ.get("PYTHON") and version_of(PYTHON) != sys.version_info[:2]:
            raise Failure(f"`.venv` holds another Python than {shown}: remove it to make it anew.")
        return
    say(f"Making .venv with Python {shown} ({sys.executable})")
    if VENV.exists() or VENV.is_symlink():
        # Its interpreter is gone or unfit; nothing in it can be used.
        shutil.rmtree(VENV) if not VENV.is_symlink() else VENV.unlink()
    for command in environment_makers():
        if run(command, is_required=False) and works(PYTHON):
            return
        shutil.rmtree(VENV, ignore_errors=True)
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    if may_use_apt() and sys.executable.startswith("/usr/bin/"):
        say(f"Installing the system's package `{package}`")
        run(["apt-get", "update", "-qq"], is_required=False)
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package])
        run([sys.executable, "-m", "venv", VENV])
        return
    raise Failure(
        "This Python cannot make virtual environments: install the package that lets it "
        f"(Debian, Ubuntu: sudo apt install {package}) or `uv`, and run this again."
    )


def environment_makers() -> list[list[str | Path]]:
    """Name the ways to make an environment that are here, the quickest first."""
    makers: list[list[str | Path]] = []
    if shutil.which("uv"):
        makers.append(["uv", "venv", "--quiet", "--seed", "--python", sys.executable, VENV])
    if shutil.which("virtualenv"):
        makers.append(["virtualenv", "--quiet", "--python", sys.executable, VENV])
    elif importlib.util.find_spec("virtualenv"):
        makers.append([sys.executable, "-m", "virtualenv", "--quiet", VENV])
    # Debian ships `venv` without what it needs to put pip in.
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        makers.append([sys.executable, "-m", "venv", VENV])
    return makers


def works(python: Path) -> bool:
    """Return whether this interpreter runs, fits, and has pip."""
    code = "import sys, pip, sqlite3; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))"
    try:
        done = subprocess.run([str(python), "-c", code], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def version_of(python: Path) -> tuple[int, ...]:
    """Return an interpreter's major and minor version."""
    code = "import sys; print(*sys.version_info[:2])"
    shown = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return tuple(int(number) for number in shown.stdout.split())


# -------------------------------------------------------------------------------- what is in it


def ensure_tools() -> bool:
    """Install what builds the package (Node among it); return whether that was needed."""
    requirements = build_requirements()
    note = VENV / ".chat-stream-tools"
    wanted = "\n".join(requirements)
    if note.exists() and note.read_text(encoding="utf-8") == wanted:
        return False
    say("Installing the build tools (Node among them)")
    pip("install", *requirements)
    note.write_text(wanted, encoding="utf-8")
    return True


def build_requirements() -> list[str]:
    """Read `build-system.requires`."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return list(tomllib.load(file)["build-system"]["requires"])


def install(purpose: str, *, is_page_needed: bool = True) -> None:
    """Install the package and what the purpose needs, then link the bundle in place."""
    # A link would let pip write through it into the sources.
    if EXTENSION.is_symlink():
        EXTENSION.unlink()
    say(f"Installing jupyter-chat-stream[{EXTRAS[purpose]}] (the first time takes some minutes)")
    env = environment()
    if not is_page_needed:
        env["SKIP_JUPYTER_BUILDER"] = "1"
        BUNDLE.mkdir(exist_ok=True)  # the package names it among its files
    pip("install", "--no-build-isolation", "--editable", f".[{EXTRAS[purpose]}]", env=env)
    link_bundle()
    NOTE.write_text(f"{purpose} {definition()}", encoding="utf-8")
    say("Installed")


def install_beside_packages(purpose: str, env: Mapping[str, str]) -> None:
    """Install the package while the JavaScript packages are installed, which takes as long.

    The bundle is made after both. The package needs only the link to it.
    """
    with ThreadPoolExecutor(max_workers=1) as beside:
        packages = beside.submit(ensure_packages, env)
        install(purpose, is_page_needed=False)
        packages.result()


def link_bundle() -> None:
    """Let JupyterLab read the bundle where it is built: a new build needs no new installation."""
    if not MAY_LINK:
        return
    shutil.rmtree(EXTENSION, ignore_errors=True)
    EXTENSION.parent.mkdir(parents=True, exist_ok=True)
    EXTENSION.symlink_to(os.path.relpath(BUNDLE, EXTENSION.parent), target_is_directory=True)


def is_installed(purpose: str, *, is_page_needed: bool = True) -> bool:
    """Return whether this purpose, or one that includes it, was installed from this definition."""
    if is_page_needed and not (EXTENSION / "package.json").exists():
        return False
    noted, fingerprint = read_note()
    return fingerprint == definition() and widest(purpose) == noted


def widest(purpose: str) -> str:
    """Return the wider of this purpose and the one installed for: nothing is taken away."""
    noted, _ = read_note()
    return max(purpose, noted or purpose, key=list(EXTRAS).index)


def read_note() -> tuple[str | None, str | None]:
    """Return what was last installed: the purpose, and the definition's fingerprint."""
    words = NOTE.read_text(encoding="utf-8").split() if NOTE.exists() else []
    return (words[0], words[1]) if len(words) == 2 and words[0] in EXTRAS else (None, None)


def definition() -> str:
    """Hash what the installed metadata was made of, and the path an editable package names."""
    digest = hashlib.sha256(str(ROOT).encode())
    for name in DEFINITION:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def pip(*words: str, env: Mapping[str, str] | None = None) -> None:
    """Run the environment's own pip."""
    variables = environment() if env is None else env
    run([PYTHON, "-m", "pip", "--disable-pip-version-check", *words], env=variables)


if __name__ == "__main__":
    sys.exit(main())
