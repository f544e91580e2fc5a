"""Other ways to draw a growing answer, bundled for the page: `@jupyter/chat` and a naive one.

`page/peers.js` is what runs in the page. Its packages are its own, so that no release of the front
end depends on them; they are installed beside the environment's when a benchmark first needs them.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from scripts.terminal import Failure, run, say

SOURCES = Path(__file__).with_name("page")
FOLDER = Path(sys.prefix) / "chat-stream-tests" / "benchmark-page"
# Pictures and fonts are no part of what is measured.
LOADERS = {"svg": "text", "woff": "empty", "woff2": "empty", "ttf": "empty", "eot": "empty"}


def bundle() -> tuple[Path, Path]:
    """Make the script and the style sheet for a page; return their paths."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for source in SOURCES.iterdir():
        if source.is_file():
            shutil.copy(source, FOLDER)
    install()
    _rename_elements()
    arguments = ["--bundle", "--minify", "--format=iife", "--log-level=error"]
    arguments += [f"--loader:.{ending}={loader}" for ending, loader in LOADERS.items()]
    arguments += ['--define:process.env.NODE_ENV="production"', "--outfile=bundle/peers.js"]
    run(["node_modules/.bin/esbuild", "peers.js", *arguments], cwd=FOLDER, env=os.environ)
    return FOLDER / "bundle" / "peers.js", FOLDER / "bundle" / "peers.css"


def install() -> None:
    """Install the packages unless they are there."""
    if version() == wanted():
        return
    say("Installing the packages of the benchmark's page (about a minute, 570 MB)")
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"]
    run(command, cwd=FOLDER, env=os.environ)
    if version() != wanted():
        raise Failure(f"npm has installed @jupyter/chat {version()}, not {wanted()}.")


def _rename_elements() -> None:
    """Put the custom elements of each package under a name of their own.

    JupyterLab's page has defined them, and what is defined again under the same name is left out:
    `@jupyter/chat` then draws nothing. In a real installation it shares JupyterLab's modules.
    """
    found = FOLDER.glob("node_modules/**/web-components/dist/esm/jupyter-design-system.js")
    for number, path in enumerate(sorted(found)):
        script = path.read_text("utf-8")
        path.write_text(script.replace("withPrefix('jp')", f"withPrefix('peer{number}')"), "utf-8")


def wanted() -> str:
    """Return the version of `@jupyter/chat` that the page is made for."""
    definition = json.loads((SOURCES / "package.json").read_text("utf-8"))
    return str(definition["dependencies"]["@jupyter/chat"])


def version() -> str | None:
    """Return the version of `@jupyter/chat` that is installed."""
    path = FOLDER / "node_modules" / "@jupyter" / "chat" / "package.json"
    return str(json.loads(path.read_text("utf-8"))["version"]) if path.exists() else None
