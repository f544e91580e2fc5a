"""Private files are closed to others; what is no plain file is refused without waiting."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_chat_stream.shared import connection_file
from jupyter_chat_stream.shared.errors import DatabaseUnreadable, ServerUnavailable
from jupyter_chat_stream.store.store import Store

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes and pipes are POSIX")
ODD: dict[str, Callable[[Path], object]] = {
    "a directory": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to a pipe": lambda path: (os.mkfifo(f"{path}.pipe"), path.symlink_to(f"{path}.pipe")),
}


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
@pytest.mark.parametrize("end", ["", "-wal"])
def test_a_database_that_is_no_plain_file_is_refused(
    tmp_path: Path, make: Callable[[Path], object], end: str
) -> None:
    make(tmp_path / f"chat.db{end}")
    with pytest.raises(DatabaseUnreadable, match="no plain file"):
        Store.open(f"sqlite:///{tmp_path / 'chat.db'}")


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
def test_a_connection_file_that_is_none_is_refused(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "connection.json")
    with pytest.raises(ServerUnavailable, match="no plain file"):
        connection_file.read(tmp_path / "connection.json")


def test_a_database_that_lies_open_is_closed_with_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "chat-stream"
    folder.mkdir(mode=0o755)
    path = folder / "chat.db"
    path.touch()
    path.chmod(0o644)
    folder.chmod(0o755)
    Store.open(f"sqlite:///{path}").close()
    assert (mode(path), mode(folder)) == (0o600, 0o700)


def test_a_folder_that_others_may_write_to_is_left_and_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o777)
    store = Store.open(f"sqlite:///{tmp_path / 'chat.db'}")
    assert store.database.describe()["open_to_others"] == [str(tmp_path)]
    store.close()
    assert mode(tmp_path) == 0o777
    assert "file.open_to_others" in caplog.text
