"""Looks for secrets in a Parquet file, whose compressed bytes do not show its texts."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Callable, Iterator
from typing import Any


def holds_secret(data: bytes, conceal: Callable[[str], str]) -> bool:
    """Return whether a Parquet file contains a text that must not leave the kernel."""
    return any(conceal(text) != text for text in _texts(data))


def _texts(data: bytes) -> Iterator[str]:
    """Yield the different texts of each column; for a nested value, its ``repr``."""
    if "pyarrow" in sys.modules:
        parquet: Any = importlib.import_module("pyarrow.parquet")
        types: Any = importlib.import_module("pyarrow.types")
        for batch in parquet.ParquetFile(io.BytesIO(data)).iter_batches():
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                yield name
                if types.is_string(column.type) or types.is_large_string(column.type):
                    yield _join(column.unique().to_pylist())
                elif not types.is_primitive(column.type):
                    yield _join(map(_plain, column.to_pylist()))
        return
    polars: Any = importlib.import_module("polars")
    for column in polars.read_parquet(io.BytesIO(data)).get_columns():
        yield column.name
        if column.dtype == polars.String:
            yield _join(column.unique().to_list())
        elif not column.dtype.is_numeric():
            yield _join(map(_plain, column.to_list()))


def _join(values: Any) -> str:
    return "\n".join(str(value) for value in values if value is not None)


def _plain(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
