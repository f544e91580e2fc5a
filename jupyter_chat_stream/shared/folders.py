"""The chat's own folders: made private, or refused with path, reason and next step."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from urllib.parse import quote

from .errors import DataFolderRefused

PRIVATE = 0o700


def make_private(folder: Path) -> None:
    """Make a folder and its missing parents, each 0700; other users lose their access to it.

    Raises:
        OSError: it cannot be made, or it belongs to another user.
    """
    missing_folders = [folder, *folder.parents]
    missing_folders = missing_folders[
        : next(n for n, path in enumerate(missing_folders) if os.path.lexists(path))
    ]
    for path in reversed(missing_folders):
        path.mkdir(mode=PRIVATE, exist_ok=True)
    if not folder.is_dir():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
    status = folder.stat()
    if os.name == "posix" and status.st_mode & 0o077:
        folder.chmod(PRIVATE)


def make_data_folder(folder: Path) -> Path:
    """Make a folder under Jupyter's data directory; raises DataFolderRefused if not writable."""
    try:
        make_private(folder)
    except OSError as error:
        raise DataFolderRefused(str(folder), reason_of(error)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DataFolderRefused(str(folder), "it cannot be written to")
    return folder


def reason_of(error: OSError) -> str:
    """Describe a system error in words, with the path that it concerns."""
    reason = error.strerror or type(error).__name__
    if isinstance(error, FileExistsError):
        reason = "a file is in its place, or a link that leads nowhere"
    return f"{str(error.filename)!r}: {reason}" if error.filename else reason


def sqlite_url(path: Path) -> str:
    """Write a file's path as an SQLAlchemy URL, with its special characters quoted."""
    return f"sqlite:///{quote(os.fspath(path), safe='/ +', errors='surrogateescape')}"
