"""Set the version in every file that holds it: `python -m scripts.version 0.2.0`.

The releaser calls it; `tests/unit/test_packaging.py` keeps the files equal.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.frontend import ROOT

# A file, and the pattern whose first group is what stands before the version, the second after it.
HOLDERS = (
    ("jupyter_chat_stream/_version.py", r'(__version__ = ")[^"]+(")'),
    ("labextension/package.json", r'(\n  "version": ")[^"]+(")'),
)
VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+|\.dev\d+)?")


def main(arguments: Sequence[str]) -> int:
    """Set the version that is asked for, and say so."""
    if len(arguments) != 1 or not VERSION.fullmatch(arguments[0]):
        print("Name one version, for example: python -m scripts.version 0.2.0", file=sys.stderr)
        return 2
    set_version(ROOT, arguments[0])
    print(arguments[0])
    return 0


def set_version(root: Path, version: str) -> None:
    """Write the version into every holder; the first that has no place for it raises ValueError."""
    for name, pattern in HOLDERS:
        path = root / name
        text, count = re.subn(pattern, rf"\g<1>{version}\g<2>", path.read_text(encoding="utf-8"))
        if count != 1:
            raise ValueError(f"{name} holds the version {count} times, not once.")
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
