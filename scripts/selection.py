"""Which part of the suite the arguments of `make test` name, and what that part needs.

A path under `labextension/` is vitest's, everything else is pytest's. Tests that open a page need
the built front end and a browser. A word (`-k`) may mean such a test, so only paths spare a build.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FRONT_END = "labextension/"
TESTS = ("tests", "notebooks")
# Whatever reads the built front end, or opens it in a browser.
PAGE = (
    *("tests/e2e", "tests/cases", "tests/scripts/test_packaging.py"),
    "tests/faults/test_page_kills.py",
)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The arguments for each of the two test runners; both empty: the whole suite."""

    vitest: tuple[str, ...]
    pytest: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether every test runs."""
        return not self.vitest and not self.pytest

    @property
    def needs_packages(self) -> bool:
        """Whether the JavaScript packages must be installed."""
        return self.is_whole or bool(self.vitest) or self.needs_page

    @property
    def needs_page(self) -> bool:
        """Whether the built front end and a browser must be there."""
        return self.may_hold(PAGE)

    def may_hold(self, folders: Sequence[str]) -> bool:
        """Whether a test in one of the folders may be among those that run."""
        if self.vitest and not self.pytest:
            return False
        paths = [word for word in self.pytest if word.split("/")[0] in TESTS]
        return not paths or any(_may_hold(path, folders) for path in paths)


def select(arguments: Sequence[str]) -> Selection:
    """Sort the arguments by test runner."""
    front = tuple(word for word in arguments if word.startswith(FRONT_END))
    rest = tuple(word for word in arguments if word not in front)
    return Selection(vitest=tuple(word.removeprefix(FRONT_END) for word in front), pytest=rest)


def _may_hold(path: str, folders: Sequence[str]) -> bool:
    """Whether a path lies in one of the folders, or one of the folders in it."""
    chosen = path.split("::")[0].rstrip("/")
    return any(
        f"{chosen}/".startswith(f"{folder}/") or f"{folder}/".startswith(f"{chosen}/")
        for folder in folders
    )
