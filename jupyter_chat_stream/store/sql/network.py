"""A database file on a network disk: recognised, and used by one host at a time.

SQLite's write-ahead log needs memory that all its processes share. No network disk provides it, so
two hosts would damage the file. On such a disk the file has a rollback journal, two commits are
``COMMIT_EVERY_S`` apart (each waits for the disk's server several times), and one host uses the
file: its processes hold a shared lock on ``owners/host.lock``, which names the host.
"""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path

from ...shared.errors import DatabaseOnOtherHost

COMMIT_EVERY_S = 0.05
TRIES, PAUSE_S = 20, 0.01  # to lock the folder: another process may be writing the name
MOUNTS = Path("/proc/self/mountinfo")
# Linux' names of network file systems. For FUSE, the text after the dot is the file system.
NETWORK = frozenset(
    (
        *("9p", "afs", "beegfs", "ceph", "cifs", "davfs", "glusterfs", "gpfs", "lustre", "nfs"),
        *("nfs4", "orangefs", "panfs", "pvfs2", "smb2", "smb3", "smbfs", "wekafs"),
    )
)
LOCAL_FUSE = frozenset(("fuseblk", "fuse.lxcfs", "fuse.ntfs-3g", "fuse.mergerfs"))
_ESCAPE = re.compile(r"\\([0-7]{3})")


def is_on_network(path: Path, mounts: Path = MOUNTS) -> bool:
    """Return whether a file is on a network disk; False if the system does not tell.

    FUSE counts as a network disk: few file systems behind it support shared memory.
    """
    if os.name == "nt":
        return str(path).startswith("\\\\")
    kind = file_system_of(path, mounts)
    if kind is None or kind in LOCAL_FUSE:
        return False
    return kind in NETWORK or kind.startswith("fuse")


def file_system_of(path: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the name of a path's file system; None if the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    target = Path(os.path.realpath(path))
    best_depth, file_system = -1, None
    for line in lines:
        before, dash, after = line.partition(" - ")
        fields = before.split()
        if not dash or len(fields) < 5:
            continue
        mount_point = Path(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        is_inside = mount_point == target or mount_point in target.parents
        if (
            is_inside and len(mount_point.parts) >= best_depth
        ):  # the last mount on a folder hides the others
            best_depth, file_system = len(mount_point.parts), after.split()[0]
    return file_system


class OneHost:
    """This host's lock on a database's folder; all processes of the host share it."""

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
        """Release this process's share of the lock."""
        os.close(self._descriptor)

    def _take(self, folder: Path) -> None:
        # An exclusive lock does not become a shared one in one step: another host may take it in
        # between. So compare the name again under the shared lock, when nobody can change it.
        import fcntl  # only on Unix; other systems do not tell network disks from local ones

        for _ in range(TRIES):
            if self._lock(fcntl.LOCK_EX):
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, self._host.encode(), 0)
            if self._is_own() and self._lock(fcntl.LOCK_SH) and self._is_own():
                return
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            time.sleep(PAUSE_S)
        raise DatabaseOnOtherHost(str(folder), self._name())

    def _lock(self, kind: int) -> bool:
        import fcntl

        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _is_own(self) -> bool:
        return self._name() == self._host

    def _name(self) -> str:
        return os.pread(self._descriptor, 1000, 0).decode(errors="replace")
