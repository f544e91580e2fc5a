"""The interface of a table for its summary and its file; each library has its own class.

Nothing here copies a whole table: a ``Section`` is a slice of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .cells import own_text

MAX_READ_CELLS = 2_000_000  # of one table, for its statistics


@dataclass(frozen=True, kw_only=True)
class ColumnFacts:
    """The facts of one column in a summary."""

    name: str
    type: str
    missing: int | None
    """The number of missing values; None if it is not known."""
    values: str
    """A few statistics, in words."""


class Section(Protocol):
    """Some rows and columns of a table."""

    def facts(self) -> list[ColumnFacts]: ...

    def rows(self) -> Iterator[Sequence[Any]]: ...


class Table(Protocol):
    """A table of any library."""

    library: str
    """The name of its type for people, such as ``pandas DataFrame``."""
    rows: int
    names: list[str]
    """The columns' names: texts, each of them once."""
    has_more: bool
    """Whether there are rows after ``rows`` that were not read, as in a lazy frame."""

    def section(
        self, start: int, stop: int, step: int = 1, columns: int | None = None
    ) -> Section: ...


def step_for(rows: int, columns: int, cells: int = MAX_READ_CELLS) -> int:
    """Return which rows are read for statistics: every so many, so that all cells are ``cells``."""
    max_rows = max(1, cells // max(1, columns))
    return max(1, -(-rows // max_rows))


def unique(names: Iterable[object]) -> list[str]:
    """Return the names as texts, with a number after those that come again."""
    texts: list[str] = []
    repeats: Counter[str] = Counter()
    used_texts: set[str] = set()
    for name in names:
        text = " / ".join(map(own_text, name)) if isinstance(name, tuple) else own_text(name)
        unique_text = text
        while unique_text in used_texts:
            repeats[text] += 1
            unique_text = f"{text} ({repeats[text] + 1})"
        used_texts.add(unique_text)
        texts.append(unique_text)
    return texts
