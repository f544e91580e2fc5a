"""Opens files and folders below one folder, the root, and never reveals anything outside.

Paths come from a model. Symbolic links are resolved first, and the resolved path must be below the
root. Then its parts are opened one by one without following links, so that a link that was made
meanwhile causes an error and never opens a file elsewhere. Hidden files, key files, and Jupyter's
own folders with keys, tokens and chats are treated as missing. Private files are also compared by
device and inode, because a file may have several names. All functions block.
"""

from __future__ import annotations

import os
import stat
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from ....shared.errors import FileNotReadable

MAX_PATH_CHARS = 4096
BY_PARTS = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
# O_NONBLOCK: opening a FIFO must not wait for a writer. O_NOCTTY: do not take over a terminal.
FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
# System folders, with data such as the environments of processes and the secrets of containers.
_SYSTEM = ("/proc", "/sys", "/dev", "/run")
# Files and folders with keys, in lower case. They stay closed even if hidden files are shown.
_KEYS = frozenset(
    """
    .ssh .gnupg .aws .azure .kube .docker .jupyter .netrc .pgpass .pypirc .npmrc .git-credentials
    .password-store .config/gcloud .config/gh .config/rclone .config/op .local/share/keyrings
    .cargo/credentials.toml .cargo/credentials .vault-token .terraform.d .databrickscfg
    .cache/huggingface/token .huggingface/token .kaggle .env .config/git/credentials
    .m2/settings.xml .my.cnf .s3cfg .boto .oci .streamlit/secrets.toml
    """.split()  # noqa: SIM905  a list of names is read more easily so
)
_FOLDER_FLAGS = FLAGS | getattr(os, "O_DIRECTORY", 0)


FileId = tuple[int, int]  # a file's device and inode


def _never() -> None:
    """Never end the operation: the default of ``check``."""


@dataclass(frozen=True, kw_only=True)
class FoundEntry:
    """One entry of a folder: a regular file or a folder."""

    name: str
    is_folder: bool
    is_link: bool
    size: int
    modified_s: float


class BelowRoot:
    """The readable part of a folder.

    Args:
        root: the folder to which all paths are relative.
        shows_hidden: whether hidden files can be read, like Jupyter's ``allow_hidden``.
        private: folders and files that stay unreadable wherever they are.
    """

    def __init__(
        self, root: str, *, shows_hidden: bool = False, private: tuple[str, ...] = ()
    ) -> None:
        self._root = os.path.realpath(root)
        self._shows_hidden = shows_hidden
        system = [place for place in _SYSTEM if not _is_within(self._root, place)]
        self._private = tuple(os.path.realpath(place) for place in (*private, *system))

    @contextmanager
    def open_file(self, path: str) -> Iterator[BinaryIO]:
        """Open a regular file.

        Raises:
            FileNotReadable: there is no file at this path that a model may know of.
        """
        descriptor = self._open(path, FLAGS)
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise FileNotReadable(path, "It is a folder. Use the operation 'list'.")
            if not stat.S_ISREG(mode):
                raise FileNotReadable(path, "It is no regular file.")
            with _hiding_details(path), os.fdopen(descriptor, "rb", closefd=False) as file:
                yield file
        finally:
            os.close(descriptor)

    def entries(
        self, path: str, max_entries: int, check: Callable[[], None] = _never
    ) -> list[FoundEntry]:
        """List at most ``max_entries`` readable entries of a folder, in the order of the disk.

        Args:
            check: called for each entry; raises to end the operation.

        Raises:
            FileNotReadable: there is no such folder.
        """
        if not BY_PARTS:
            folder = os.path.join(self._root, *self.resolve(path))
            with _hiding_details(path), os.scandir(folder) as entries:
                return self._readable(path, entries, max_entries, check)
        descriptor = self._open(path, _FOLDER_FLAGS)
        try:
            with _hiding_details(path), os.scandir(descriptor) as entries:
                return self._readable(path, entries, max_entries, check)
        finally:
            os.close(descriptor)

    def _readable(
        self,
        path: str,
        entries: Iterator[os.DirEntry[str]],
        max_entries: int,
        check: Callable[[], None],
    ) -> list[FoundEntry]:
        readable: list[FoundEntry] = []
        private = self._private_ids()
        for entry in entries:
            check()
            if len(readable) == max_entries:
                break
            try:
                found_entry = self._entry(path, entry, private)
            except (OSError, ValueError, FileNotReadable):  # deleted, or a link to the outside
                continue
            if found_entry is not None:
                readable.append(found_entry)
        return readable

    def _entry(
        self, path: str, entry: os.DirEntry[str], private: Collection[FileId]
    ) -> FoundEntry | None:
        """Describe an entry; None if a model may not know of it."""
        entry.name.encode()  # raises for a name that is no valid text
        if not self._shows_hidden and entry.name.startswith("."):
            return None
        status = entry.stat()
        if _file_id_in(status) in private or _holds_keys((*path.split("/"), entry.name)):
            return None
        is_folder = stat.S_ISDIR(status.st_mode)
        if not (is_folder or stat.S_ISREG(status.st_mode)):
            return None
        is_link = entry.is_symlink()
        if is_link or is_folder:
            self.resolve(f"{path.rstrip('/')}/{entry.name}".removeprefix("/"))
        return FoundEntry(
            name=entry.name,
            is_folder=is_folder,
            is_link=is_link,
            size=status.st_size,
            modified_s=status.st_mtime,
        )

    def _open(self, path: str, flags: int) -> int:
        parts = self.resolve(path)
        with _hiding_details(path):
            if not BY_PARTS:
                return self._open_and_compare(path, parts, flags)
            folder = os.open(self._root, _FOLDER_FLAGS & ~os.O_NOFOLLOW)
            try:
                for part in parts[:-1]:
                    inner = os.open(part, _FOLDER_FLAGS, dir_fd=folder)
                    os.close(folder)
                    folder = inner
                return os.open(parts[-1] if parts else ".", flags, dir_fd=folder)
            finally:
                os.close(folder)

    def _open_and_compare(self, path: str, parts: tuple[str, ...], flags: int) -> int:
        """Open a file on a system that cannot open by parts, and check its location afterwards."""
        descriptor = os.open(os.path.join(self._root, *parts), flags)
        try:
            if self.resolve(path) == parts:
                return descriptor
        except FileNotReadable:
            pass
        os.close(descriptor)
        raise FileNotReadable(path)

    def resolve(self, path: str) -> tuple[str, ...]:
        """Resolve a path, and return its parts below the root; empty for the root itself."""
        path_parts = self._parts_of(path)
        try:
            real = os.path.realpath(os.path.join(self._root, *path_parts), strict=True)
            if not _is_within(real, self._root):
                raise FileNotReadable(path)
            parts = Path(real).relative_to(self._root).parts
            if _holds_keys(parts) or self._is_private(real, parts):
                raise FileNotReadable(path)
            if not self._shows_hidden and any(
                _is_hidden(self._root, names) for names in (path_parts, parts)
            ):
                raise FileNotReadable(path)
        except (OSError, ValueError):  # a path outside gets the same error
            raise FileNotReadable(path) from None
        return parts

    def _is_private(self, real: str, parts: tuple[str, ...]) -> bool:
        """Return whether a path is private or within a private folder, under any name."""
        comparable = _comparable(real)
        if any(_is_within(comparable, _comparable(place)) for place in self._private):
            return True
        private = self._private_ids()
        folders = accumulate((self._root, *parts), os.path.join)
        return any(_file_id_of(folder) in private for folder in folders)

    def _private_ids(self) -> set[FileId]:
        ids = map(_file_id_of, self._private)
        return {id_ for id_ in ids if id_ is not None}

    def _parts_of(self, path: str) -> tuple[str, ...]:
        """Return the parts of a model's path; ``""`` and ``.`` mean the root."""
        if len(path) > MAX_PATH_CHARS:
            raise FileNotReadable(path[:100], "Its path is too long.")
        text = path.replace(os.sep, "/").rstrip("/")
        if text in ("", "."):
            if path.startswith("/"):
                raise FileNotReadable(path)
            return ()
        parts = tuple(text.removeprefix("./").split("/"))
        is_drive = bool(os.path.splitdrive(path)[0])
        if is_drive or any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise FileNotReadable(path)
        return parts


@contextmanager
def _hiding_details(path: str) -> Iterator[None]:
    """Turn an error of the system into an error that reveals only the path."""
    try:
        yield
    except NotADirectoryError:
        raise FileNotReadable(path, "It is a file. Use the operation 'read'.") from None
    except PermissionError:
        raise FileNotReadable(path, "The server may not read it.") from None
    except (OSError, ValueError):
        raise FileNotReadable(path) from None


def _comparable(path: str) -> str:
    """Normalize a path as its system compares it: some systems ignore upper and lower case."""
    return path.casefold() if sys.platform in ("darwin", "win32") else path


def _file_id_of(path: str) -> FileId | None:
    try:
        return _file_id_in(os.stat(path))
    except OSError:
        return None


def _file_id_in(status: os.stat_result) -> FileId | None:
    """Return a file's device and inode; None if the file system does not have them."""
    return (status.st_dev, status.st_ino) if status.st_ino else None


def _holds_keys(parts: Sequence[str]) -> bool:
    """Return whether a path contains a file or folder with keys of programs."""
    names = [unicodedata.normalize("NFKC", part).casefold() for part in parts]
    ways = (names[at:end] for end in range(1, len(names) + 1) for at in range(max(0, end - 3), end))
    return any("/".join(way) in _KEYS for way in ways)


def _is_within(path: str, folder: str) -> bool:
    try:
        return os.path.commonpath((path, folder)) == folder
    except ValueError:  # the paths are on different drives
        return False


def _is_hidden(root: str, parts: tuple[str, ...]) -> bool:
    """Return whether a part of a path is hidden, by its name or by a system attribute."""
    from jupyter_core.paths import is_file_hidden

    folder = root
    for part in parts:
        folder = os.path.join(folder, part)
        if part.startswith(".") or is_file_hidden(folder):
            return True
    return False
