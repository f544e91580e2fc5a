"""The tool ``files`` where its root is a home, or the whole disk: keys and chats stay closed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.runs.tools.base import ServerTools
from jupyter_chat_stream.runs.tools.files.below_root import BelowRoot
from jupyter_chat_stream.runs.tools.files.tool import FilesTool
from jupyter_chat_stream.runs.tools.registry import make_server_tools
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.errors import FileNotReadable, Forbidden
from tests.runs.file_calls import SECRET, make

# Each holds a secret below the home. In front, those that stay closed where hidden files are shown.
KEYS = [
    ".ssh/id_ed25519",
    ".aws/credentials",
    ".gnupg/private-keys-v1.d/a.key",
    ".kube/config",
    ".docker/config.json",
    ".jupyter/jupyter_server_config.json",
    ".config/gcloud/credentials.db",
    ".config/gh/hosts.yml",
    ".netrc",
    ".pgpass",
    ".git-credentials",
    "work/copy/.ssh/id_rsa",
    ".env",
    "work/project/.env",
    ".config/git/credentials",
    ".m2/settings.xml",
]
HIDDEN = [".bash_history", ".config/other/a", ".local/share/x"]
PRIVATE = [
    "db/chat.db",
    "db/chat.db-wal",
    "db/chat.db-shm",
    "db/chat.db-journal",
    "db/owners/one.lock",
    "data/chat-stream/anthropic.key",
    "data/notebook_secret",
    "run/jpserver-1.json",
    "conf/jupyter_server_config.py",
    "keys/lab.txt",
    "server.pem",
]
# Other names of files; "open" is one that may be read.
LINKS = {
    "to_ssh": ".ssh",
    "to_key": ".ssh/id_ed25519",
    "to_db": "db",
    "work/up": "..",
    "work/abs": "{home}/data/chat-stream",
}
BY_LINKS = ["to_ssh/id_ed25519", "to_key", "to_db/chat.db", "work/up/.ssh/id_ed25519"]
BY_LINKS += ["work/abs/anthropic.key", "work/up/work/up/db/chat.db", "hard.txt", "hard_key.txt"]
SPELLED = [
    "work/../.ssh/id_ed25519",
    "./.ssh/id_ed25519",
    ".SSH/id_ed25519",
    "\uff0essh/id_ed25519",
    ".ssh/./id_ed25519",
    ".ssh//id_ed25519",
    ".ssh/id_ed25519/",
    "{home}/.ssh/id_ed25519",
    "/{home}/.ssh/id_ed25519",
    "~/.ssh/id_ed25519",
    "~/work/open.txt",
    "file://{home}/.ssh/id_ed25519",
    "db/CHAT.DB/../chat.db",
    "%2essh/id_ed25519",
    ".ssh\\id_ed25519",
    "db/chat.db\0.txt",
]
SYSTEM = ["proc/self/environ", "proc/self/cmdline", "proc/1/environ", "sys/kernel/notes"]
SYSTEM += ["proc/self/root/proc/self/environ", "proc/self/fd/0", "dev/null", "run"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with secrets everywhere, which the settings and Jupyter name."""
    home = tmp_path / "home"
    for name in (*KEYS, *HIDDEN, *PRIVATE, "work/open.txt"):
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("open" if name == "work/open.txt" else SECRET)
    for name, to in LINKS.items():
        (home / name).symlink_to(to.format(home=home))
    os.link(home / "server.pem", home / "hard.txt")
    os.link(home / "db/chat.db", home / "hard_key.txt")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(home / "data"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(home / "run"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(home / "conf"))
    return home


async def tool_of(home: Path, root: str, *, shows_hidden: bool) -> BelowRoot:
    config = ChatStream(
        files_root=root,
        shows_hidden_files=shows_hidden,
        endpoints={"lab": {"base_url": "http://x", "key_file": "~/keys/lab.txt"}},
        database_url=f"sqlite:///{home / 'db/chat.db'}",
        private_files=[str(home / "server.pem")],
    )
    tool = await make_server_tools(config).find("files")
    assert isinstance(tool, FilesTool)
    return tool.below


@pytest.mark.parametrize("shows_hidden", [False, True])
@pytest.mark.parametrize("root", ["~", "/"])
async def test_no_key_and_no_chat_is_read_listed_or_found(
    home: Path, root: str, shows_hidden: bool
) -> None:
    """L16: by no name that leads there, and answered as what does not exist."""
    below = await tool_of(home, root, shows_hidden=shows_hidden)
    prefix = "" if root == "~" else f"{home}/".removeprefix("/")
    closed = [*KEYS, *PRIVATE, *BY_LINKS, *([] if shows_hidden else HIDDEN)]
    for name in (*closed, *(each.format(home=home) for each in SPELLED)):
        for operation in ("read", "list", "search"):
            path = f"{prefix}{name}" if name in closed or root != "/" else name
            done = await make(below, operation=operation, path=path, text=SECRET)
            assert not done.success, (operation, path)
            assert SECRET not in str(done.output)
    for name in closed:
        assert (await make(below, operation="read", path=f"{prefix}{name}")).output == (
            FileNotReadable(f"{prefix}{name}").message
        ), name
    found = await make(below, operation="search", path=prefix.rstrip("/"), text=SECRET)
    shown = sorted(hit["path"].removeprefix(prefix) for hit in found.output["hits"])
    assert shown == (sorted(HIDDEN) if shows_hidden else [])
    opened = await make(below, operation="read", path=f"{prefix}work/open.txt")
    assert opened.output["text"] == "open"


async def test_a_list_names_no_private_file(home: Path) -> None:
    below = await tool_of(home, "~", shows_hidden=True)
    names: list[str] = []
    for folder in ("", "db", "keys", "data", "work", "work/copy", ".config"):
        entries = (await make(below, operation="list", path=folder)).output["entries"]
        names += [f"{folder}/{entry['name']}".removeprefix("/") for entry in entries]
    folders = {"to_db", "work/up"}  # not private themselves
    closed = {*KEYS, *PRIVATE, *LINKS, ".ssh", "run", "conf", "hard.txt", "hard_key.txt"} - folders
    assert closed & set(names) == set()
    assert {"work/open.txt", ".bash_history", ".config/other"} <= set(names)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="Linux alone has such files")
@pytest.mark.parametrize("path", SYSTEM)
async def test_the_inside_of_the_system_is_closed_where_the_root_is_the_disk(
    home: Path, path: str
) -> None:
    """The environment of a process holds the keys that it was started with."""
    below = await tool_of(home, "/", shows_hidden=True)
    for operation in ("read", "list", "search"):
        assert not (await make(below, operation=operation, path=path, name="*")).success


async def test_a_root_within_a_folder_of_the_system_is_read(tmp_path: Path) -> None:
    """Such as a fast disk in the memory."""
    place = Path("/dev/shm")
    if not place.is_dir():
        pytest.skip("no such folder")
    root = place / tmp_path.name
    root.mkdir()
    try:
        (root / "a.txt").write_text("one")
        done = await make(BelowRoot(str(root)), operation="read", path="a.txt")
        assert done.output["text"] == "one"
    finally:
        (root / "a.txt").unlink()
        root.rmdir()


@pytest.mark.parametrize(
    ("owners", "owner", "is_served"),
    [
        (["ada"], "ada", True),
        (["ada"], "bob", False),
        (["ada"], "Ada", False),
        (["ada"], "ada ", False),
        ([], "ada", False),
        (None, "bob", True),
    ],
)
async def test_two_servers_on_one_database_read_the_files_of_their_own_people(
    tmp_path: Path, owners: list[str] | None, owner: str, is_served: bool
) -> None:
    """L16: each executes the runs of all; a root that was changed meanwhile changes nothing."""
    roots = {name: tmp_path / name for name in ("first", "second")}
    for name, root in roots.items():
        root.mkdir()
        (root / "mine.txt").write_text(name)
    for name, root in roots.items():
        tools: Any = make_server_tools(ChatStream(files_root=str(root), tool_owners=owners))
        assert isinstance(tools, ServerTools)
        listing = await tools.of(owner).list_named(["files"])
        assert bool(listing.tools) is is_served
        assert bool(listing.problems) is not is_served
        if not is_served:
            with pytest.raises(Forbidden):
                await tools.of(owner).find("files")
            continue
        tool: Any = await tools.of(owner).find("files")
        for path in ("mine.txt", f"../{name}/mine.txt", f"{roots['first']}/mine.txt"):
            done = await make(tool.below, operation="read", path=path)
            assert done.success is (path == "mine.txt")
            assert not done.success or done.output["text"] == name
