"""``Attachment``: bytes with a name, made to be sent, or read back from a message."""

from __future__ import annotations

import base64
import importlib
import io
import sys
import warnings
from typing import Any

from ...shared.errors import ChatStreamError, InvalidInput
from ...shared.markdown.copied_texts import visible
from ...shared.markdown.copies import harmless
from ...shared.media_types import PARQUET
from ...shared.records import AttachmentPart
from ...shared.sizes import size_in_words
from ..link import current
from .content import CSV, GIF, JPEG, PNG, Content
from .convert import MAX_BYTES, MOST_BYTES, content_of, named_content
from .transfer import download

SHOWN_TYPES = (PNG, JPEG, GIF)  # what notebooks draw
MAX_SHOWN_BYTES = 5 * 1024 * 1024  # a larger image would be kept in the notebook's file
FRAMES = (CSV, PARQUET)
_PACKAGE = __name__.partition(".")[0]


class Attachment:
    """Bytes that belong to a message: an image, a document, a table or a text.

    ``chat.send("…", df, fig, "report.pdf")`` makes attachments by itself. Make one to name it, to
    send a text, bytes or JSON as a file, or to see what a model will read of it (``summary``).

    Args:
        data: a frame, an array, a figure, an image, a ``Path``, an open file, a text, bytes, or a
            dict or list (as JSON).
        name: the name of the file.
        type: its media type; None: that of the name or of the data.

    Raises:
        WrongCall: it is nothing that can be attached, or no such file exists.
        InvalidInput: it is empty, or cannot be read or drawn.
        AttachmentTooLarge
    """

    def __init__(self, data: Any, *, name: str | None = None, type: str | None = None) -> None:
        self._fill(named_content(data, name, type, MOST_BYTES))

    @classmethod
    def _from_value(cls, value: object, max_bytes: int = MAX_BYTES) -> Attachment:
        """Make one of what stands after the text of a message."""
        if isinstance(value, Attachment):
            return value
        attachment = cls.__new__(cls)
        attachment._fill(content_of(value, max_bytes))
        return attachment

    @classmethod
    def from_wire(cls, part: AttachmentPart) -> Attachment:
        """Make one of a part of a message, whose bytes the server has."""
        attachment = cls.__new__(cls)
        attachment._content = None
        attachment.id = part.get("attachment_id")
        attachment.name, attachment.summary = part["name"], part["text"]
        attachment.type, attachment.size = part.get("type", ""), part.get("size", 0)
        return attachment

    def _fill(self, content: Content) -> None:
        if content.warning:
            warnings.warn(content.warning, stacklevel=_level_of_caller())
        self._content: Content | None = content
        self.id: str | None = None
        self.name, self.type, self.size = content.name, content.type, len(content.data)
        self.summary = content.summary

    def read(self) -> bytes:
        """Return the bytes; those of a message are fetched.

        Raises:
            AttachmentNotFound: it was deleted with its thread.
        """
        return current().run(self._read()) if self._content is None else self._content.data

    async def aread(self) -> bytes:
        """Return the bytes. See ``read``."""
        return await current().arun(self._read())

    async def _read(self) -> bytes:
        if self._content is not None:
            return self._content.data
        return await download(current(), str(self.id))

    def frame(self) -> Any:
        """Return a table as a frame of pandas or of polars: the one that is loaded or installed.

        Raises:
            InvalidInput: it is no table, or neither library is installed.
        """
        if self.type not in FRAMES:
            raise InvalidInput(
                f"{self.name!r} is no table but {self.type}: read() returns its bytes.",
                field="type",
            )
        library = _frame_library()
        read = library.read_parquet if self.type == PARQUET else library.read_csv
        return read(io.BytesIO(self.read()))

    def __repr__(self) -> str:
        return f"Attachment({visible(self.name)!r}, {self.type}, {size_in_words(self.size)})"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        bundle = {"text/plain": repr(self)}
        if self.summary:
            bundle["text/markdown"] = harmless(self.summary)
        if self.type in SHOWN_TYPES and self.size <= MAX_SHOWN_BYTES:
            try:
                bundle[self.type] = base64.b64encode(self.read()).decode()
            except ChatStreamError as error:
                bundle["text/plain"] += f" (not read: {error})"
        return bundle


def _level_of_caller() -> int:
    """Return the level of the stack at which a warning names the user's own line."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    return level


def _frame_library() -> Any:
    names = ("pandas", "polars")
    for name in sorted(names, key=lambda name: name not in sys.modules):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise InvalidInput(
        "Neither pandas nor polars is installed: install one of them, or use read().", field="type"
    )
