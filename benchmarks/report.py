"""Tables for a person: ratios first, and the machine without names or paths."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).with_name("results.md")
PACKAGES = ("anthropic", "openai", "jupyter-server", "sqlalchemy", "sqlmodel", "tornado")
HEAD = """# Measured

`python -m benchmarks [names] [--quick]` writes this page; each section is one benchmark, and both
sides of every ratio come from the same run. Trust ratios and orders, not single absolute times.
"""


@dataclass(frozen=True, kw_only=True)
class Section:
    """What one benchmark found. ``rows`` are cells as shown, the first row is the heading."""

    name: str
    title: str
    goal: str
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """Return the section as a piece of the page."""
        head, *body = self.rows
        table = [_line(head), _line(["---", *["---:"] * (len(head) - 1)]), *map(_line, body)]
        notes = [f"- {note}" for note in self.notes]
        parts = [f"## {self.name}: {self.title}", f"Goal: {self.goal}", "\n".join(table)]
        return "\n\n".join([*parts, *(["\n".join(notes)] if notes else []), machine()]) + "\n"


def machine() -> str:
    """Return what this ran on, naming neither host nor user nor path."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"*{os.cpu_count()} shared cores, {platform.system()} {platform.machine()}, "
        f"load average {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {packages}*"
    )


def write(sections: Iterable[Section], path: Path = RESULTS) -> None:
    """Replace these sections on the page, and keep the others."""
    known = _sections(path.read_text("utf-8")) if path.exists() else {}
    known.update((section.name, section.markdown()) for section in sections)
    path.write_text("\n".join([HEAD, *(known[name] for name in sorted(known))]), "utf-8")


def _sections(text: str) -> dict[str, str]:
    found = re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]
    return {part[3:].split(":")[0]: part.rstrip("\n") + "\n" for part in found}


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ms(value_s: float) -> str:
    """Show a time in ms."""
    value = value_s * 1000
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def times(value: float) -> str:
    """Show a ratio."""
    return f"**{value:.2f}×**" if value < 10 else f"**{value:.0f}×**"
