"""The file that keeps a table's rows: Parquet where it can be written, else CSV.

A file has at most so many bytes and ``MAX_CELLS`` cells: a larger table is kept as its first rows.
Rows are converted in chunks, so the memory is that of the file and one chunk. pyarrow is used where
it is loaded already (pandas loads it), and polars by its own writer.
"""

from __future__ import annotations

import csv
import importlib
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ....shared.media_types import PARQUET
from ..content import CSV
from .cells import exact_text
from .frames import NarwhalsTable, PandasTable
from .table import Table, step_for

MAX_CELLS = 10_000_000
SCHEMA_CELLS = 200_000
FIRST_CHUNK_ROWS = 256
LAST_CHUNK_ROWS = 65_536
GROWING_BYTES = 1_000_000  # chunks grow while their bytes in the file are fewer
FOOTER_BYTES = 200  # of one column in one chunk, in the file's last part
MAX_PARQUET_COLUMNS = 1000  # with more, that part would be larger than the rows
CSV_CHUNK_CELLS = 200_000
TRIES = 4  # how often a file that came out too large is written with fewer rows


@dataclass(frozen=True, kw_only=True)
class KeptRows:
    """The bytes of a file, and how many rows of the table it has."""

    data: bytes = field(repr=False)
    rows: int
    type: str
    ending: str


def keep_rows(table: Table, max_bytes: int) -> KeptRows:
    """Write the table, or its first rows, into a file of at most ``max_bytes``."""
    rows = min(table.rows, max(1, MAX_CELLS // max(1, len(table.names))))
    for write in (_parquet, _polars_parquet):
        try:
            result = write(table, rows, max_bytes)
        except Exception:  # noqa: BLE001 - whatever Parquet does not take, CSV does
            result = None
        if result is not None:
            data, count = result
            return KeptRows(data=data, rows=count, type=PARQUET, ending=".parquet")
    data, count = _csv(table, rows, max_bytes)
    return KeptRows(data=data, rows=count, type=CSV, ending=".csv")


# ------------------------------------------------------------------ Parquet


def _parquet(table: Table, rows: int, max_bytes: int) -> tuple[bytes, int] | None:
    """Write by pyarrow; None if pyarrow is not loaded, or if the rows do not fit."""
    if "pyarrow" not in sys.modules or not 0 < len(table.names) <= MAX_PARQUET_COLUMNS:
        return None
    chunk_of = _arrow_chunks(table, rows)
    if chunk_of is None:
        return None
    for _ in range(TRIES):
        buffer = io.BytesIO()
        written_rows, fitting_rows = _write_chunks(chunk_of, buffer, rows, max_bytes)
        if buffer.tell() <= max_bytes:
            return buffer.getvalue(), written_rows
        rows = fitting_rows if fitting_rows < written_rows else written_rows * 9 // 10
    return None


def _write_chunks(
    chunk_of: Callable[[int, int], Any], buffer: io.BytesIO, rows: int, max_bytes: int
) -> tuple[int, int]:
    """Write rows until the file is full; return how many were written, and how many fitted.

    The size of the next chunk is guessed from the last one, so they seldom differ.
    """
    parquet: Any = importlib.import_module("pyarrow.parquet")
    start, size, previous_end, chunks = 0, FIRST_CHUNK_ROWS, 0, 0
    chunk = chunk_of(0, min(size, rows))
    with parquet.ParquetWriter(buffer, chunk.schema, compression="zstd") as writer:
        while True:
            writer.write_table(chunk)
            chunks += 1
            end, after = buffer.tell(), start + len(chunk)
            if end > max_bytes:
                return after, start
            if after >= rows:
                return after, after
            if end - previous_end < GROWING_BYTES:
                size = min(2 * size, LAST_CHUNK_ROWS)
            footer = FOOTER_BYTES * len(chunk.schema) * (chunks + 1)
            fitting_rows = (
                (max_bytes - end - footer) / max(1, end - previous_end) * len(chunk) * 0.95
            )
            if fitting_rows < FIRST_CHUNK_ROWS:
                return after, after
            start, previous_end = after, end
            chunk = chunk_of(start, min(start + min(size, int(fitting_rows)), rows))


def _arrow_chunks(table: Table, rows: int) -> Callable[[int, int], Any] | None:
    """Return a function that converts some rows to a table of pyarrow."""
    pyarrow: Any = sys.modules["pyarrow"]
    if isinstance(table, PandasTable) and table.root == "pandas":
        # One schema for all chunks, of rows that lie evenly over the table: the first rows may have
        # only missing values in some column. A chunk that does not fit it makes the file CSV.
        step = step_for(rows, len(table.names), SCHEMA_CELLS)
        schema = pyarrow.Schema.from_pandas(table.exact(0, rows, step))
        from_pandas: Any = pyarrow.Table.from_pandas
        return lambda start, stop: from_pandas(table.exact(start, stop), schema=schema)
    if isinstance(table, PandasTable):
        return lambda start, stop: table.section(start, stop).frame.to_arrow()
    if isinstance(table, NarwhalsTable) and not table.frame.implementation.is_polars():
        return lambda start, stop: table.frame[start:stop].to_arrow()
    return None


def _polars_parquet(table: Table, rows: int, max_bytes: int) -> tuple[bytes, int] | None:
    if not isinstance(table, NarwhalsTable) or not table.frame.implementation.is_polars():
        return None
    frame: Any = table.frame.to_native()
    if not table.names or any(str(dtype) == "Object" for dtype in frame.dtypes):
        return None
    head = frame.head(rows)
    # Parquet is seldom four times smaller than polars' own memory: that much is tried first.
    rows = min(rows, int(rows * min(1.0, 4 * max_bytes / max(1, head.estimated_size()))))
    for _ in range(TRIES):
        buffer = io.BytesIO()
        head.head(rows).write_parquet(buffer)
        if buffer.tell() <= max_bytes:
            return buffer.getvalue(), rows
        rows = int(rows * 0.9 * max_bytes / buffer.tell())
    return None


# ------------------------------------------------------------------ CSV


class _Full(Exception):
    """The next line does not fit."""


class _Lines:
    """The lines of a file of at most ``max_bytes`` bytes."""

    def __init__(self, max_bytes: int) -> None:
        self.buffer = io.BytesIO()
        self._max_bytes = max_bytes

    def write(self, line: str) -> None:
        # The server takes texts without U+0000, and UTF-8 has no lone surrogates.
        data = line.replace("\0", "\ufffd").encode(errors="replace")
        if self.buffer.tell() + len(data) > self._max_bytes:
            raise _Full
        self.buffer.write(data)


def _csv(table: Table, rows: int, max_bytes: int) -> tuple[bytes, int]:
    lines = _Lines(max_bytes)
    writer = csv.writer(lines, lineterminator="\n")
    row_count = 0
    try:
        writer.writerow(table.names)
        for row in _all_rows(table, rows):
            writer.writerow(map(exact_text, row))
            row_count += 1
    except _Full:
        pass
    return lines.buffer.getvalue(), row_count


def _all_rows(table: Table, rows: int) -> Iterator[Any]:
    size = max(1, CSV_CHUNK_CELLS // max(1, len(table.names)))
    for start in range(0, rows, size):
        yield from table.section(start, min(start + size, rows)).rows()
