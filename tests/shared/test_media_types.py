"""Media types: the bytes decide, whatever a client claims."""

from __future__ import annotations

import pytest

from jupyter_chat_stream.shared.errors import AttachmentTypeRefused
from jupyter_chat_stream.shared.media_types import TypeCheck

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
JPEG = b"\xff\xd8\xff\xe0" + b"j" * 64
PDF = b"%PDF-1.7\n<script>alert(1)</script>"


def checked(claimed: str, data: bytes, *, size: int, name: str = "a.py") -> str | None:
    """Feed the bytes in chunks of that size; returns the type, None if they are refused."""
    try:
        check = TypeCheck(claimed, name)
        for start in range(0, len(data), size):
            check.feed(data[start : start + size])
        return check.end()
    except AttachmentTypeRefused:
        return None


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    ("claimed", "data", "kept"),
    [
        ("image/png", PNG, "image/png"),
        ("image/png", JPEG, "image/jpeg"),
        ("image/jpg", JPEG, "image/jpeg"),
        ("image/png", b"GIF89a" + b"g" * 20, "image/gif"),
        ("image/png", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        ("application/octet-stream", PNG, "image/png"),
        ("", PDF, "application/pdf"),
        ("", b"x = 1\n", "text/x-python"),
        ("", "Grüße".encode(), "text/x-python"),
        ("TEXT/CSV; charset=utf-8", b"a,b\n", "text/csv"),
        ("text/csv", b"a", "text/csv"),
        ("application/x-ipynb+json", b"{}", "application/x-ipynb+json"),
        ("image/svg+xml", b"<svg onload='alert(1)'/>", "text/xml"),
        ("application/vnd.apache.parquet", b"PAR1" + b"\0" * 20, "application/vnd.apache.parquet"),
        ("text/plain", PNG, None),
        ("text/plain", b"\0", None),
        ("text/plain", b"a" * 100 + b"\0", None),
        ("image/png", b"<html><script>alert(1)</script>", None),
        ("image/png", PDF, None),
        ("application/pdf", PNG, None),
        ("application/pdf", b"", None),
        ("application/vnd.apache.parquet", b"not one at all", None),
        ("text/plain", "Grüße".encode("latin-1"), None),
        ("text/plain", "Grüße".encode("utf-16"), None),
        ("text/plain", b"cut \xc3", None),
        ("application/octet-stream", b"MZ\x90\x00\x03", None),
        ("application/zip", b"PK\x03\x04", None),
        ("video/mp4", b"\0\0\0 ftypisom", None),
        ("text/" + "a" * 95, b"a", "text/" + "a" * 95),
        ("text/" + "a" * 96, b"a", None),
        ("text/", b"a", None),
        ("text/a b", b"a", None),
        ("text/a\nb", b"a", None),
        ("text/a/b", b"a", None),
        ("text/größe", b"a", None),
        ("text/<script>", b"a", None),
        ("+json", b"{}", None),
    ],
)
def test_a_type_is_what_the_bytes_are(
    claimed: str, data: bytes, kept: str | None, size: int
) -> None:
    assert checked(claimed, data, size=size) == kept


def test_the_name_tells_the_kind_of_a_text_and_never_makes_it_an_image() -> None:
    assert checked("", b"# A", size=9, name="a.md") == "text/markdown"
    assert checked("", b"text", size=9, name="a.png") == "text/plain"
    assert checked("", b"<b>", size=9, name="a.html") == "text/html"
