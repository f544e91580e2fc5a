"""Tools that depend on where a server runs and what its files name: ``files``, MCP servers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_server.auth.authorizer import AllowAllAuthorizer, Authorizer
from jupyter_server.auth.identity import IdentityProvider
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager
from jupyter_server.services.contents.manager import ContentsManager

from jupyter_chat_stream.server.files_root import choose_files_root, choose_tool_owners
from jupyter_chat_stream.shared.config import ChatStream
from tests.server.conftest import StartServer


def chosen(contents: Any, authorizer: Any = None, **settings: Any) -> ChatStream:
    """The settings of a server with this contents manager and authorizer."""
    config = ChatStream(**settings)
    server: Any = SimpleNamespace(
        contents_manager=contents,
        authorizer=authorizer or AllowAllAuthorizer(),
        keyfile="/keys/server.pem",
        cookie_secret_file="",
        config_file="",
    )
    choose_files_root(config, server)
    return config


def test_models_read_the_servers_root_if_everybody_may(tmp_path: Path) -> None:
    """L16: a model has no identity, so an authorizer cannot be asked about it."""
    on_disk = AsyncFileContentsManager(root_dir=str(tmp_path))
    assert chosen(on_disk).files_root == str(tmp_path)
    assert chosen(on_disk).private_files == ["/keys/server.pem"]
    assert chosen(on_disk, files_root="/data").files_root == "/data"
    assert chosen(on_disk, files_root="").files_root == ""
    assert chosen(on_disk, Authorizer()).files_root is None
    assert chosen(on_disk, run_in_server=False).files_root is None
    assert chosen(ContentsManager()).files_root is None


@pytest.mark.parametrize("shows", [False, True])
def test_models_read_hidden_files_where_the_file_browser_shows_them(
    tmp_path: Path, shows: bool
) -> None:
    contents = AsyncFileContentsManager(root_dir=str(tmp_path), allow_hidden=shows)
    assert chosen(contents).shows_hidden_files is shows


def test_on_a_hub_a_server_serves_the_runs_of_its_own_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """L16: its files and tokens are hers, and other servers on the database are not."""
    hub_provider = type("HubProvider", (IdentityProvider,), {"__module__": "jupyterhub.x"})
    monkeypatch.setenv("JUPYTERHUB_USER", "bob")
    for provider, given, owners in [
        (hub_provider(), None, ["bob"]),
        (hub_provider(), ["ada", "bob"], ["ada", "bob"]),
        (IdentityProvider(), None, None),
    ]:
        config = ChatStream(tool_owners=given)
        server: Any = SimpleNamespace(identity_provider=provider)
        choose_tool_owners(config, server)
        assert config.tool_owners == owners


async def test_a_broken_mcp_json_is_told_where_tools_are_listed(
    start_server: StartServer, tmp_path: Path
) -> None:
    """The server starts, and its own tools are there."""
    file = tmp_path / "mcp.json"
    file.write_text("{")
    server = await start_server(ChatStream_mcp_config=str(file))
    thread = await server.thread()
    found = (await server.ask("GET", f"tools?thread_id={thread}")).json
    assert {"ask_person", "files"} <= {tool["name"] for tool in found["tools"]}
    [problem] = found["problems"]
    assert problem["source"] == "mcp"
    assert str(file) in problem["message"]
