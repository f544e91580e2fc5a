"""The connection file: what a kernel needs, and nobody else may read."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_chat_stream._version import PROTOCOL_VERSION, __version__
from jupyter_chat_stream.server.extension import port_of
from jupyter_chat_stream.server.presence import Presence
from jupyter_chat_stream.shared import connection_file
from jupyter_chat_stream.shared.config import CONNECTION_ENV
from jupyter_chat_stream.shared.connection_file import Connection
from jupyter_chat_stream.shared.errors import ServerUnavailable, VersionMismatch
from tests.server.conftest import StartServer
from tests.server.harness import ChatServer, until

HERE = Connection(url="http://127.0.0.1:8888/api/chat-stream/", token="s3cret", pid=7)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    connection_file.write(tmp_path / "here" / "c.json", HERE)
    assert connection_file.read(tmp_path / "here" / "c.json") == HERE


@pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")
def test_the_file_is_0600_in_a_folder_of_0700_whatever_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir(mode=0o755)
    (folder / "c.json").write_text("{}")
    (folder / "c.json").chmod(0o644)
    connection_file.write(folder / "c.json", HERE)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "c.json").stat().st_mode) == 0o600
    assert [file.name for file in folder.iterdir()] == ["c.json"]


def test_the_token_is_not_in_the_repr() -> None:
    assert "s3cret" not in repr(HERE)


def test_a_file_that_is_another_server_s_by_now_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    connection_file.write(path, HERE)
    assert not connection_file.remove(path, "another")
    assert path.exists()
    assert connection_file.remove(path, "s3cret")
    assert not path.exists()
    assert not connection_file.remove(path, "s3cret")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"url": "http://x/"}', "'token' is missing"),
        (json.dumps({**vars(HERE), "pid": "7"}), "'pid' has the wrong type"),
        (json.dumps({**vars(HERE), "url": "ftp://x/"}), "'url' is not the address"),
        (json.dumps({**vars(HERE), "token": ""}), "'token' is empty"),
        (" " * (connection_file.MAX_FILE_BYTES + 1), "larger than"),
    ],
)
def test_a_file_that_is_no_connection_says_why(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(content)
    with pytest.raises(ServerUnavailable, match=says):
        connection_file.read(path)


def test_a_missing_file_says_that_the_server_has_ended(tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailable, match="has ended"):
        connection_file.read(tmp_path / "gone.json")


def test_without_a_server_it_says_where_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONNECTION_ENV, raising=False)
    with pytest.raises(ServerUnavailable, match="where JupyterLab runs"):
        connection_file.find()


def test_another_protocol_is_a_version_mismatch_that_names_both(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    content = {**vars(HERE), "protocol": PROTOCOL_VERSION + 1, "version": "9.9"}
    path.write_text(json.dumps(content))
    with pytest.raises(VersionMismatch, match=r"9\.9.*" + __version__):
        connection_file.read(path)


def test_a_newer_file_may_say_more(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({**vars(HERE), "colour": "blue"}))
    assert connection_file.read(path) == HERE


async def test_a_server_writes_its_own_address_where_the_environment_says(
    chat_server: ChatServer,
) -> None:
    path = Path(os.environ[CONNECTION_ENV])
    found = connection_file.find()
    assert found.url == chat_server.url
    assert found.pid == os.getpid()
    assert found.version == __version__
    assert str(os.getpid()) in path.name
    assert path.is_relative_to(os.environ["JUPYTER_RUNTIME_DIR"])
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    reply = await chat_server.ask("GET", "status", url=found.url, headers=found.headers())
    assert reply.status == 200


async def test_it_names_the_base_url(start_server: StartServer) -> None:
    server = await start_server(ServerApp_base_url="/user/ada/")
    found = connection_file.find()
    assert found.url.endswith("/user/ada/api/chat-stream/")
    reply = await server.ask("GET", "status", url=found.url, headers=found.headers())
    assert reply.status == 200


async def test_a_server_on_all_addresses_is_reached_by_loopback(start_server: StartServer) -> None:
    await start_server(ServerApp_ip="0.0.0.0")
    assert connection_file.find().url.startswith("http://127.0.0.1:")


async def test_file_and_variable_go_with_the_server(start_server: StartServer) -> None:
    server = await start_server()
    path = Path(os.environ[CONNECTION_ENV])
    await server.extension.stop_extension()
    assert not path.exists()
    assert CONNECTION_ENV not in os.environ


def remove_file(path: Path) -> None:
    path.unlink()


def remove_folder(path: Path) -> None:
    shutil.rmtree(path.parents[1])


def write_something_else(path: Path) -> None:
    path.write_text("{}")


def write_another_servers(path: Path) -> None:
    connection_file.write(path, replace(HERE, pid=99))


def link_it_to_nowhere(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


@pytest.mark.parametrize(
    "harm",
    [
        remove_file,
        remove_folder,
        write_something_else,
        write_another_servers,
        link_it_to_nowhere,
    ],
)
async def test_the_file_is_written_again_where_its_folder_was_cleaned(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(Presence, "look_s", 0.01)
    await start_server()
    path = Path(os.environ[CONNECTION_ENV])
    written = connection_file.find()
    harm(path)
    await until(lambda: connection_file.is_kept(path, written))
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_runtime_folder_that_takes_no_file_is_told_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Presence, "look_s", 0.001)
    blocked = tmp_path / "run"
    blocked.write_text("a file where the folder should be")
    presence = Presence(blocked / "chat-stream" / "c.json", HERE)
    looks = []
    is_kept = connection_file.is_kept
    monkeypatch.setattr(connection_file, "is_kept", lambda *of: looks.append(1) or is_kept(*of))
    presence.begin()
    await until(lambda: len(looks) > 3)
    (told,) = (line for line in caplog.messages if "connection_file.refused" in line)
    assert str(blocked) in told
    blocked.unlink()
    await until(lambda: (blocked / "chat-stream" / "c.json").exists())
    await presence.end()
    assert list((blocked / "chat-stream").iterdir()) == []


async def test_the_port_is_the_bound_one_where_the_server_keeps_its_0(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As jupyter-server before 2.20 does with ``--port=0``."""
    port = port_of(chat_server.app)
    assert str(port) in chat_server.root
    monkeypatch.setattr(chat_server.app, "port", 0)
    assert port_of(chat_server.app) == port
