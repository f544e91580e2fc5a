"""A private server that cannot be started: the sentence names what is short and a next step."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.kernel import private_server
from jupyter_chat_stream.shared.errors import DataFolderRefused, ServerUnavailable


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(private_server, "current_leash", private_server.ServerLeash())
    return tmp_path / "data"


@contextmanager
def no_file_left() -> Iterator[None]:
    """Let this process open no further file."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Path(os.devnull).open("rb") as last:
        resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno(), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_too_many_open_files_are_no_matter_of_the_data_folder() -> None:
    private_server.server_files()
    with no_file_left(), pytest.raises(ServerUnavailable) as refusal:
        private_server.connect()
    for words in ("too many files open", "ulimit -n", "try again"):
        assert words in refusal.value.message


def test_a_python_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = str(tmp_path / "old" / "bin" / "python")
    monkeypatch.setattr(sys, "executable", gone)
    with pytest.raises(ServerUnavailable) as refusal:
        private_server.connect()
    assert gone in refusal.value.message
    assert "Restart the kernel" in refusal.value.message


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
def test_a_system_that_starts_no_process_is_named(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(private_server.ServerProcess, "__init__", refuse)
    with pytest.raises(ServerUnavailable, match=r"no more processes.*try again"):
        private_server.connect()


def test_what_is_wrong_in_the_folder_names_the_folder() -> None:
    private_server.server_files().log.mkdir()
    with pytest.raises(DataFolderRefused) as refusal:
        private_server.connect()
    assert str(private_server.server_files().log) in refusal.value.message
    assert "JUPYTER_DATA_DIR" in refusal.value.message


def test_a_full_disk_names_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any, *args: Any, **options: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DataFolderRefused, match=r"No space left on device.*with free space"):
        private_server.connect()


def test_a_leash_is_felt_whatever_the_number_of_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """`select` refuses files from 1024 on, which a busy kernel reaches."""
    resource = pytest.importorskip("resource")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < 1200:
        pytest.skip("this system allows no file of such a number")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 1200), most))
    ours, theirs = socket.socketpair()
    try:
        os.dup2(ours.fileno(), 1100)
        leash = private_server.ServerLeash()
        leash.socket = socket.socket(fileno=1100)
        leash.socket.setblocking(False)
        assert leash.is_held()
        theirs.close()
        ours.close()
        assert not leash.is_held()
        leash.drop()
    finally:
        ours.close()
        theirs.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
