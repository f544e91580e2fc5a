"""Frames and series of pandas, polars, pyarrow and all else that narwhals reads, as tables.

A library is asked only for slices. A lazy frame is read to its first ``MAX_READ_CELLS`` cells, and
no further. Labels of rows (an index that is not 0, 1, 2 …) are the first columns. narwhals wants
each column's name once and as a text, so the columns of a slice are renamed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .facts import column_facts
from .table import MAX_READ_CELLS, ColumnFacts, Table, unique

if TYPE_CHECKING:
    import narwhals as nw

PANDAS_LIKE = ("pandas", "modin", "cudf")
LIBRARIES = (
    *PANDAS_LIKE,
    *("polars", "pyarrow", "duckdb", "_duckdb", "dask", "ibis", "pyspark", "sqlframe", "narwhals"),
)
_PROTOCOL = ("__narwhals_dataframe__", "__narwhals_lazyframe__")


def is_frame(value: object) -> bool:
    """Return whether a value is a frame or a series of a library that we read."""
    if isinstance(value, type):
        return False
    roots = {cls.__module__.partition(".")[0] for cls in type(value).__mro__}
    if "pyarrow" in roots:
        return hasattr(type(value), "column_names") or hasattr(type(value), "chunks")
    if roots & set(LIBRARIES):
        return any(
            hasattr(type(value), attribute) for attribute in ("columns", "to_frame", "schema")
        )
    return any(hasattr(type(value), attribute) for attribute in _PROTOCOL)


def frame_table(value: Any) -> Table:
    """Read a frame or a series as a table; nothing is copied yet, but of a lazy frame."""
    root = _root(value)
    if root in PANDAS_LIKE:
        return PandasTable(value if hasattr(value, "columns") else value.to_frame())
    import narwhals as nw

    if root == "pyarrow" and hasattr(value, "rename_columns"):
        value = value.rename_columns(unique(value.column_names))
    frame: Any = nw.from_native(value, allow_series=True)
    if isinstance(frame, nw.Series):
        return NarwhalsTable(frame.to_frame(), f"{root} Series")
    if isinstance(frame, nw.LazyFrame):
        return _first_rows(frame, root)
    return NarwhalsTable(frame, f"{root} {type(value).__name__}")


def _first_rows(lazy: nw.LazyFrame[Any], root: str) -> Table:
    columns = len(lazy.collect_schema().names())
    max_rows = max(1, MAX_READ_CELLS // max(1, columns))
    rows = lazy.head(max_rows + 1).collect()
    has_more = len(rows) > max_rows
    return NarwhalsTable(rows.head(max_rows), f"lazy frame of {root}", has_more=has_more)


class NarwhalsTable:
    """A table that narwhals reads."""

    def __init__(self, frame: nw.DataFrame[Any], library: str, *, has_more: bool = False) -> None:
        self.frame = frame
        self.library = library
        self.rows = len(frame)
        self.names = frame.columns
        self.has_more = has_more

    def section(
        self, start: int, stop: int, step: int = 1, columns: int | None = None
    ) -> FrameSection:
        frame = self.frame[start:stop]
        if columns is not None and columns < len(self.names):
            frame = frame.select(*self.names[:columns])
        return FrameSection(frame.gather_every(step) if step > 1 else frame)


class PandasTable:
    """A table of pandas, or of a library that is used like it."""

    has_more = False

    def __init__(self, frame: Any) -> None:
        self.frame = frame
        self.root = _root(frame)
        self.library = f"{self.root} DataFrame"
        self.rows = len(frame)
        self._labels = _labels(frame.index)
        self.names = unique([*self._labels, *frame.columns])

    def section(
        self, start: int, stop: int, step: int = 1, columns: int | None = None
    ) -> FrameSection:
        import narwhals as nw

        labels = len(self._labels)
        columns = len(self.names) if columns is None else columns
        # The rows first: pandas 2 would copy the whole frame for both at once.
        frame = self.frame.iloc[start:stop:step]
        frame = frame.iloc[:, : max(0, columns - labels)].copy(deep=False)
        frame.columns = self.names[labels : labels + frame.shape[1]]
        index = frame.index
        frame = frame.reset_index(drop=True)
        for n in range(labels):
            frame.insert(n, self.names[n], index.get_level_values(n))
        return FrameSection(nw.from_native(frame, eager_only=True))

    def exact(self, start: int, stop: int, step: int = 1) -> Any:
        """Return some rows of the frame with its index, under names that a file can have."""
        frame = self.frame.iloc[start:stop:step].copy(deep=False)
        labels = len(self._labels)
        frame.columns = self.names[labels:]
        pairs = zip(frame.index.names, self.names, strict=False)
        names = (
            [None if old_name is None else name for old_name, name in pairs] if labels else [None]
        )
        frame.index = frame.index.set_names(names)
        return frame


class FrameSection:
    """Some rows of a frame."""

    def __init__(self, frame: nw.DataFrame[Any]) -> None:
        self.frame = frame

    def facts(self) -> list[ColumnFacts]:
        return [column_facts(self.frame[name], self._type(name)) for name in self.frame.columns]

    def rows(self) -> Iterator[Sequence[Any]]:
        if not self.frame.columns:
            return iter([()] * len(self.frame))
        return iter(self.frame.iter_rows())

    def _type(self, name: str) -> str:
        native = self.frame[name].to_native()
        for attribute in ("dtype", "type"):
            if hasattr(native, attribute):
                return str(getattr(native, attribute))
        return str(self.frame[name].dtype)


def _root(value: object) -> str:
    """Return the library of a value's class, or of the class that it derives from."""
    for cls in type(value).__mro__:
        root = cls.__module__.partition(".")[0].lstrip("_")
        if root in LIBRARIES:
            return root
    return type(value).__module__.partition(".")[0]


def _labels(index: Any) -> list[object]:
    """Return the names of the levels of an index; none for the default index."""
    is_range = type(index).__name__ == "RangeIndex"
    if is_range and index.start == 0 and index.step == 1 and index.name is None:
        return []
    if index.nlevels == 1:
        return ["index" if index.name is None else index.name]
    return [f"level {n}" if name is None else name for n, name in enumerate(index.names)]
