"""Set the version in every file that holds it: `python -m scripts.version 0.2.0`.

`patch` and `next` mean the next patch release. The section *Unreleased* of the changelog gets the
version as its title, unless it is one of development. Jupyter Releaser calls this.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.frontend import ROOT

# A file, and the pattern whose groups are what stands before and after the version.
HOLDERS = (
    ("jupyter_chat_stream/_version.py", r'(__version__ = ")([^"]+)(")'),
    ("labextension/package.json", r'(\n  "version": ")([^"]+)(")'),
)
CHANGELOG = "CHANGELOG.md"
UNRELEASED = "## Unreleased\n"
VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+|\.dev\d+)?")


def main(arguments: Sequence[str]) -> int:
    """Set the version that is asked for, and say which it is."""
    wanted = next_patch(ROOT) if arguments in (["next"], ["patch"]) else " ".join(arguments)
    if not VERSION.fullmatch(wanted):
        print("Name one version, for example: python -m scripts.version 0.2.0", file=sys.stderr)
        return 2
    set_version(ROOT, wanted)
    print(wanted)
    return 0


def next_patch(root: Path) -> str:
    """Return the release after the present one; after one of development, its release."""
    name, pattern = HOLDERS[0]
    found = re.search(pattern, (root / name).read_text(encoding="utf-8"))
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", found[2] if found else "")
    if found is None or numbers is None:
        raise ValueError(f"{name} holds no version.")
    major, minor, patch = map(int, numbers.groups())
    return f"{major}.{minor}.{patch + (numbers[0] == found[2])}"


def set_version(root: Path, version: str) -> None:
    """Write the version into every holder; the first that has no place for it raises ValueError."""
    for name, pattern in HOLDERS:
        path = root / name
        text, count = re.subn(pattern, rf"\g<1>{version}\g<3>", path.read_text(encoding="utf-8"))
        if count != 1:
            raise ValueError(f"{name} holds the version {count} times, not once.")
        path.write_text(text, encoding="utf-8")
    if "dev" not in version:
        changelog = root / CHANGELOG
        text = changelog.read_text(encoding="utf-8").replace(UNRELEASED, f"## {version}\n", 1)
        changelog.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
