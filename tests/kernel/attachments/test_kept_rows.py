"""The file that keeps a table's rows: exact, and bounded."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jupyter_chat_stream.kernel.attachments.convert import content_of
from jupyter_chat_stream.kernel.attachments.tables import kept_rows

PARQUET = "application/vnd.apache.parquet"
MOST = 200_000


def read(data: bytes) -> Any:
    return pd.read_parquet(io.BytesIO(data))


def test_a_frame_of_pandas_comes_back_exactly_with_its_index() -> None:
    frame = pd.DataFrame(
        {
            "n": [1.5, None],
            "c": pd.Categorical(["a", "b"]),
            "when": pd.date_range("2024", periods=2, tz="Europe/Zurich"),
            "l": [[1], [2, 3]],
        },
        index=pd.Index(["x", "y"], name="who"),
    )
    content = content_of(frame)
    assert content.type == PARQUET
    again = read(content.data)
    again["l"] = again["l"].map(list)
    pd.testing.assert_frame_equal(again, frame)


def test_frames_of_polars_and_pyarrow_come_back_exactly() -> None:
    frame = pl.DataFrame({"n": [1, None], "l": [[1], [2, 3]], "s": ["a", None]})
    assert pl.read_parquet(io.BytesIO(content_of(frame).data)).equals(frame)
    table = pa.table({"n": [1, None], "s": [{"x": 1}, None]})
    assert pq.read_table(io.BytesIO(content_of(table).data)).equals(table)


def test_a_name_that_comes_twice_gets_a_number_in_the_file() -> None:
    assert list(read(content_of(pd.DataFrame([[1, 2]], columns=["a", "a"])).data)) == ["a", "a (2)"]


@pytest.mark.parametrize(
    ("frame", "lines"),
    [
        (
            pd.DataFrame({"o": [1, "x, y", [1, "ä"], None]}),
            ["o", "1", '"x, y"', '"[1, ""ä""]"', '""'],
        ),
        (pd.DataFrame({"z": [1 + 2j]}), ["z", "(1+2j)"]),
        (pl.DataFrame({"o": [object]}, schema={"o": pl.Object}), ["o", "<class 'object'>"]),
        (np.array([[0.1, np.nan], [2, 1e300]]), ["0,1", "0.1,", "2.0,1e+300"]),
        (np.array(["2024-01-01", "NaT"], "M8[ns]"), ["0", "2024-01-01T00:00:00.000000000", '""']),
        (pd.DataFrame({"o": [1, "a\0b\ud800"]}), ["o", "1", "a\ufffdb?"]),
    ],
    ids=["mixed", "complex", "objects", "array", "times", "no UTF-8"],
)
def test_what_parquet_does_not_take_is_kept_as_csv(frame: Any, lines: list[str]) -> None:
    content = content_of(frame)
    assert content.type == "text/csv"
    assert content.data.decode().splitlines() == lines


def test_without_pyarrow_pandas_is_kept_as_csv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pyarrow")
    content = content_of(pd.DataFrame({"a": [1, 2]}, index=pd.Index([5, 6], name="k")))
    assert content.data == b"k,a\n5,1\n6,2\n"


def _noise(rows: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {"a": rng.random(rows), "b": rng.integers(0, 1 << 60, rows)}


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(_noise(100_000)),
        pl.DataFrame(_noise(100_000)),
        pa.table(_noise(100_000)),
        np.column_stack([*_noise(100_000).values()]),
        pd.DataFrame({"o": [1, "x" * 50] * 50_000}),
    ],
    ids=["pandas", "polars", "pyarrow", "numpy", "csv"],
)
def test_a_larger_frame_is_kept_as_its_first_rows_and_says_so(frame: Any) -> None:
    content = content_of(frame, MOST)
    assert MOST * 0.7 < len(content.data) <= MOST
    kept = read(content.data) if content.type == PARQUET else pd.read_csv(io.BytesIO(content.data))
    words = f"only its first {len(kept):,} rows"
    assert words in content.summary
    assert words in content.warning
    assert content.name in content.warning
    if content.type == PARQUET:
        first = pd.DataFrame(_noise(100_000)).head(len(kept))
        pd.testing.assert_frame_equal(kept, first, check_dtype=False)


def test_a_frame_that_suddenly_compresses_worse_still_fits() -> None:
    """Guards the guess of a chunk's size: the file is written again with fewer rows."""
    values = np.zeros(400_000)
    values[70_000:] = np.random.default_rng(1).random(330_000)
    content = content_of(pd.DataFrame({"a": values}), MOST)
    assert len(content.data) <= MOST
    kept = read(content.data)["a"].to_numpy()
    assert len(kept) > 30_000
    assert (kept == values[: len(kept)]).all()


def test_a_column_that_is_missing_at_first_keeps_its_type() -> None:
    values = pd.Series([None] * 2000 + ["late"] * 2000, dtype=object)
    content = content_of(pd.DataFrame({"a": values}))
    assert content.type == PARQUET
    assert read(content.data)["a"].tolist()[-1] == "late"


def test_few_cells_of_a_huge_frame_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the bound of time for rows that take almost no bytes."""
    monkeypatch.setattr(kept_rows, "MAX_CELLS", 10_000)
    content = content_of(pd.DataFrame({"a": np.zeros(1_000_000), "b": 1}))
    assert len(read(content.data)) == 5_000
    assert "only its first 5,000 rows" in content.summary


def test_a_frame_with_very_many_columns_is_kept_as_csv() -> None:
    content = content_of(pd.DataFrame(np.ones((3, 1001))))
    assert content.type == "text/csv"
    assert content.data.count(b"\n") == 4
