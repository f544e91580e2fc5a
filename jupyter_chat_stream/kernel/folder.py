"""The folder that a thread's name belongs to: the notebook's, or the one a script began in.

The first of these that is known:

1. the notebook's path in a variable of the kernel, which an editor or papermill sets
   (``__vsc_ipynb_file__`` of VS Code, ``PAPERMILL_INPUT_PATH`` with ``--inject-paths``);
2. the absolute path in ``JPY_SESSION_NAME``, unless it is the path of another notebook, whose
   kernel (or nbconvert in it) started this script with its own environment;
3. the working directory in which the kernel or script began, even after ``os.chdir``.

One folder has one name: symbolic links are followed, and the spelling is the file system's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from .. import _start
from ..shared import connection_file
from ..shared.config import CONNECTION_ENV
from ..shared.errors import ServerUnavailable
from ..shared.projects import project_of
from .shell import running_shell

_NOTEBOOK_VARIABLES = ("__vsc_ipynb_file__", "PAPERMILL_INPUT_PATH")


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder as a thread's ``project``.

    ``project`` is empty if no folder is known. ``others`` are other spellings of the same folder,
    which a shell or an older release may have used.
    """

    project: str
    others: tuple[str, ...] = ()

    def fields(self) -> dict[str, str | list[str]]:
        """Return the fields of the request that opens a thread by its name."""
        return {"project": self.project, "project_others": list(self.others)}


def find_folder() -> Folder:
    """Find the folder of this kernel's notebook, or of this script."""
    start = _start_folder()
    notebook = _notebook_file(start) or _session_file()
    folder = os.path.dirname(notebook) if notebook else start
    if folder is None:
        return Folder(project="")
    if start is not None and _is_same(folder, start):
        path = os.path.realpath(start)
    else:
        path = os.path.realpath(folder)
    project = project_of(path)
    spellings = (folder, os.environ.get("PWD", ""))
    others = {project_of(each) for each in spellings if each and _is_spelling(each, folder, path)}
    return Folder(project=project, others=tuple(sorted(others - {project, ""})))


def _is_spelling(spelling: str, folder: str, path: str) -> bool:
    return spelling == folder or _is_same(spelling, path)


def _start_folder() -> str | None:
    shell = running_shell()
    folder = getattr(shell, "starting_dir", None)
    return folder if isinstance(folder, str) else _start.FOLDER


def _notebook_file(start: str | None) -> str | None:
    """Read the notebook's path from the kernel's variables of editors and papermill."""
    variables: Mapping[str, object] = getattr(running_shell(), "user_ns", {})
    for name in _NOTEBOOK_VARIABLES:
        value = variables.get(name)
        if not isinstance(value, str) or not value:
            continue
        path = os.path.join(start or "", value)
        if os.path.isabs(path) and os.path.exists(path):
            return path
    return None


def _session_file() -> str | None:
    """Read the notebook's path from the environment; None if it is a bare name or inherited."""
    name = os.environ.get("JPY_SESSION_NAME", "")
    return name if os.path.isabs(name) and not _is_inherited() else None


def _is_inherited() -> bool:
    """Return whether the session's name is another process's, inherited with its environment.

    A kernel gets its own name from the server; a script that a cell started has its kernel's. On
    Windows ``JPY_PARENT_PID`` is a handle and tells nothing.
    """
    starter = os.environ.get("JPY_PARENT_PID")
    if os.name == "nt" or not starter:
        return False
    if getattr(running_shell(), "kernel", None) is None:
        return starter != str(os.getppid())
    server = _server_pid()
    return server > 0 and starter != str(server)


def _server_pid() -> int:
    """Read the server's process id from the connection file; 0 if there is none."""
    if not os.environ.get(CONNECTION_ENV):
        return 0
    try:
        return connection_file.find().pid
    except ServerUnavailable:
        return 0


def _is_same(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):
        return False
