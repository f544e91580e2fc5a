"""Media types of attachments: which ones are taken, and whether bytes are of their type.

A claimed type is never trusted: ``TypeCheck`` reads the bytes as they arrive. An image is the image
that its first bytes tell, a text is UTF-8 without U+0000 from its first byte to its last. SVG is a
text here, because it can hold scripts.
"""

from __future__ import annotations

import codecs
import mimetypes
import re
from collections.abc import Mapping

from .errors import AttachmentTypeRefused

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
PDF = "application/pdf"
PARQUET = "application/vnd.apache.parquet"
UNKNOWN = "application/octet-stream"
PLAIN = "text/plain"

MAX_CHARACTERS = 100  # of a media type
_TOKEN = r"[a-z0-9!#$%&'*+.^_`|~-]+"  # RFC 9110, in lower case
_MEDIA_TYPE = re.compile(f"{_TOKEN}/{_TOKEN}")
HEAD_BYTES = 12  # of the first bytes: enough for every signature below
_RENAMED: Mapping[str, str] = {
    "": UNKNOWN,
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/svg+xml": "text/xml",
    "application/x-pdf": PDF,
    "application/x-parquet": PARQUET,
    "application/parquet": PARQUET,
}
_TEXTS = frozenset(
    f"application/{name}"
    for words in (
        "ecmascript javascript json json5 jsonl ndjson sql toml typescript xml yaml",
        "x-httpd-php x-ipynb+json x-javascript x-jsonlines x-latex x-ndjson x-perl x-python",
        "x-python-code x-r x-ruby x-sh x-shellscript x-sql x-tex x-toml x-typescript x-yaml",
    )
    for name in words.split(" ")
)
_READ = (
    "PNG, JPEG, GIF and WebP images, PDF, Parquet, and text in UTF-8 (such as CSV, JSON, Markdown "
    "or code)"
)


def is_text(type_: str) -> bool:
    """Return whether the bytes of this media type are text in UTF-8."""
    return type_.startswith("text/") or type_ in _TEXTS or type_.endswith(("+json", "+xml"))


def plain_type(claimed: str) -> str:
    """Return a media type in lower case, without parameters, by its usual name."""
    type_ = claimed.partition(";")[0].strip().lower()
    return _RENAMED.get(type_, type_)


def type_of_head(head: bytes) -> str | None:
    """Return the type that the first bytes tell; None for text and for everything unknown."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"%PDF-"):
        return PDF
    if head.startswith(b"PAR1"):
        return PARQUET
    return None


class TypeCheck:
    """Checks bytes against a claimed media type as they arrive.

    Args:
        claimed: the type in the request; ``UNKNOWN`` or empty lets the bytes and the name decide.
        name: the file's name, whose ending names the kind of a text of unknown type.

    Raises:
        AttachmentTypeRefused: nobody can read that type.
    """

    def __init__(self, claimed: str, name: str) -> None:
        self._claimed = plain_type(claimed)
        self._name = name
        self._head = b""
        self._type: str | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        if _MEDIA_TYPE.fullmatch(self._claimed) is None or len(self._claimed) > MAX_CHARACTERS:
            raise AttachmentTypeRefused(
                "The attachment's 'Content-Type' is no media type. Send one like 'text/plain' with "
                f"at most {MAX_CHARACTERS} characters, or none: the bytes and the name tell it.",
                type=self._claimed[:MAX_CHARACTERS],
            )
        types = (*IMAGES, PDF, PARQUET, UNKNOWN)
        if self._claimed not in types and not is_text(self._claimed):
            raise AttachmentTypeRefused(
                f"Attachments of type {self._claimed!r} are not taken: nobody here can read them. "
                f"These are: {_READ}.",
                type=self._claimed,
            )

    def feed(self, chunk: bytes) -> None:
        """Check the next bytes; raises AttachmentTypeRefused as soon as they do not fit."""
        if self._type is None:
            self._head += chunk
            if len(self._head) < HEAD_BYTES:
                return
            self._decide()
            chunk, self._head = self._head, b""
        self._read(chunk)

    def end(self) -> str:
        """Check the last bytes, and return the type of all of them."""
        if self._type is None:
            self._decide()
            self._read(self._head)
        self._read(b"", is_last=True)
        assert self._type is not None
        return self._type

    def _decide(self) -> None:
        """Choose the type by the first bytes."""
        head_type = type_of_head(self._head)
        claimed = self._claimed
        if head_type is not None and (
            claimed in (head_type, UNKNOWN) or {claimed, head_type} <= set(IMAGES)
        ):
            self._type = head_type
        elif claimed == UNKNOWN:
            self._type = _text_type_of(self._name)
        elif is_text(claimed):
            self._type = claimed
        else:
            raise AttachmentTypeRefused(
                f"The attachment claims to be {claimed!r}, but its first bytes are of another "
                "type. Send it under its own type.",
                type=claimed,
            )

    def _read(self, chunk: bytes, *, is_last: bool = False) -> None:
        if not is_text(str(self._type)):
            return
        try:
            self._decoder.decode(chunk, is_last)
            if b"\0" not in chunk:
                return
        except UnicodeDecodeError:
            pass
        raise AttachmentTypeRefused(
            "The attachment is no text in UTF-8, and of no other type that somebody here can read. "
            f"These are: {_READ}.",
            type=self._claimed,
        )


def _text_type_of(name: str) -> str:
    type_ = plain_type(mimetypes.guess_type(name, strict=False)[0] or PLAIN)
    return type_ if is_text(type_) else PLAIN
