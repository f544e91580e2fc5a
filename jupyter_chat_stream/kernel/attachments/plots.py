"""Figures of plotly: as PNG where kaleido can draw them, else as their data with a summary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...shared.errors import InvalidInput
from ...shared.sizes import size_in_words
from .content import PNG, Content
from .tables.cells import cut, short_text

MAX_TRACES = 20
MAX_VALUES = 1_000_000  # of all traces; a figure of more is not written as JSON
MAX_REASON_CHARS = 200
AXES = ("x", "y", "z", "lat", "lon", "r", "theta", "values", "labels")
INSTALL = (
    "Install kaleido (pip install kaleido) and Chrome, or attach the frame that the figure shows."
)


def plotly_content(figure: Any, name: str, max_bytes: int) -> Content:
    """Draw a figure of plotly, or write its data.

    Raises:
        InvalidInput: it cannot be drawn, and its data are too many to be sent.
    """
    try:
        return Content(name=f"{name}.png", type=PNG, data=figure.to_image(format="png", scale=2))
    except Exception as error:  # noqa: BLE001 - kaleido and its browser fail in many ways
        lines = str(error).split("\n")
        reason = cut(next((line.strip() for line in lines if line.strip()), ""), MAX_REASON_CHARS)
    count = sum(_length(trace[axis]) for trace, axis in _axes(figure))
    data = figure.to_json().encode() if count <= MAX_VALUES else None
    if data is None or len(data) > max_bytes:
        raise InvalidInput(
            f"The plotly figure cannot be drawn ({reason}), and its data are more than "
            f"{size_in_words(max_bytes)} or {MAX_VALUES:,} values. {INSTALL}",
            field="attachments",
        )
    return Content(
        name=f"{name}.json",
        type="application/json",
        data=data,
        summary=_summary(figure),
        warning=f"The plotly figure was sent as its data, not as a picture ({reason}). {INSTALL}",
    )


def _summary(figure: Any) -> str:
    layout = figure.layout
    lines = ["A plotly figure, by its data (it could not be drawn as a picture)."]
    for label, title in (
        ("Title", layout.title.text),
        ("x axis", layout.xaxis.title.text),
        ("y axis", layout.yaxis.title.text),
    ):
        if title:
            lines.append(f"{label}: {short_text(title)}.")
    for trace in figure.data[:MAX_TRACES]:
        name_text = f" {short_text(trace.name)}" if trace.name else ""
        axes = "; ".join(
            _axis(axis, trace[axis]) for owner, axis in _axes(figure) if owner is trace
        )
        lines.append(f"- {trace.type}{name_text}: {axes or 'no values'}")
    if len(figure.data) > MAX_TRACES:
        lines.append(f"{len(figure.data) - MAX_TRACES} more traces are left out here.")
    return "\n".join(lines)


def _axes(figure: Any) -> Iterator[tuple[Any, str]]:
    """List the axes of all traces that have values."""
    for trace in figure.data:
        for axis in AXES:
            if axis in trace and trace[axis] is not None and _length(trace[axis]):
                yield trace, axis


def _axis(axis: str, values: Any) -> str:
    ends = [short_text(value) for value in (values[0], values[len(values) - 1])]
    words = f"{axis} of {len(values):,} values, the first {ends[0]}, the last {ends[1]}"
    try:
        low, high = min(values), max(values)
    except (TypeError, ValueError):
        return words
    return f"{words}, from {short_text(low)} to {short_text(high)}"


def _length(values: Any) -> int:
    return len(values) if hasattr(values, "__len__") else 0
