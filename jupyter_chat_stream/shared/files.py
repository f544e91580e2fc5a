"""Private files: opened without waiting, and closed to other users.

A path may lead to a directory, a named pipe or a device, where reading or opening could hang: those
are refused at once. Symbolic links are followed, and their targets checked.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def open_plain(path: Path) -> BinaryIO:
    """Open a plain file for reading.

    Raises:
        OSError: it cannot be opened or is not a plain file; the call never waits.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise _not_plain(path, mode)
    return os.fdopen(handle, "rb")


def refuse_unless_plain(path: Path) -> None:
    """Raise OSError if a path leads to anything but a plain file; a missing file is fine."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise _not_plain(path, mode)


def _not_plain(path: Path, mode: int) -> OSError:
    kind = next((name for is_one, name in _KINDS if is_one(mode)), "a device")
    return OSError(errno.EINVAL, f"it is no plain file but {kind}", str(path))


def close_to_others(path: Path, *, is_ours: bool = True, bits: int = 0o077) -> bool:
    """Close a file or folder to other users; False if it is open to them and cannot be closed.

    Args:
        is_ours: whether its mode may be changed; a folder that another program made keeps its mode.
        bits: the bits of the mode to remove.
    """
    if os.name != "posix":  # on Windows, modes do not control access
        return True
    try:
        mode = os.stat(path).st_mode
        if not mode & bits:
            return True
        if is_ours:
            os.chmod(path, stat.S_IMODE(mode) & ~bits)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return is_ours
