"""The summary of a file that holds a table, so that a model knows it too.

No model reads Parquet, so pyarrow or polars is imported for it if it is installed. A long CSV file
is text that a model gets only the beginning of; it is described if polars or pandas is loaded. At
most ``MAX_READ_CELLS`` cells are read.
"""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Callable
from typing import Any

from ...shared.media_types import PARQUET
from .content import CSV
from .tables.frames import NarwhalsTable, frame_table
from .tables.summary import summary
from .tables.table import MAX_READ_CELLS, Table

LONG_CSV_BYTES = 100_000
BATCH_ROWS = 8_192


def file_summary(type: str, data: bytes) -> str:
    """Describe the table in a file; empty if a model reads the file itself, or nothing here can."""
    readers: tuple[tuple[str, Callable[[Any, bytes], Table]], ...] = ()
    if type == PARQUET:
        readers = (("pyarrow.parquet", _parquet_of_pyarrow), ("polars", _parquet_of_polars))
    elif type == CSV and len(data) > LONG_CSV_BYTES:
        readers = (("polars", _csv_of_polars), ("pandas", _csv_of_pandas))
        readers = tuple((name, read) for name, read in readers if name in sys.modules)
    for name, read in readers:
        try:
            table = read(importlib.import_module(name), data)
            return summary(table, "The attached file is the whole table." if table.has_more else "")
        except Exception:  # noqa: BLE001 - not installed, or the file is not what it is named
            continue
    return ""


def _parquet_of_pyarrow(parquet: Any, data: bytes) -> Table:
    import narwhals as nw

    file = parquet.ParquetFile(io.BytesIO(data))
    max_rows = max(1, MAX_READ_CELLS // max(1, len(file.schema_arrow)))
    batches: list[Any] = []
    for batch in file.iter_batches(batch_size=min(BATCH_ROWS, max_rows)):
        batches.append(batch)
        if sum(map(len, batches)) >= max_rows:
            break
    table = sys.modules["pyarrow"].Table.from_batches(batches, schema=file.schema_arrow)
    frame = nw.from_native(table.slice(0, max_rows), eager_only=True)
    has_more = file.metadata.num_rows > len(frame)
    return NarwhalsTable(frame, "Parquet file", has_more=has_more)


def _parquet_of_polars(polars: Any, data: bytes) -> Table:
    return _with_kind(frame_table(polars.scan_parquet(io.BytesIO(data))), "Parquet file")


def _csv_of_polars(polars: Any, data: bytes) -> Table:
    return _with_kind(frame_table(polars.scan_csv(io.BytesIO(data))), "CSV file")


def _csv_of_pandas(pandas: Any, data: bytes) -> Table:
    columns = len(pandas.read_csv(io.BytesIO(data), nrows=0).columns)
    max_rows = max(1, MAX_READ_CELLS // max(1, columns))
    frame = pandas.read_csv(io.BytesIO(data), nrows=max_rows + 1)
    table = frame_table(frame.head(max_rows))
    table.has_more = len(frame) > max_rows
    return _with_kind(table, "CSV file")


def _with_kind(table: Table, kind: str) -> Table:
    table.library = kind
    return table
