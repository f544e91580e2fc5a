"""Statistics of one column, in words.

Vectorised where the library can do it. Of values that only Python can read, at most
``MAX_LOOKED_AT`` are read, and the words tell so.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .cells import cut, is_missing, short_text
from .table import ColumnFacts

if TYPE_CHECKING:
    import narwhals as nw

MAX_LOOKED_AT = 10_000
MAX_TYPE_CHARS = 40
MAX_COMMON_CHARS = 30
COMMON = 3


def column_facts(column: nw.Series[Any], native_type: str) -> ColumnFacts:
    """Describe one column. A column of a kind that nobody foresaw has no statistics."""
    missing: int | None = None
    words = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of means of infinities, of classes of the user's
        try:
            column = _without_nan(column)
            missing = int(column.null_count())
            words = _words(column)
        except Exception:  # noqa: BLE001 - libraries raise their own errors for odd types
            words = words or _describe(column)
    return ColumnFacts(
        name=column.name, type=cut(native_type, MAX_TYPE_CHARS), missing=missing, values=words
    )


def _without_nan(column: nw.Series[Any]) -> nw.Series[Any]:
    return column.fill_nan(None) if column.dtype.is_float() else column


def _words(column: nw.Series[Any]) -> str:
    import narwhals as nw

    dtype, present = column.dtype, column.drop_nulls()
    if present.len() == 0:
        return "no values"
    if dtype == nw.Boolean:
        true = int(present.sum())
        return f"true {true:,}, false {present.len() - true:,}"
    if dtype.is_numeric():
        return numbers(present.min(), present.mean(), present.median(), present.max())
    if dtype.is_temporal():
        return span(present.min(), present.max())
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        counts = present.value_counts(sort=True)
        common = [(value, int(count)) for value, count in counts.head(COMMON).iter_rows()]
        return commonest(common, counts.shape[0], present.len())
    return _describe(column)


def _describe(column: nw.Series[Any]) -> str:
    try:
        return python_facts(column.head(MAX_LOOKED_AT).to_list(), column.len())[1]
    except Exception:  # noqa: BLE001 - a column that cannot even be listed
        return ""


def numbers(minimum: Any, mean: Any, median: Any, maximum: Any) -> str:
    statistics = {"min": minimum, "mean": mean, "median": median, "max": maximum}
    return ", ".join(f"{name} {short_text(_plain(value))}" for name, value in statistics.items())


def span(first: Any, last: Any) -> str:
    return f"from {short_text(first)} to {short_text(last)}"


def commonest(common: Sequence[tuple[Any, int]], distinct: int, present: int) -> str:
    if distinct == present and present > 1:
        return f"all {distinct:,} distinct, such as {_quote(common[0][0])}"
    frequent_values = ", ".join(f"{_quote(value)} {count:,}" for value, count in common)
    return f"{distinct:,} distinct; most frequent {frequent_values}"


def python_facts(values: Iterable[Any], count: int) -> tuple[int, str]:
    """Return how many values are missing, and what classes the others have.

    Args:
        values: at most ``MAX_LOOKED_AT`` values.
        count: the number of all values.
    """
    sample = list(values)
    present = [value for value in sample if not is_missing(value)]
    classes = Counter(type(value).__name__ for value in present)
    words = ", ".join(f"{cut(name, 30)} {n:,}" for name, n in classes.most_common(COMMON))
    if len(classes) > COMMON:
        words += f", {len(classes) - COMMON} more classes"
    lengths = [len(value) for value in present if _is_sized(value)]
    if lengths and len(lengths) == len(present):
        words += f"; lengths {min(lengths):,} to {max(lengths):,}"
    if len(sample) < count:
        words = f"of the first {len(sample):,}: {words}"
    return len(sample) - len(present), words or "no values"


def _is_sized(value: Any) -> bool:
    try:
        len(value)
    except Exception:  # noqa: BLE001 - a class of the user's
        return False
    return True


def _quote(value: Any) -> str:
    return f"“{cut(short_text(value), MAX_COMMON_CHARS)}”"


def _plain(value: Any) -> Any:
    """Return a number of any library as Python's own, so that it is written in one form."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, int | str):
        return value
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return value
