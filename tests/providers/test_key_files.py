"""Where the key comes from, and that no sentence about it holds one."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_chat_stream.providers.anthropic.key import ClaudeKey
from jupyter_chat_stream.providers.key_files import default_key_file
from jupyter_chat_stream.shared.errors import BadKey, MissingKey

KEY = "sk-ant-0123"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "key", "from-the-file")
    assert ClaudeKey(path, {"ANTHROPIC_API_KEY": f" {KEY}\n"}).read() == KEY
    assert ClaudeKey(path, {"ANTHROPIC_API_KEY": "  "}).read() == "from-the-file"


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "key"
    keys = ClaudeKey(path, {})
    assert not keys.is_there()
    for text in ("first", "second-key", "third"):
        write(path, text + "\n")
        assert keys.read() == text
        assert keys.read() == text
    path.unlink()
    assert not keys.is_there()


def test_a_missing_key_says_that_env_reaches_the_kernel_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "anthropic.key"
    with pytest.raises(MissingKey) as caught:
        ClaudeKey(path, {}).read()
    for part in ("%env", "kernel", "ANTHROPIC_API_KEY", "JupyterLab is started", str(path), "0600"):
        assert part in caught.value.message


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o660, 0o610])
def test_a_file_others_can_open_is_refused_with_the_command_to_run(
    mode: int, tmp_path: Path
) -> None:
    path = write(tmp_path / "key", KEY, mode)
    with pytest.raises(MissingKey) as caught:
        ClaudeKey(path, {}).read()
    assert "chmod 600" in caught.value.message
    assert f"{mode:04o}" in caught.value.message
    assert KEY not in caught.value.message
    path.chmod(0o600)
    assert ClaudeKey(path, {}).read() == KEY


@pytest.mark.parametrize("text", ["two words", "one\ntwo", "kéy", "a\x00b", "tab\tkey"])
def test_what_cannot_be_a_key_is_refused_unsaid(text: str, tmp_path: Path) -> None:
    path = write(tmp_path / "key", text)
    for keys in (ClaudeKey(path, {}), ClaudeKey(path, {"ANTHROPIC_API_KEY": text})):
        with pytest.raises(BadKey) as caught:
            keys.read()
        assert text not in caught.value.message
        assert not keys.is_there()


def test_a_folder_in_the_files_place_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(MissingKey, match="cannot be read"):
        ClaudeKey(tmp_path, {}).read()


def test_an_empty_file_is_a_missing_key(tmp_path: Path) -> None:
    with pytest.raises(MissingKey, match="%env"):
        ClaudeKey(write(tmp_path / "key", "\n"), {}).read()


def test_the_environment_can_say_where_the_file_is(tmp_path: Path) -> None:
    elsewhere = write(tmp_path / "elsewhere", KEY)
    environ = {"JUPYTER_CHAT_STREAM_ANTHROPIC_KEY_FILE": str(elsewhere)}
    assert ClaudeKey(tmp_path / "unused", environ).read() == KEY


def test_the_file_is_in_jupyters_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    assert default_key_file("anthropic") == tmp_path / "chat-stream" / "anthropic.key"
    assert ClaudeKey(environ={}).path == default_key_file("anthropic")
