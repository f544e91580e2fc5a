"""The files of one call's result: pictures, tables, and output that is too long for an event.

The thread of the call makes the files from the values that its function returns or displays, by
the same code as attachments of messages. They are uploaded with the result. A file beyond the
bounds is not kept; a text in its place says so.
"""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...shared.json_objects import JsonView
from ...shared.media_types import IMAGES, PARQUET, PDF, is_text
from ..attachments.attachment import Attachment
from ..attachments.content import Content, clean_name, type_of_bytes, with_ending
from ..attachments.convert import MAX_BYTES, convert
from ..attachments.pictures import matplotlib_figure, shows_picture
from ..attachments.tables.frames import is_frame
from .table_secrets import holds_secret

MAX_FILES = 20  # the server's bound
MAX_FILES_BYTES = 64 * 1024 * 1024  # the server's bound
SVG = "image/svg+xml"


class CallFiles:
    """Collects the files of one call.

    Args:
        conceal: removes secrets from a text before it leaves the kernel.
    """

    def __init__(self, conceal: Callable[[str], str] = str) -> None:
        self.contents: list[Content] = []
        self._conceal = conceal
        self._names: dict[str, str] = {}  # by the bytes' hash: the name of the file
        self._texts: dict[int, tuple[object, str]] = {}  # by object id: its text in the output
        self._size = 0

    def text_of(self, value: Any) -> str | None:
        """Keep a picture or a table as a file, and return its text; None for any other object.

        The same object gets the same text again, and no second file.
        """
        figure = matplotlib_figure(value)
        owner = value if figure is None else figure  # several lines and axes share one figure
        entry = self._texts.get(id(owner))
        if entry is not None:
            return entry[1]
        if len(self.contents) >= MAX_FILES:
            return None  # no more files: do not draw
        content = self._content_of(value)
        if content is None:
            return None
        text = self._describe(figure, content)
        self._texts[id(owner)] = owner, text  # the reference keeps the object's id unique
        return text

    def add(self, content: Content) -> str | None:
        """Keep a file, and return its name in the result; None beyond the bounds.

        Equal bytes are kept once.
        """
        if is_text(content.type):
            text = self._conceal(content.data.decode(errors="replace"))
            content = replace(content, data=text.encode(errors="replace"))
        digest, size = hashlib.sha256(content.data).hexdigest(), len(content.data)
        existing_name = self._names.get(digest)
        if existing_name is not None:
            return existing_name
        if content.type == PARQUET and holds_secret(content.data, self._conceal):
            return None
        is_full = len(self.contents) >= MAX_FILES or self._size + size > MAX_FILES_BYTES
        if is_full or not 0 < size <= MAX_BYTES:
            return None
        name = self._free_name(clean_name(self._conceal(content.name)))
        self.contents.append(replace(content, name=name))
        self._names[digest] = name
        self._size += size
        return name

    def add_displayed(self, data: JsonView) -> str | None:
        """Keep the picture of a display, and return its name; None without a picture."""
        for type_ in (*IMAGES, SVG):
            raw = _bytes_of(type_, data.get(type_))
            if raw:
                name = "figure.svg" if type_ == SVG else with_ending("figure", type_)
                return self.add(Content(name=name, type=type_, data=raw))
        return None

    def close_figures(self) -> None:
        """Close the figures of the result, so that matplotlib does not display them again."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is None or not str(pyplot.get_backend()).endswith("inline"):
            return
        for figure, _ in self._texts.values():
            if matplotlib_figure(figure) is figure:
                pyplot.close(figure)

    def _content_of(self, value: Any) -> Content | None:
        if isinstance(value, Attachment):
            return value._content
        if isinstance(value, bytes | bytearray):
            type_ = type_of_bytes(bytes(value))
            if type_ not in (*IMAGES, PDF):
                return None
            name = with_ending("document" if type_ == PDF else "image", type_)
            return Content(name=name, type=type_, data=bytes(value))
        if is_frame(value) or shows_picture(value):
            return convert(value, None, None, MAX_BYTES)
        return None

    def _describe(self, figure: Any, content: Content) -> str:
        name = self.add(content)
        parts = [content.summary] if content.summary else []
        if figure is not None:
            parts.append(_describe_figure(figure))
        kind = "image" if content.type in IMAGES else "file"
        if name is None:
            parts.append(f"[The {kind} {content.name!r} was not kept: {self._reason(content)}.]")
        else:
            parts.append(f"[It is the {kind} {name!r} of this result.]")
        return "\n".join(parts)

    def _reason(self, content: Content) -> str:
        if len(content.data) > MAX_BYTES:
            return "it is too large"
        if content.type == PARQUET and holds_secret(content.data, self._conceal):
            return "it contains the value of a secret environment variable"
        return f"a result has at most {MAX_FILES} files of {MAX_FILES_BYTES // 2**20} MB together"

    def _free_name(self, name: str) -> str:
        used_names = {content.name for content in self.contents}
        stem, dot, ending = name.rpartition(".")
        stem, ending = (stem, dot + ending) if dot and stem else (name, "")
        candidates = (f"{stem}-{n}{ending}" for n in range(2, MAX_FILES + 2))
        return (
            name
            if name not in used_names
            else next(each for each in candidates if each not in used_names)
        )


def _describe_figure(figure: Any) -> str:
    """Describe a figure of matplotlib by its axes, for a model that cannot read images."""
    descriptions = []
    for axes in figure.axes[:8]:
        title, x, y = axes.get_title(), axes.get_xlabel(), axes.get_ylabel()
        object_count = (
            len(axes.lines) + len(axes.collections) + len(axes.patches) + len(axes.images)
        )
        labels = ", ".join(
            f"{word} {text!r}" for word, text in (("title", title), ("x", x), ("y", y)) if text
        )
        descriptions.append(
            f"axes with {object_count} drawn objects{f' ({labels})' if labels else ''}"
        )
    return f"A figure with {'; '.join(descriptions) or 'no axes'}."


def _bytes_of(type_: str, picture: Any) -> bytes | None:
    """Return the bytes of a displayed picture: base64, or the text of an SVG."""
    text = "".join(picture) if isinstance(picture, list) else picture
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str) or not text:
        return None
    if type_ == SVG:
        return text.encode(errors="replace")
    try:
        return base64.b64decode(text)
    except ValueError:  # also binascii.Error, and non-ASCII characters
        return None
