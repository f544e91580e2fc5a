"""The content of an attachment before it is sent: bytes with a name and a type, and a summary."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from dataclasses import dataclass, field

from ...shared.errors import AttachmentTooLarge
from ...shared.media_types import HEAD_BYTES, IMAGES, PARQUET, PDF, PLAIN, UNKNOWN, type_of_head
from ...shared.sizes import size_in_words

MAX_NAME_CHARS = 120
CSV = "text/csv"
PNG, JPEG, GIF, WEBP = IMAGES
# Endings that Python's own table does not know on every system, or takes for something else.
_TYPES = {
    ".csv": CSV,
    ".gif": GIF,
    ".htm": "text/html",
    ".html": "text/html",
    ".jpeg": JPEG,
    ".jpg": JPEG,
    ".ipynb": "application/x-ipynb+json",
    ".js": "text/javascript",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".log": PLAIN,
    ".md": "text/markdown",
    ".ndjson": "application/x-ndjson",
    ".parquet": PARQUET,
    ".pdf": PDF,
    ".png": PNG,
    ".py": "text/x-python",
    ".r": PLAIN,
    ".sql": PLAIN,
    ".svg": "text/xml",
    ".toml": "application/toml",
    ".ts": PLAIN,
    ".tsv": "text/tab-separated-values",
    ".txt": PLAIN,
    ".webp": WEBP,
    ".xml": "text/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}
_ENDINGS = {PNG: ".png", JPEG: ".jpg", GIF: ".gif", WEBP: ".webp", PDF: ".pdf"}


@dataclass(frozen=True, kw_only=True)
class Content:
    """The bytes of an upload, and the text by which a model knows them."""

    name: str
    type: str
    data: bytes = field(repr=False)
    summary: str = field(default="", repr=False)
    """Empty if a model reads the bytes: an image, a document or a text."""
    warning: str = ""
    """A sentence for the person: what is not sent as it is."""


def refuse_large(name: str, size: int, max_bytes: int, advice: str = "") -> None:
    """Raise AttachmentTooLarge for more than ``max_bytes`` bytes.

    Args:
        advice: the next step, as a sentence.
    """
    if size <= max_bytes:
        return
    error = AttachmentTooLarge(size, max_bytes)
    error.message = (
        f"{name!r} has {size_in_words(size)}; at most {size_in_words(max_bytes)} are taken. "
    )
    error.message += advice or "Send a smaller file or a part of it."
    error.args = (error.message,)
    raise error


def type_of(name: str, data: bytes) -> str:
    """Return the media type that a file's ending stands for, or else its bytes."""
    ending = name[name.rfind(".") :].lower() if "." in name else ""
    if ending in _TYPES:
        return _TYPES[ending]
    # The system's table knows endings that nobody means, so a text is text for all but text types.
    by_name, by_bytes = mimetypes.guess_type(name)[0] or UNKNOWN, type_of_bytes(data)
    if by_bytes == UNKNOWN or (by_bytes == PLAIN and by_name.startswith("text/")):
        return by_name
    return by_bytes


def type_of_bytes(data: bytes) -> str:
    """Return the media type that the first bytes tell; text is anything in UTF-8 without U+0000."""
    media_type = type_of_head(data[:HEAD_BYTES])
    if media_type is not None:
        return media_type
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return UNKNOWN
    return UNKNOWN if "\0" in text else PLAIN


def with_ending(name: str, type: str) -> str:
    """Add the ending of an image's or a PDF's type to a name that has none."""
    ending = _ENDINGS.get(type, ".txt" if type.startswith("text/") else "")
    return name if re.search(r"\.\w{1,8}$", name) else name + ending


def clean_name(name: str) -> str:
    """Return a name of one line, without a folder, whose ending stays when it is cut."""
    plain = "".join(char for char in name if unicodedata.category(char)[0] != "C")
    plain = plain.replace("\\", "/").rpartition("/")[2].strip() or "attachment"
    if len(plain) <= MAX_NAME_CHARS:
        return plain
    stem, dot, ending = plain.rpartition(".")
    if not dot or len(ending) > 8:
        return plain[:MAX_NAME_CHARS]
    return f"{stem[: MAX_NAME_CHARS - len(ending) - 1]}.{ending}"
