"""Build the documentation: pages, notebooks and the API reference, into `build/docs`.

The pages are those that GitHub shows, at their places, so a link between two pages works in both.
Sphinx reads a copy, because it would search the whole checkout otherwise. A warning is an error.
With the argument `links`, addresses on other sites are looked at instead, over the network.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.api_page import MARK, reference
from scripts.frontend import ROOT
from scripts.setup_env import PYTHON, environment
from scripts.terminal import say

BUILD = ROOT / "build" / "docs"
SOURCE = ROOT / "build" / "docs-source"
PAGES = ("*.md", "LICENSE", "docs/**/*", "notebooks/*.ipynb", "benchmarks/results.md")
API = "docs/api.md"
# The first page is docs/index.html.
FORWARD = '<!doctype html><meta http-equiv="refresh" content="0; url=docs/index.html">\n'


def main(arguments: Sequence[str]) -> int:
    """Build, and say where the first page is; return Sphinx's status."""
    copy_pages(ROOT, SOURCE)
    page = SOURCE / API
    page.write_text(page.read_text(encoding="utf-8").replace(MARK, reference()), encoding="utf-8")
    builder = "linkcheck" if "links" in arguments else "html"
    strict = ["--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"]
    places = ["-c", str(SOURCE / "docs"), str(SOURCE), str(BUILD)]
    command = [str(PYTHON), "-m", "sphinx", "--builder", builder, *strict, *places]
    status = subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode
    if not status and builder == "html":
        (BUILD / "index.html").write_text(FORWARD, encoding="utf-8")
        say(f"Built: {(BUILD / 'index.html').relative_to(ROOT)}")
    return status


def copy_pages(root: Path, target: Path) -> None:
    """Copy every page and what it shows; what was there of an earlier build goes."""
    shutil.rmtree(target, ignore_errors=True)
    for path in sorted(path for pattern in PAGES for path in root.glob(pattern)):
        if path.is_file() and "__pycache__" not in path.parts:
            copy = target / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
