"""Arrays of numpy with one or two dimensions, as tables. numpy itself computes the statistics."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from .facts import MAX_LOOKED_AT, numbers, python_facts, span
from .table import ColumnFacts, unique

NUMBERS, TIMES = "iuf", "mM"


def is_array(value: object) -> bool:
    """Return whether a value is an array of numpy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


class ArrayTable:
    """An array with at most two dimensions; a structured array has a column for each field."""

    has_more = False

    def __init__(self, array: Any) -> None:
        self.library = f"numpy array of {(array.dtype.kind in 'VO' and 'objects') or array.dtype}"
        self._fields: tuple[str, ...] = array.dtype.names or ()
        if self._fields:
            self.library = "structured numpy array"
            array = array.reshape(-1)
        elif array.ndim < 2:
            array = array.reshape(-1, 1)
        self._array = array
        self.rows = len(array)
        self.names = unique(self._fields or range(array.shape[1]))

    def section(
        self, start: int, stop: int, step: int = 1, columns: int | None = None
    ) -> ArraySection:
        rows, count = self._array[start:stop:step], len(self.names) if columns is None else columns
        if self._fields:
            cells = [rows[field] for field in self._fields[:count]]
        else:
            cells = [rows[:, n] for n in range(min(count, rows.shape[1]))]
        return ArraySection(self.names, cells, len(rows))


class ArraySection:
    """Some rows of an array, by column."""

    def __init__(self, names: Sequence[str], columns: Sequence[Any], rows: int) -> None:
        self._names = names
        self._columns = columns
        self._rows = rows

    def facts(self) -> list[ColumnFacts]:
        pairs = zip(self._names, self._columns, strict=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's, of infinities
            return [_facts(name, column) for name, column in pairs]

    def rows(self) -> Iterator[Sequence[Any]]:
        if not self._columns:
            return iter([()] * self._rows)
        return zip(*map(_values, self._columns), strict=True)


def _values(column: Any) -> list[Any]:
    if column.dtype.kind not in TIMES:
        values: list[Any] = column.tolist()
        return values
    texts = column.astype(str).tolist()  # as objects, times in nanoseconds would be integers
    return [None if text == "NaT" else text for text in texts]


def _facts(name: str, column: Any) -> ColumnFacts:
    kind, missing, words = column.dtype.kind, 0, ""
    if column.ndim == 1 and kind in (*NUMBERS, *TIMES):
        numpy: Any = sys.modules["numpy"]
        gaps = numpy.isnat(column) if kind in TIMES else numpy.isnan(column)
        missing, present = int(gaps.sum()), column[~gaps]
        if not len(present):
            words = "no values"
        elif kind in TIMES:
            words = span(str(present.min()), str(present.max()))
        else:
            words = numbers(present.min(), present.mean(), numpy.median(present), present.max())
    elif column.ndim == 1 and kind == "b":
        words = f"true {int(column.sum()):,}, false {int((~column).sum()):,}"
    else:
        missing, words = python_facts(column[:MAX_LOOKED_AT].tolist(), len(column))
    return ColumnFacts(name=name, type=str(column.dtype), missing=missing, values=words)
