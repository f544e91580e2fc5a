"""How the path of a folder is written as a thread's project: kernels and the server do it alike."""

from __future__ import annotations

import hashlib
import os

MAX_BYTES = 1000  # of a project; a longer path is replaced by its end and a hash of the whole
KEPT_CHARS = 200


def project_of(folder: str) -> str:
    """Write a folder's path as a project: slashes, text for every database, bounded size."""
    path = folder.replace(os.sep, "/")
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    raw = text.encode()
    if len(raw) <= MAX_BYTES:
        return text
    return f"{hashlib.sha256(raw).hexdigest()[:32]}…{text[-KEPT_CHARS:]}"
