"""The thread of a notebook: the path of Jupyter's contents API as a thread's project and name.

The notebook's kernel finds the same two (``kernel.folder``, decision 9), so that ``Chat("churn")``
in ``churn.ipynb`` opens the thread of that notebook. The path names a file below the server's root
that this person may read; nothing is read from it. A symbolic link is followed, as the kernel does
that Jupyter starts in the link's folder.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from jupyter_core.utils import ensure_async
from tornado.web import HTTPError

from ..shared.errors import InvalidInput, NotebookNotFound
from ..shared.json_objects import JsonObject
from ..shared.projects import project_of
from .base import ChatHandler

SUFFIX = ".ipynb"
MAX_NAME = 200  # characters, as of every thread's name


async def notebook_thread(handler: ChatHandler, path: str) -> JsonObject:
    """Return the fields by which a notebook's thread is found or made.

    Raises:
        InvalidInput: the text is no path of the contents API, or the file's name is too long.
        NotebookNotFound: there is no such file, it is hidden, or this person may not read it.
    """
    _check(path)
    if not await _may_read(handler) or not await _is_there(handler, path):
        raise NotebookNotFound(path)
    name = path.rpartition("/")[2].removesuffix(SUFFIX)
    if not 1 <= len(name) <= MAX_NAME:
        raise InvalidInput(
            f"The name of this notebook must have 1 to {MAX_NAME} characters before {SUFFIX!r}. "
            "Rename the notebook, or give its thread a 'name' and a 'project'.",
            field="notebook",
        )
    project, other_spellings = await asyncio.to_thread(
        _projects_of, handler.kernel_manager.cwd_for_path, path
    )
    return {"name": name, "project": project, "project_others": other_spellings}


def _projects_of(folder_of: Callable[[str], str], path: str) -> tuple[str, list[str]]:
    """Return the project of a notebook, and other spellings of it. Blocks: a disk may be far away.

    Args:
        folder_of: returns the folder in which Jupyter starts the notebook's kernel.
    """
    folder = folder_of(path)
    project = project_of(os.path.realpath(folder))
    return project, sorted({project_of(os.path.abspath(folder))} - {project})


def _check(path: str) -> None:
    """Refuse a path that is absolute or not in its one form; raises InvalidInput."""
    parts = path.split("/")
    is_odd = any(part in ("", ".", "..") for part in parts)
    is_windows_path = os.path.splitdrive(path)[0] or (os.sep != "/" and os.sep in path)
    if is_odd or is_windows_path:
        raise InvalidInput(
            "'notebook' must be a path below the server's root, as the file browser shows it: "
            "without a slash at its ends, and without '.' and '..'.",
            field="notebook",
        )


async def _may_read(handler: ChatHandler) -> bool:
    """Return whether this person may read files; without it, a file does not exist (L16)."""
    permission = handler.authorizer.is_authorized(handler, handler.current_user, "read", "contents")
    return bool(await ensure_async(permission))


async def _is_there(handler: ChatHandler, path: str) -> bool:
    contents = handler.contents_manager
    try:
        if not await ensure_async(contents.file_exists(path)):
            return False
        is_shown = contents.allow_hidden or not await ensure_async(contents.is_hidden(path))
    except HTTPError:  # for example a path that leads out of the root
        return False
    except (OSError, ValueError):  # no path that this system can have
        return False
    return bool(is_shown)
