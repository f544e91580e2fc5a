"""A script that starts a scratch kernel: it limits its own process, then executes the kernel.

The limits also apply to each process that the kernel starts. On Linux, the kernel ends with the
process that started it, even if that process is killed. On other systems ipykernel itself checks
whether its parent is alive.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def main(argv: list[str]) -> None:
    """Limit this process, and execute the command in it.

    Args:
        argv: CPU time in s, bytes of memory, bytes of a file, the parent's process id, the command.
    """
    cpu_s, memory, file_bytes, parent = map(int, argv[:4])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # the parent ended before prctl was called
        sys.exit(1)
    _limit("RLIMIT_CPU", cpu_s)
    _limit("RLIMIT_AS", memory)
    _limit("RLIMIT_FSIZE", file_bytes)
    _limit("RLIMIT_CORE", 0)
    os.execvp(argv[4], argv[4:])


def _limit(name: str, limit: int) -> None:
    import resource

    kind = getattr(resource, name, None)
    if kind is None:
        return
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    try:
        resource.setrlimit(kind, (limit, limit))
    except (ValueError, OSError):
        # macOS refuses some limits. The time limit of the try still ends the kernel.
        pass


if __name__ == "__main__":
    main(sys.argv[1:])
