"""A folder of the chat's that cannot be made says so with path, reason and next step."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_chat_stream.kernel import private_server
from jupyter_chat_stream.shared.config import ChatStream, data_dir
from jupyter_chat_stream.shared.errors import DataFolderRefused

NEXT_STEP = "JUPYTER_DATA_DIR"


def file_in_its_place(data: Path) -> Path:
    data.mkdir()
    (data / "chat-stream").write_text("a file where the folder should be")
    return data


def file_above_it(data: Path) -> Path:
    data.write_text("a file where the data directory should be")
    return data


def link_to_nowhere(data: Path) -> Path:
    data.mkdir()
    (data / "chat-stream").symlink_to(data / "nowhere")
    return data


def too_long(data: Path) -> Path:
    return data / ("long" * 100)


def device(_: Path) -> Path:
    return Path("/dev/null/data")


HARMS: list[Callable[[Path], Path]] = [file_in_its_place, file_above_it, link_to_nowhere, too_long]
if os.name == "posix":
    HARMS.append(device)


@pytest.fixture(params=HARMS)
def refused(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A data directory in which the chat's folder cannot be made."""
    harm: Callable[[Path], Path] = request.param
    data = harm(tmp_path / "data")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(data))
    return data


def test_the_sentence_has_path_reason_and_next_step(refused: Path) -> None:
    for ask in (data_dir, ChatStream().resolved_database_url, private_server.server_files):
        with pytest.raises(DataFolderRefused) as refusal:
            ask()
        message = refusal.value.message
        assert str(refused / "chat-stream") in message
        assert NEXT_STEP in message
        assert refusal.value.code == "data_folder_refused"


@pytest.mark.parametrize("command", ["status", "worker", "check"])
def test_the_commands_say_so(
    tmp_path: Path, jupyter_environment: dict[str, str], command: str
) -> None:
    data = link_to_nowhere(tmp_path / "data")
    environment = {**jupyter_environment, "JUPYTER_DATA_DIR": str(data)}
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_chat_stream", command],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert str(data / "chat-stream") in done.stderr
    assert "leads nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_chat_in_a_script_says_so(tmp_path: Path, jupyter_environment: dict[str, str]) -> None:
    data = file_in_its_place(tmp_path / "data")
    environment = {**jupyter_environment, "JUPYTER_DATA_DIR": str(data)}
    done = subprocess.run(
        [sys.executable, "-c", "from jupyter_chat_stream import Chat; Chat('x')"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert "DataFolderRefused" in last
    assert str(data / "chat-stream") in last


@pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")
def test_what_is_made_is_private_all_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "a" / "b"))
    folder = data_dir()
    for each in (folder, *folder.parents[:2]):
        assert stat.S_IMODE(each.stat().st_mode) == 0o700
    folder.chmod(0o755)
    assert stat.S_IMODE(data_dir().stat().st_mode) == 0o700
