"""Figures and images become pictures, by the libraries themselves."""

from __future__ import annotations

import base64
import gc
import io
import json
import weakref
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from matplotlib.figure import Figure
from PIL import Image

from jupyter_chat_stream.kernel.attachments import plots
from jupyter_chat_stream.kernel.attachments.convert import MAX_BYTES, content_of
from jupyter_chat_stream.shared.errors import InvalidInput, WrongCall

mpl.use("agg")


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def a_figure() -> Figure:
    figure = Figure(figsize=(4, 3), dpi=50)
    figure.subplots().plot([1, 3, 2])
    return figure


def test_a_figure_its_axes_and_an_array_of_axes_are_drawn_as_png() -> None:
    figure = a_figure()
    grid = Figure().subplots(2, 2)
    part = Figure().subfigures(1, 2)[0].subplots()
    for value in (figure, figure.axes[0], grid, part, pd.DataFrame({"a": [1, 2]}).plot()):
        content = content_of(value)
        assert (content.type, content.name[-4:], content.summary) == ("image/png", ".png", "")
        assert opened(content.data).format == "PNG"


def test_pyplot_itself_stands_for_its_current_figure() -> None:
    from matplotlib import pyplot

    pyplot.figure(figsize=(2, 2))
    try:
        assert opened(content_of(pyplot).data).format == "PNG"
    finally:
        pyplot.close("all")
    with pytest.raises(WrongCall, match=r"type module cannot be attached"):
        content_of(pyplot)


def test_a_huge_figure_is_drawn_with_a_bounded_number_of_pixels() -> None:
    figure = Figure(figsize=(100, 2), dpi=300)
    figure.subplots().plot([1, 2])
    assert max(opened(content_of(figure).data).size) <= 4200


def test_nothing_of_a_figure_or_a_frame_is_kept_alive() -> None:
    figure, frame = a_figure(), pd.DataFrame({"a": [1]})
    kept = [weakref.ref(figure), weakref.ref(frame)]
    contents = [content_of(figure), content_of(frame)]
    del figure, frame
    gc.collect()
    assert [ref() for ref in kept] == [None, None]
    assert all(content.data for content in contents)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "F", "I;16", "YCbCr"])
def test_an_image_of_pillow_is_png_whatever_its_mode(mode: str) -> None:
    image = Image.new(mode, (3, 2))
    again = opened(content_of(image).data)
    assert (again.format, again.size) == ("PNG", (3, 2))
    if mode in ("RGB", "RGBA", "L"):
        assert again.mode == mode


def test_an_image_too_large_as_png_becomes_jpeg() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (300, 300, 3), np.uint8)
    content = content_of(Image.fromarray(noise), 200_000)
    assert (content.type, content.name[-4:]) == ("image/jpeg", ".jpg")
    assert opened(content.data).format == "JPEG"
    assert len(content.data) <= 200_000


class _Shows:
    """An object that shows itself by one method of IPython's protocol."""


@pytest.mark.parametrize("form", ["bytes", "base64", "with metadata", "bundle"])
def test_what_shows_itself_as_png_is_attached_as_png(form: str) -> None:
    buffer = io.BytesIO()
    Image.new("L", (2, 2)).save(buffer, format="PNG")
    data = buffer.getvalue()
    encoded = base64.b64encode(data).decode()
    shown: Any = {
        "bytes": data,
        "base64": encoded,
        "with metadata": (data, {"width": 2}),
        "bundle": ({"image/png": encoded, "text/plain": "x"}, {}),
    }[form]
    method = "_repr_mimebundle_" if form == "bundle" else "_repr_png_"
    value = type("Shown", (_Shows,), {method: lambda self: shown})()
    content = content_of(value)
    assert (content.type, content.data) == ("image/png", data)


def test_an_object_that_cannot_draw_itself_names_its_own_error() -> None:
    def broken(self: object) -> None:
        raise ZeroDivisionError("no pixels")

    value = type("Broken", (), {"_repr_png_": broken})()
    with pytest.raises(InvalidInput, match=r"Broken cannot be drawn.*ZeroDivisionError: no pixels"):
        content_of(value)


def test_an_object_that_shows_text_only_is_refused_with_what_can_be_attached() -> None:
    shows = {"_repr_png_": lambda self: None, "_repr_html_": lambda self: "<b>"}
    value = type("Plain", (), shows)()
    with pytest.raises(WrongCall, match=r"type Plain cannot be attached.*frames .*figures"):
        content_of(value)


# ------------------------------------------------------------------ plotly


def a_plot() -> go.Figure:
    figure = go.Figure(go.Bar(x=["Q1", "Q2"], y=[3, 5], name="churn"))
    return figure.update_layout(title="Churn by quarter", xaxis_title="quarter")


def test_a_plotly_figure_is_a_picture_where_it_can_be_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[dict[str, Any]] = []

    def to_image(self: go.Figure, **options: Any) -> bytes:
        drawn.append(options)
        return b"\x89PNG\r\n\x1a\n"

    monkeypatch.setattr(go.Figure, "to_image", to_image)
    content = content_of(a_plot())
    assert (content.type, content.summary, content.warning) == ("image/png", "", "")
    assert drawn == [{"format": "png", "scale": 2}]


def test_without_kaleido_a_plotly_figure_is_sent_as_its_data_with_a_summary() -> None:
    content = content_of(a_plot())
    assert (content.type, content.name) == ("application/json", "figure.json")
    assert go.Figure(json.loads(content.data)) == a_plot()
    assert "Title: Churn by quarter." in content.summary
    assert (
        "- bar churn: x of 2 values, the first Q1, the last Q2, from Q1 to Q2; "
        "y of 2 values, the first 3, the last 5, from 3 to 5"
    ) in content.summary
    assert "pip install kaleido" in content.warning
    assert "as its data, not as a picture" in content.warning


def test_a_plotly_figure_of_very_many_values_is_refused_before_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(go.Figure, "to_json", lambda self: pytest.fail("it was written"))
    many = go.Figure(go.Scattergl(y=np.zeros(plots.MAX_VALUES + 1)))
    with pytest.raises(InvalidInput, match=r"Install kaleido.*or attach the frame"):
        content_of(many, MAX_BYTES)
