"""Figures and images as attachments: PNG, drawn in the caller's thread.

A library is looked for among the loaded modules only: an object of it cannot exist otherwise.
"""

from __future__ import annotations

import base64
import io
import sys
from typing import Any

from ...shared.errors import InvalidInput
from .content import JPEG, PNG, Content
from .plots import plotly_content

MAX_SIDE_PX = 4000  # no model reads a finer picture
SHOWN_BY = ("_repr_png_", "_repr_jpeg_")


def picture_content(value: Any, name: str, max_bytes: int) -> Content | None:
    """Draw a figure or an image; None if the value is neither."""
    if isinstance(value, type):
        return None
    figure = matplotlib_figure(value)
    if figure is not None:
        return _png(name, _draw(figure))
    plotly = sys.modules.get("plotly.basedatatypes")
    if plotly is not None and isinstance(value, plotly.BaseFigure):
        return plotly_content(value, name, max_bytes)
    pillow = sys.modules.get("PIL.Image")
    if pillow is not None and isinstance(value, pillow.Image):
        return _of_pillow(value, name, max_bytes)
    return _displayed_content(value, name)


def shows_picture(value: Any) -> bool:
    """Return whether a value is a figure or an image, or shows itself as one in a notebook."""
    if isinstance(value, type):
        return False
    plotly, pillow = sys.modules.get("plotly.basedatatypes"), sys.modules.get("PIL.Image")
    return (
        matplotlib_figure(value) is not None
        or (pillow is not None and isinstance(value, pillow.Image))
        or (plotly is not None and isinstance(value, plotly.BaseFigure))
        or any(callable(getattr(type(value), name, None)) for name in SHOWN_BY)
    )


def matplotlib_figure(value: Any) -> Any:
    """Return the figure of a figure, of axes, of an array of axes, of pyplot itself, or None."""
    module = sys.modules.get("matplotlib.figure")
    if module is None:
        return None
    pyplot = sys.modules.get("matplotlib.pyplot")
    if value is pyplot and pyplot.get_fignums():
        return pyplot.gcf()
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray) and value.dtype.kind == "O":
        value = value.flat[0] if value.size else None  # `plt.subplots(2, 2)`: an array of axes
    for _ in range(5):  # axes in a subfigure in a figure; a grid of seaborn
        if isinstance(value, module.Figure):
            return value
        try:
            value = getattr(value, "figure", None)
        except Exception:  # noqa: BLE001 - an object of the user's own may raise anything
            return None
    return None


def _draw(figure: Any) -> bytes:
    buffer = io.BytesIO()
    dpi = min(figure.dpi, MAX_SIDE_PX / max(figure.get_size_inches()))
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight")
    return buffer.getvalue()


def _of_pillow(image: Any, name: str, max_bytes: int) -> Content:
    """Write an image of Pillow: as PNG, or as JPEG if the PNG would be too large."""
    buffer = io.BytesIO()
    has_alpha = "A" in image.mode or "transparency" in image.info
    plain = image if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else None
    plain = image.convert("RGBA" if has_alpha else "RGB") if plain is None else plain
    plain.save(buffer, format="PNG")
    if buffer.tell() <= max_bytes:
        return _png(name, buffer.getvalue())
    buffer = io.BytesIO()
    plain.convert("RGB").save(buffer, format="JPEG", quality=90)
    return Content(name=f"{name}.jpg", type=JPEG, data=buffer.getvalue())


def _displayed_content(value: Any, name: str) -> Content | None:
    """Use what the object shows of itself in a notebook."""
    for method, type_, ending in (("_repr_png_", PNG, ".png"), ("_repr_jpeg_", JPEG, ".jpg")):
        data = _bytes_of(_call(value, method))
        if data:
            return Content(name=name + ending, type=type_, data=data)
    bundle = _call(value, "_repr_mimebundle_")
    bundle = bundle[0] if isinstance(bundle, tuple) else bundle
    for type_, ending in ((PNG, ".png"), (JPEG, ".jpg")):
        data = _bytes_of(bundle.get(type_) if isinstance(bundle, dict) else None)
        if data:
            return Content(name=name + ending, type=type_, data=data)
    return None


def _call(value: Any, method: str) -> Any:
    if not callable(getattr(type(value), method, None)):
        return None
    try:
        return getattr(value, method)()
    except Exception as error:
        raise InvalidInput(
            f"The {type(value).__name__} cannot be drawn: its {method} raised "
            f"{type(error).__name__}: {str(error)[:200]}",
            field="attachments",
        ) from error


def _bytes_of(output: Any) -> bytes | None:
    """Return the bytes of what a method for display returns: bytes, base64, or with metadata."""
    if isinstance(output, tuple):
        output = output[0] if output else None
    if isinstance(output, str):
        try:
            return base64.b64decode(output)
        except ValueError:  # binascii.Error is one; characters beyond ASCII raise another
            return None
    return bytes(output) if isinstance(output, bytes | bytearray | memoryview) else None


def _png(name: str, data: bytes) -> Content:
    return Content(name=f"{name}.png", type=PNG, data=data)
