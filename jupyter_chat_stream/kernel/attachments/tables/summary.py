"""The text by which a model knows a table: its shape, its columns and some of its rows.

The text has at most ``MAX_CHARS`` characters, however long the cells and however many the columns
are; it tells what it leaves out. At most ``MAX_READ_CELLS`` cells are read, in rows that lie evenly
over the table, and the text tells that too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .cells import short_text
from .table import ColumnFacts, Table, step_for

MAX_COLUMNS = 60
MAX_CHARS = 12_000
COLUMN_CHARS = 6_000  # of the table of columns
ROW_CHARS = 5_000  # of the table of rows
ALL_ROWS, ALL_CELLS = 40, 600  # a table of at most as many is shown whole
ENDS_ROWS = 5  # rows shown of each end of a longer table

TextRow = Sequence[str]


def summary(table: Table, file_note: str = "") -> str:
    """Describe a table.

    Args:
        file_note: a sentence about the file that keeps the rows.
    """
    columns = min(len(table.names), MAX_COLUMNS)
    step = step_for(table.rows, columns)
    facts = table.section(0, table.rows, step, columns).facts()
    blocks = [
        _head(table, step, file_note),
        _columns(facts, len(table.names)),
        *_rows(table, columns),
    ]
    return "\n\n".join(block for block in blocks if block)


def quantity(number: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _head(table: Table, step: int, file_note: str) -> str:
    rows = quantity(table.rows, "row")
    lines = [f"{table.library}: {rows} × {quantity(len(table.names), 'column')}."]
    if table.has_more:
        lines = [
            f"{table.library}: {quantity(len(table.names), 'column')}. Only the first {rows} were "
            "read; there are more, and all that follows is about the rows that were read."
        ]
    if step > 1:
        sample = quantity(-(-table.rows // step), "row")
        lines.append(
            f"Missing values and statistics are of {sample} that lie evenly over the table."
        )
    return " ".join([*lines, file_note] if file_note else lines)


def _columns(facts: Sequence[ColumnFacts], count: int) -> str:
    if not facts:
        return ""
    head = ("column", "type", "missing", "values")
    lines = _within([*map(_fact_cells, facts)], COLUMN_CHARS)
    return "\n".join([*_grid(head, lines), *_left_out_note(count - len(lines))])


def _fact_cells(facts: ColumnFacts) -> TextRow:
    missing = "?" if facts.missing is None else f"{facts.missing:,}"
    return short_text(facts.name), facts.type, missing, facts.values


def _rows(table: Table, columns: int) -> list[str]:
    """Write some rows: all of a small table, else those of both ends."""
    if not columns or not table.rows:
        return []
    is_small = table.rows <= ALL_ROWS and table.rows * columns <= ALL_CELLS
    if is_small or table.rows <= 2 * ENDS_ROWS:
        title = "The only row:" if table.rows == 1 else f"All {table.rows} rows:"
        return [title, _row_table(table, columns, [(0, table.rows)])]
    ends = [(0, ENDS_ROWS), (table.rows - ENDS_ROWS, table.rows)]
    title = f"The first and the last {ENDS_ROWS} rows:"
    if table.has_more:
        ends, title = ends[:1], f"The first {ENDS_ROWS} rows:"
    return [title, _row_table(table, columns, ends)]


def _row_table(table: Table, columns: int, ranges: Iterable[tuple[int, int]]) -> str:
    numbered_rows: list[tuple[int, Sequence[Any]]] = []
    for start, stop in ranges:
        numbered_rows += enumerate(table.section(start, stop, 1, columns).rows(), start)
    by_row = [[str(number), *map(short_text, row)] for number, row in numbered_rows]
    head = ["row", *map(short_text, table.names[:columns])]
    by_column = [[name, *cells] for name, *cells in zip(head, *by_row, strict=True)]
    fitting_columns = _within(by_column, ROW_CHARS)
    head, *lines = map(list, zip(*fitting_columns, strict=True))
    left_out_count = len(table.names) - (len(fitting_columns) - 1)
    return "\n".join([*_grid(head, lines), *_left_out_note(left_out_count)])


def _within(lines: Sequence[TextRow], max_chars: int) -> Sequence[TextRow]:
    """Return the first lines that have at most ``max_chars`` characters with their borders."""
    remaining_chars = max_chars
    for n, line in enumerate(lines):
        remaining_chars -= sum(len(_escape(cell)) + 3 for cell in line)
        if remaining_chars < 0:
            return lines[: max(n, 1)]
    return lines


def _grid(head: TextRow, lines: Iterable[TextRow]) -> list[str]:
    return [_line(head), "|" + "---|" * len(head), *map(_line, lines)]


def _line(cells: TextRow) -> str:
    return f"| {' | '.join(map(_escape, cells))} |"


def _escape(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|")


def _left_out_note(columns: int) -> list[str]:
    return ["", f"{quantity(columns, 'more column')} left out here."] if columns > 0 else []
