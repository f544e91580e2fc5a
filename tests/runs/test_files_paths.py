"""The tool ``files`` and the paths of a model: what lies outside of the root is never reached."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from jupyter_chat_stream.runs.tools.files import below_root
from jupyter_chat_stream.runs.tools.files.below_root import BelowRoot
from jupyter_chat_stream.runs.tools.files.tool import FilesTool
from jupyter_chat_stream.runs.tools.registry import make_server_tools
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.errors import FileNotReadable
from tests.runs.file_calls import SECRET, make, read

OUTSIDE = [
    "../secret.txt",
    "sub/../../secret.txt",
    "./../secret.txt",
    "/etc/passwd",
    "//etc/passwd",
    "/",
    "..",
    "sub/..",
    "a.txt/../a.txt",
    "link.txt",
    "link/secret.txt",
    "sub/up/secret.txt",
    "loop",
    "a.txt\0",
    "\udcff",
    "x" * 5000,
    "nothing",
    "~/secret.txt",
    "file:///etc/passwd",
    "..\\secret.txt",
]


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("operation", ["read", "list", "search"])
async def test_a_path_that_leads_out_of_the_root_leads_nowhere(
    root: Path, path: str, operation: str
) -> None:
    """Also by links; and what is outside is answered as what does not exist (L16)."""
    (root / "sub").mkdir()
    (root / "link.txt").symlink_to(root.parent / "secret.txt")
    (root / "link").symlink_to(root.parent)
    (root / "sub" / "up").symlink_to("../..")
    (root / "loop").symlink_to("loop")
    done = await make(root, operation=operation, path=path, text="secret")
    assert not done.success, done.output
    assert SECRET not in str(done.output)
    if len(path) < 100:
        assert done.output == FileNotReadable(path).message


async def test_a_folder_beside_the_root_whose_name_begins_alike_is_outside(root: Path) -> None:
    (root.parent / "root2").mkdir()
    (root.parent / "root2" / "s.txt").write_text(SECRET)
    (root / "link").symlink_to(root.parent / "root2")
    assert not (await make(root, operation="read", path="link/s.txt")).success


async def test_a_link_within_the_root_is_followed(root: Path) -> None:
    (root / "sub").mkdir()
    (root / "sub" / "to_a.txt").symlink_to(root / "a.txt")
    assert (await read(root, "sub/to_a.txt"))["text"].startswith("one")


async def test_a_root_that_is_itself_a_link_is_read(root: Path) -> None:
    (root.parent / "alias").symlink_to(root)
    assert (await read(root.parent / "alias", "a.txt"))["text"].startswith("one")


@pytest.mark.parametrize("path", [".notes", ".cache/key", "to_notes", "to_cache/key"])
async def test_a_hidden_file_is_read_only_if_the_server_shows_it(root: Path, path: str) -> None:
    """Also by a link whose own name is not hidden."""
    (root / ".notes").write_text(SECRET)
    (root / ".cache").mkdir()
    (root / ".cache" / "key").write_text(SECRET)
    (root / "to_notes").symlink_to(".notes")
    (root / "to_cache").symlink_to(".cache")
    assert not (await make(root, operation="read", path=path)).success
    listed = (await make(root, operation="list")).output["entries"]
    assert [entry["name"] for entry in listed] == ["a.txt"]
    assert (await make(root, operation="search", text=SECRET)).output["hits"] == []
    shown = BelowRoot(str(root), shows_hidden=True)
    assert (await read(shown, path))["text"] == SECRET


async def test_the_folders_of_jupyter_itself_stay_closed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens, keys and the chats of others are there, also where hidden files are shown (L16)."""
    for name, variable in [("run", "JUPYTER_RUNTIME_DIR"), ("conf", "JUPYTER_CONFIG_DIR")]:
        monkeypatch.setenv(variable, str(root / name))
        (root / name).mkdir()
        (root / name / "token.json").write_text(SECRET)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(root / "data"))
    (root / "data" / "chat-stream").mkdir(parents=True)
    (root / "data" / "chat-stream" / "keys.json").write_text(SECRET)
    (root / "data" / "mine.txt").write_text("open")
    given = {"key": root / "key.txt", "database": root / "chat.txt", "pem": root / "server.pem"}
    for path in (*given.values(), root / "data" / "notebook_secret"):
        path.write_text(SECRET)
    config = ChatStream(
        files_root=str(root),
        shows_hidden_files=True,
        endpoints={"lab": {"base_url": "http://x", "key_file": str(given["key"])}},
        database_url=f"sqlite:///{given['database']}",
        private_files=[str(given["pem"])],
    )
    tool = await make_server_tools(config).find("files")
    assert isinstance(tool, FilesTool)
    below = tool.below
    closed = ["run/token.json", "conf/token.json", "data/chat-stream/keys.json"]
    closed += ["key.txt", "chat.txt", "server.pem", "data/notebook_secret"]
    for name in closed:
        assert not (await make(below, operation="read", path=name)).success, name
    assert (await make(below, operation="search", text=SECRET)).output["hits"] == []
    assert (await read(below, "data/mine.txt"))["text"] == "open"


async def test_what_is_no_regular_file_is_neither_opened_nor_waited_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(root / "pipe")
    (root / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(root)  # a socket's path is short
        listener.bind("sock")
        for name in ("pipe", "null", "sock"):
            assert not (await make(root, operation="read", path=name)).success
    assert [
        hit["path"] for hit in (await make(root, operation="search", name="*")).output["hits"]
    ] == ["a.txt"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all files")
async def test_a_file_that_the_server_may_not_read_is_told_so(root: Path) -> None:
    (root / "a.txt").chmod(0)
    assert "may not read" in (await make(root, operation="read", path="a.txt")).output


@pytest.mark.parametrize("place", ["file", "folder"])
def test_a_link_that_takes_the_place_of_a_file_meanwhile_is_not_followed(
    root: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the check of a path and its opening, a kernel may replace any part of it."""
    (root / "sub").mkdir()
    (root / "sub" / "secret.txt").write_text("harmless")
    below = BelowRoot(str(root))
    resolve = below.resolve

    def resolve_then_replace(path: str) -> tuple[str, ...]:
        parts = resolve(path)
        if place == "file":
            (root / "sub" / "secret.txt").unlink()
            (root / "sub" / "secret.txt").symlink_to(root.parent / "secret.txt")
        else:
            (root / "sub").rename(root / "moved")
            (root / "sub").symlink_to(root.parent)
        return parts

    monkeypatch.setattr(below, "resolve", resolve_then_replace)
    with pytest.raises(FileNotReadable), below.open_file("sub/secret.txt"):
        pass


def test_without_opening_by_parts_a_replaced_file_is_found_out_afterwards(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has no such way to open; there the path is resolved once more."""
    monkeypatch.setattr(below_root, "BY_PARTS", False)
    monkeypatch.setattr(below_root, "FLAGS", os.O_RDONLY)
    below = BelowRoot(str(root))
    with below.open_file("a.txt") as file:
        assert file.read().startswith(b"one")
    assert [entry.name for entry in below.entries("", 9)] == ["a.txt"]
    resolve = below.resolve

    def resolve_then_replace(path: str) -> tuple[str, ...]:
        parts = resolve(path)
        (root / "a.txt").unlink()
        (root / "a.txt").symlink_to(root.parent / "secret.txt")
        return parts

    monkeypatch.setattr(below, "resolve", resolve_then_replace)
    with pytest.raises(FileNotReadable), below.open_file("a.txt"):
        pass
