"""What a model reads of a table: true, short, and the same for every library."""

from __future__ import annotations

import datetime
import tracemalloc
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from jupyter_chat_stream.kernel.attachments.convert import content_of
from jupyter_chat_stream.kernel.attachments.tables import frames, summary, table
from jupyter_chat_stream.kernel.attachments.tables.frames import frame_table, is_frame

ROWS = {"n": [1, 2, None, 4], "s": ["a", "b", "a", None]}


def summary_of(value: object) -> str:
    return content_of(value).summary


FRAMES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: pd.DataFrame(ROWS),
    "polars": lambda: pl.DataFrame(ROWS),
    "pyarrow": lambda: pa.table(ROWS),
    "lazy polars": lambda: pl.LazyFrame(ROWS),
    "duckdb": lambda: duckdb.sql(
        "SELECT * FROM (VALUES (1, 'a'), (2, 'b'), (NULL, 'a'), (4, NULL)) AS rows(n, s)"
    ),
}


@pytest.mark.parametrize("library", FRAMES)
def test_a_frame_of_any_library_is_told_by_shape_types_gaps_statistics_and_rows(
    library: str,
) -> None:
    text = summary_of(FRAMES[library]())
    assert "4 rows × 2 columns" in text
    assert "| 1 | min 1, mean 2.33333, median 2, max 4 |" in text
    assert "| 1 | 2 distinct; most frequent “a” 2, “b” 1 |" in text
    rows = text.partition("All 4 rows:")[2]
    assert "| 0 | 1 | a |" in rows
    assert "| 2 |  | a |" in rows


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1, 2], name="price"),
        pl.Series("price", [1, 2]),
        pa.chunked_array([[1, 2]]),
        np.array([1, 2]),
    ],
    ids=["pandas", "polars", "pyarrow", "numpy"],
)
def test_a_series_is_a_table_of_one_column(series: object) -> None:
    text = summary_of(series)
    assert "2 rows × 1 column" in text
    assert "min 1, mean 1.5, median 1.5, max 2" in text


def test_the_labels_of_the_rows_are_columns() -> None:
    days = pd.date_range("2024-01-01", periods=2, tz="Europe/Zurich", name="day")
    text = summary_of(pd.DataFrame({"n": [1, 2]}, index=days))
    assert "2 rows × 2 columns" in text
    assert "| day | datetime64[" in text
    assert "from 2024-01-01 00:00:00+01:00 to 2024-01-02 00:00:00+01:00" in text
    levels = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["who", None])
    text = summary_of(pd.DataFrame({"n": [1, 2]}, index=levels))
    assert "| row | who | level 1 | n |" in text
    assert "| 1 | b | 2 | 2 |" in text


class _Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__

    def __len__(self) -> int:
        raise RuntimeError("no length")


ODD: dict[str, tuple[Callable[[], Any], str]] = {
    "empty": (pd.DataFrame, "0 rows × 0 columns"),
    "no rows": (lambda: pd.DataFrame({"a": []}), "no values"),
    "no columns": (lambda: pl.DataFrame(), "0 rows × 0 columns"),
    "only labels": (lambda: pd.DataFrame(index=["x", "y"]), "| index |"),
    "all missing": (lambda: pd.DataFrame({"a": [None, None]}), "| 2 | no values |"),
    "one name twice": (lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]), "| row | a | a (2) |"),
    "twice in arrow": (
        lambda: pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]),
        "| row | a | a (2) |",
    ),
    "names that are numbers": (lambda: pd.DataFrame([[1, 2]]), "| row | 0 | 1 |"),
    "levels of names": (
        lambda: pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_product([["a"], ["x", "y"]])),
        "| row | a / x | a / y |",
    ),
    "mixed": (lambda: pd.DataFrame({"o": [1, "x", {}, None]}), "int 1, str 1, dict 1"),
    "lists": (lambda: pd.DataFrame({"l": [[1], [1, 2], []]}), "list 3; lengths 0 to 2"),
    "nested": (lambda: pl.DataFrame({"l": [[1], [1, 2]]}), "lengths 1 to 2"),
    "structs": (lambda: pa.table({"s": [{"x": 1}, None]}), "{'x': 1}"),
    "categories": (lambda: pd.DataFrame({"c": pd.Categorical(["b", "a", "b"])}), "“b” 2, “a” 1"),
    "truth": (lambda: pl.DataFrame({"b": [True, None, False, True]}), "true 2, false 1"),
    "dates": (lambda: pl.DataFrame({"d": [datetime.date(2024, 1, 2)]}), "from 2024-01-02 to"),
    "periods": (lambda: pd.DataFrame({"p": pd.period_range("2024", periods=2)}), "period"),
    "complex": (lambda: pd.DataFrame({"z": [1 + 2j]}), "complex"),
    "infinite": (lambda: pd.DataFrame({"f": [float("inf"), -float("inf")]}), "min -inf"),
    "not numbers": (lambda: pl.DataFrame({"f": [float("nan"), 1.0, None]}), "| 2 | min 1"),
    "hostile": (lambda: pd.DataFrame({"h": [_Hostile()]}), "_Hostile"),
    "objects": (lambda: pl.DataFrame({"h": [_Hostile()]}), "_Hostile"),
    "bytes": (lambda: pl.DataFrame({"b": [b"abc"]}), "<3 bytes>"),
    "fields": (lambda: np.array([(1, b"x")], dtype=[("a", int), ("b", "S1")]), "| row | a | b |"),
    "scalar": (lambda: np.array(5), "1 row × 1 column"),
    "objects in an array": (lambda: np.array([1, "x"], dtype=object), "int 1, str 1"),
    "times in an array": (
        lambda: np.array(["2024-01-01T12", "NaT"], "M8[ns]"),
        "| 1 | from 2024-01-01T12:00:00.000000000 to 2024-01-01T12:00:00.000000000 |",
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_table_has_a_sensible_summary(kind: str) -> None:
    make, words = ODD[kind]
    assert words in summary_of(make())


def test_a_long_cell_a_wide_table_and_an_odd_name_stay_within_the_bound() -> None:
    wide = pd.DataFrame(
        [["x" * 10_000] * 500] * 50, columns=["c" * 1000 + str(n) for n in range(500)]
    )
    text = summary_of(wide)
    assert len(text) <= summary.MAX_CHARS
    assert "50 rows × 500 columns" in text
    left_out = [line for line in text.splitlines() if "left out here" in line]
    assert len(left_out) == 2  # of the columns' table, and of the rows'
    shown = sum(line.startswith("| ccc") for line in text.splitlines())
    assert left_out[0] == f"{500 - shown} more columns left out here."


def test_a_cell_cannot_break_the_table() -> None:
    text = summary_of(pd.DataFrame({"a|b": ["one | two\nthree\\"]}))
    assert r"| a\|b | " in text
    assert r"| 0 | one \| two three\\ |" in text


def test_a_small_table_is_shown_whole_and_a_longer_one_by_both_ends() -> None:
    assert "All 40 rows:" in summary_of(pd.DataFrame({"a": range(40)}))
    text = summary_of(pd.DataFrame({"a": range(41)}))
    assert "The first and the last 5 rows:" in text
    assert "| 4 | 4 |\n| 36 | 36 |" in text


def test_of_ten_million_rows_a_named_part_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the bound of time: what is read does not grow with the table."""
    read: list[int] = []
    section = frames.PandasTable.section

    def counted(self: Any, *args: Any) -> Any:
        found = section(self, *args)
        read.append(len(found.frame))
        return found

    monkeypatch.setattr(frames.PandasTable, "section", counted)
    count = 10_000_000
    frame = pd.DataFrame({"a": np.arange(count), "b": np.zeros(count, "i1")})
    tracemalloc.start()
    try:
        text = summary.summary(frame_table(frame))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "10,000,000 rows × 2 columns" in text
    assert "statistics are of 1,000,000 rows that lie evenly over the table" in text
    assert read == [1_000_000, 5, 5]
    assert sum(read) * 2 <= table.MAX_READ_CELLS + 20
    assert peak < 50_000_000  # the frame itself has 90 MB


def test_a_lazy_frame_is_read_to_a_bound_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_READ_CELLS", 1000)
    content = content_of(pl.LazyFrame({"a": range(5000), "b": range(5000)}))
    assert "Only the first 500 rows were read; there are more" in content.summary
    assert "The first 5 rows:" in content.summary
    assert "only its first 500 rows" in content.warning
    exact = content_of(pl.LazyFrame({"a": range(500), "b": range(500)}))
    assert "500 rows × 2 columns" in exact.summary
    assert exact.warning == ""


def test_the_frame_is_left_as_it_was() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"], index=pd.Index([7], name=3))
    before = frame.copy()
    content_of(frame)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("value", [pd.DataFrame, [1], {"a": 1}, 5, "df", object()])
def test_what_is_no_frame_is_not_taken_for_one(value: object) -> None:
    assert not is_frame(value)
