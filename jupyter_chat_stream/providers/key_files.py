"""Finds the key for an API, and keeps the key that a person sets on the page.

The key is in a variable of the Jupyter server's environment, or else in a key file that only its
owner may read. Every request checks whether the file has changed, so the key can be set, changed
and removed without a restart. No message of this module holds a key.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from ..shared.errors import BadKey, InvalidInput, KeyElsewhere, KeyNotKept, MissingKey
from ..shared.files import open_plain, refuse_unless_plain
from ..shared.folders import make_private

MAX_KEY_FILE_BYTES = 4096


def default_key_file(provider: str) -> Path:
    """Return the path of a provider's key file under Jupyter's data directory."""
    from jupyter_core.paths import jupyter_data_dir  # imports in 20 ms; few need it

    return Path(jupyter_data_dir()) / "chat-stream" / f"{provider}.key"


class KeySource(ABC):
    """Finds the key anew at each request.

    Args:
        env_key: the variable that holds the key; empty if there is none.
        environ: the environment; None for `os.environ`.
    """

    def __init__(self, env_key: str, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self.env_key = env_key
        self._file_state: tuple[object, ...] = ()
        self._key = ""

    @property
    @abstractmethod
    def path(self) -> Path:
        """The path of the key file, which need not exist."""

    def read(self) -> str:
        """Return the key.

        Raises:
            MissingKey: there is no key, or other users can read its file.
            BadKey: the text found cannot be a key.
        """
        key = self._environ.get(self.env_key, "").strip()
        source = f"the environment variable {self.env_key}"
        if not key:
            key = self._read_file()
            source = f"the key file {str(self.path)!r}"
        if not key:
            raise self._missing_key()
        if not _can_be_key(key):
            raise BadKey(
                f"The text in {source} cannot be a key: it holds blanks, line breaks or "
                "characters outside ASCII. Write the key there and nothing else."
            )
        return key

    def is_there(self) -> bool:
        """Whether a key can be read now."""
        try:
            self.read()
        except (MissingKey, BadKey):
            return False
        return True

    @property
    def is_in_environment(self) -> bool:
        """Whether a variable holds the key, so that no key file is read."""
        return bool(self._environ.get(self.env_key, "").strip())

    def place(self, *, with_path: bool) -> str:
        """Return the place where the key is, or where the next one is kept, for sentences.

        Args:
            with_path: whether the reader may know the path of the key file.
        """
        if self.is_in_environment:
            return f"the environment variable {self.env_key} of the Jupyter server"
        return f"the file {str(self.path)!r}" if with_path else "a key file of the Jupyter server"

    def write(self, text: str) -> None:
        """Keep a key in the key file, in one step and with mode 0600.

        Raises:
            InvalidInput: the text cannot be a key.
            KeyElsewhere: the key comes from the environment, and no file would be read.
            KeyNotKept: the file cannot be written.
        """
        self._refuse_in_environment()
        key = text.strip()
        if not key or len(key) >= MAX_KEY_FILE_BYTES or not _can_be_key(key):
            raise InvalidInput(
                "This cannot be a key: a key is one line of ASCII characters without blanks. Copy "
                "it again from the page where you made it.",
                field="key",
            )
        try:
            if self.path == default_key_file(self.path.stem):
                make_private(self.path.parent)
            _replace(self.path, key)
        except OSError as error:
            raise KeyNotKept(str(self.path), error.strerror or type(error).__name__) from error
        self._file_state = ()

    def remove(self) -> None:
        """Remove the key file; a file that is not there is no error.

        Raises:
            KeyElsewhere: the key comes from the environment.
            KeyNotKept: the file cannot be removed.
        """
        self._refuse_in_environment()
        try:
            refuse_unless_plain(self.path)
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise KeyNotKept(str(self.path), error.strerror or type(error).__name__) from error
        self._file_state = ()

    def _refuse_in_environment(self) -> None:
        if self.is_in_environment:
            raise KeyElsewhere(
                f"The key comes from {self.place(with_path=False)}. Change it there, or unset the "
                "variable, and start the server again."
            )

    def _read_file(self) -> str:
        path = self.path
        try:
            with open_plain(path) as file:
                status = os.fstat(file.fileno())
                self._refuse_if_open_to_others(path, status)
                state = (path, status.st_mtime_ns, status.st_size, status.st_ino)
                if state != self._file_state:
                    text = file.read(MAX_KEY_FILE_BYTES).decode("utf-8", "replace")
                    self._key, self._file_state = text.strip(), state
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise MissingKey(
                f"The key file {str(path)!r} cannot be read ({error.strerror}). "
                "Make it a file that the user of the Jupyter server can read."
            ) from error
        return self._key

    @staticmethod
    def _refuse_if_open_to_others(path: Path, status: os.stat_result) -> None:
        if os.name == "nt":  # there the mode does not decide who may read
            return
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise MissingKey(
                f"The key file {str(path)!r} is open to other users of this machine "
                f"(mode {stat.S_IMODE(status.st_mode):04o}), so it is not used. "
                f"Run: chmod 600 {str(path)!r}"
            )

    @abstractmethod
    def _missing_key(self) -> MissingKey:
        """Make the error that tells where to put the key."""


def _can_be_key(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _replace(path: Path, text: str) -> None:
    """Write a private file in one step; a link stays, and the file that it names is replaced."""
    refuse_unless_plain(path)
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
