"""Files for prompts: a PNG of any size, and a PDF of any number of pages."""

from __future__ import annotations

import struct
import zlib


def png(width: int = 2, height: int = 2, *, padding: int = 0) -> bytes:
    """Return a grey image; ``padding`` makes the file larger by so many bytes and more."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    row = b"\0" + b"\x80" * width
    chunks = [_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(row * height))]
    if padding:
        chunks.insert(1, _chunk(b"tEXt", b"Comment\0" + b"x" * padding))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + _chunk(b"IEND", b"")


def pdf(pages: int = 1, *, extra: bytes = b"") -> bytes:
    """Return a document of blank pages; its table of objects is left out."""
    kids = b" ".join(b"%d 0 R" % (3 + i) for i in range(pages))
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 72 72] >>"
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, pages),
        *([page] * pages),
    ]
    objects = b"".join(b"%d 0 obj\n%s\nendobj\n" % (i, it) for i, it in enumerate(bodies, 1))
    return b"%PDF-1.4\n" + objects + extra + b"trailer << /Root 1 0 R >>\n%%EOF\n"


def _chunk(kind: bytes, data: bytes) -> bytes:
    checked = kind + data
    return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))
