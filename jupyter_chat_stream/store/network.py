"""A database file on a network disk: found out, and kept to one host.

SQLite's write-ahead log needs memory that all its processes share, which no network disk gives: two
hosts would damage the file. There it is kept with a rollback journal, with ``COMMIT_EVERY_S``
between two commits (each waits for the disk's host several times), and by one host at a time: who
has it holds a shared lock on ``owners/host.lock``, in which its name stands.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from ..errors import DatabaseOnOtherHost

COMMIT_EVERY_S = 0.05
MOUNTS = Path("/proc/self/mountinfo")
# As Linux names them; FUSE says what is behind it after the dot.
NETWORK = frozenset(
    (
        *("9p", "afs", "beegfs", "ceph", "cifs", "davfs", "glusterfs", "gpfs", "lustre", "nfs"),
        *("nfs4", "orangefs", "panfs", "pvfs2", "smb2", "smb3", "smbfs", "wekafs"),
    )
)
LOCAL_FUSE = frozenset(("fuseblk", "fuse.lxcfs", "fuse.ntfs-3g", "fuse.mergerfs"))
_ESCAPE = re.compile(r"\\([0-7]{3})")


def is_on_network(path: Path, mounts: Path = MOUNTS) -> bool:
    """Say whether a file lies on a network disk; where that cannot be told it does not.

    FUSE counts as one: what is behind it seldom gives shared memory.
    """
    if os.name == "nt":
        return str(path).startswith("\\\\")
    kind = file_system_of(path, mounts)
    if kind is None or kind in LOCAL_FUSE:
        return False
    return kind in NETWORK or kind.startswith("fuse")


def file_system_of(path: Path, mounts: Path = MOUNTS) -> str | None:
    """Give the kind of the file system that a path is on; None where the system does not say."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    target = Path(os.path.realpath(path))
    best, found = -1, None
    for line in lines:
        before, dash, after = line.partition(" - ")
        fields = before.split()
        if not dash or len(fields) < 5:
            continue
        place = Path(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        is_inside = place == target or place in target.parents
        if is_inside and len(place.parts) >= best:  # the one mounted last lies above
            best, found = len(place.parts), after.split()[0]
    return found


class OneHost:
    """This host's hold on a database's folder; others of the same host share it."""

    def __init__(self, folder: Path, host: str | None = None) -> None:
        self._host = host or socket.gethostname()
        path = folder / "owners" / "host.lock"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._take(folder)
        except BaseException:
            os.close(self._descriptor)
            raise

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)

    def _take(self, folder: Path) -> None:
        import fcntl  # what is on a network disk elsewhere is not told from a local one

        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._descriptor, 1000, 0).decode(errors="replace")
            if holder != self._host:
                raise DatabaseOnOtherHost(str(folder), holder) from None
        else:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, self._host.encode(), 0)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
