"""Show the sizes of the front end's bundle: `python -m scripts.bundle_sizes`.

JupyterLab loads the entry, the plugins and the styles at its start; the first chat loads the rest.
"""

from __future__ import annotations

import gzip
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.frontend import BUNDLE
from scripts.terminal import Failure

ALL_BYTES = 194_200
START_BYTES = 70_000
_ENTRY = "remoteEntry."
# What the entry loads for a module that JupyterLab asks for: `"./extension":()=>n.e(731)…`.
_EXPOSED = re.compile(r'"\./(?:extension|style)":\(\)=>(.*?)\.then\(\(\)=>\(\)=>')
_CHUNK = re.compile(r"\.e\((\d+)\)")


@dataclass(frozen=True, kw_only=True)
class BundleFile:
    """One script of the bundle. ``sent_bytes`` is its size with gzip."""

    name: str
    bytes: int
    sent_bytes: int
    is_start: bool


def files(bundle: Path = BUNDLE) -> list[BundleFile]:
    """List the scripts of a bundle, the largest first.

    Raises:
        Failure: there is no bundle, or its entry names no chunk that JupyterLab loads.
    """
    scripts = sorted((bundle / "static").glob("*.js"))
    entry = next((path for path in scripts if path.name.startswith(_ENTRY)), None)
    if entry is None:
        raise Failure(f"There is no front end at {bundle}: `make install` builds it.")
    exposed = _EXPOSED.findall(entry.read_text("utf-8"))
    chunks = {chunk for loads in exposed for chunk in _CHUNK.findall(loads)}
    if not chunks:
        raise Failure(f"{entry.name} does not name the plugins of the extension.")
    found = []
    for path in scripts:
        content = path.read_bytes()
        is_start = path == entry or path.name.split(".")[0] in chunks
        sent = len(gzip.compress(content, 9, mtime=0))
        found.append(
            BundleFile(name=path.name, bytes=len(content), sent_bytes=sent, is_start=is_start)
        )
    return sorted(found, key=lambda file: -file.sent_bytes)


def sent_bytes(found: Sequence[BundleFile]) -> int:
    """Add up what is sent for these files."""
    return sum(file.sent_bytes for file in found)


def main() -> int:
    """Show each file and the sums; fail if a sum is above its bound."""
    found = files()
    for file in found:
        when = "start" if file.is_start else "first chat"
        print(f"{file.sent_bytes / 1000:8.1f} kB  {when:10}  {file.name}")
    start = [file for file in found if file.is_start]
    print(f"{sent_bytes(start) / 1000:8.1f} kB  at the start, of {START_BYTES / 1000:.0f}")
    print(f"{sent_bytes(found) / 1000:8.1f} kB  in all, of {ALL_BYTES / 1000:.0f}")
    return int(sent_bytes(found) > ALL_BYTES or sent_bytes(start) > START_BYTES)


if __name__ == "__main__":
    sys.exit(main())
