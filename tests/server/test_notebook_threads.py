"""The thread of a notebook: the server and the notebook's kernel find the same one."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth.authorizer import Authorizer

from tests.server.conftest import StartServer
from tests.server.harness import ChatServer, Reply

FIND = "import json; from jupyter_chat_stream.kernel.folder import find_folder; " + (
    "print(json.dumps(find_folder().fields()))"
)


class NoFiles(Authorizer):
    """People who may use the chat and no files."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "contents"


def notebook(folder: Path, path: str) -> str:
    """Make a notebook file; returns its path in the contents API."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}")
    return path


async def open_thread(server: ChatServer, path: str, **fields: Any) -> Reply:
    return await server.ask("POST", "threads", {"notebook": path, **fields})


async def kernel_finds(server: ChatServer, path: str) -> dict[str, Any]:
    """Find the folder in a process as Jupyter starts it for a session of this notebook."""
    name = path.rpartition("/")[2]
    environment = server.app.session_manager.get_kernel_env(path, name)
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FIND),
        cwd=server.app.kernel_manager.cwd_for_path(path),
        env={**environment, "JPY_PARENT_PID": str(os.getpid())},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await started.communicate()
    return dict(json.loads(out))


@pytest.mark.parametrize(
    "path", ["churn.ipynb", "a/b/churn 2.ipynb", "50% off/what?#1.ipynb", "über/数据.ipynb"]
)
async def test_the_notebooks_kernel_and_the_server_find_the_same_thread(
    chat_server: ChatServer, tmp_path: Path, path: str
) -> None:
    notebook(tmp_path, path)
    opened = await open_thread(chat_server, path, title="Mine")
    assert opened.status == 201, opened.body
    found = await kernel_finds(chat_server, path)
    name = path.rpartition("/")[2].removesuffix(".ipynb")
    assert (opened.json["name"], opened.json["project"]) == (name, found["project"])
    assert opened.json["title"] == "Mine"
    by_name = await chat_server.ask("POST", "threads", {"name": name, **found})
    assert (by_name.status, by_name.json["id"]) == (200, opened.json["id"])
    again = await open_thread(chat_server, path)
    assert (again.status, again.json["id"]) == (200, opened.json["id"])


async def test_a_link_is_followed_as_the_kernel_does(
    chat_server: ChatServer, tmp_path: Path
) -> None:
    notebook(tmp_path, "real/churn.ipynb")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    direct = await open_thread(chat_server, "real/churn.ipynb")
    linked = await open_thread(chat_server, "linked/churn.ipynb")
    assert linked.json["id"] == direct.json["id"]
    found = await kernel_finds(chat_server, "linked/churn.ipynb")
    assert found["project"] == direct.json["project"] == str(tmp_path / "real")


async def test_pages_are_told_the_root_as_the_projects_of_threads_are_written(
    start_server: StartServer, tmp_path: Path
) -> None:
    """A page finds the open notebook of a thread by it: the root's own option may be ``~``."""
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    notebook(tmp_path / "real", "sub/churn.ipynb")
    server = await start_server(ServerApp_root_dir=str(tmp_path / "root"))
    root = server.app.web_app.settings["page_config_data"]["chatStreamRoot"]
    assert root == str(tmp_path / "real")
    assert (await open_thread(server, "sub/churn.ipynb")).json["project"] == f"{root}/sub"


async def test_a_thread_under_the_links_own_path_moves_to_the_folders_one_name(
    chat_server: ChatServer, tmp_path: Path
) -> None:
    notebook(tmp_path, "real/churn.ipynb")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    old = await chat_server.thread(name="churn", project=str(tmp_path / "linked"))
    found = await open_thread(chat_server, "linked/churn.ipynb")
    assert (found.json["id"], found.json["project"]) == (old, str(tmp_path / "real"))


@pytest.mark.parametrize(
    "path",
    ["/churn.ipynb", "../churn.ipynb", "a/../churn.ipynb", "a//churn.ipynb", "./churn.ipynb", "a/",
     "..", "/", ""],
)  # fmt: skip
async def test_a_path_that_is_not_below_the_root_in_its_one_form_is_refused(
    chat_server: ChatServer, tmp_path: Path, path: str
) -> None:
    notebook(tmp_path, "churn.ipynb")
    notebook(tmp_path, "a/churn.ipynb")
    refused = await open_thread(chat_server, path)
    assert (refused.status, refused.error["field"]) == (400, "notebook")


async def test_what_cannot_be_read_is_answered_as_what_does_not_exist(
    start_server: StartServer, tmp_path: Path
) -> None:
    """L16"""
    notebook(tmp_path, "churn.ipynb")
    notebook(tmp_path, ".hidden/churn.ipynb")
    server = await start_server()
    missing = ["nothing.ipynb", ".hidden/churn.ipynb", "churn.ipynb/a", "a\u0000b.ipynb", "x" * 400]
    for path in missing:
        refused = await open_thread(server, path)
        assert (refused.status, refused.error["code"]) == (404, "notebook_not_found"), path
    server.app.authorizer = server.app.web_app.settings["authorizer"] = NoFiles()
    unseen = await open_thread(server, "churn.ipynb")
    assert (unseen.status, unseen.error["code"]) == (404, "notebook_not_found")
    assert (await server.ask("GET", "threads")).json == {"threads": []}


async def test_a_notebook_decides_name_and_project_alone(
    chat_server: ChatServer, tmp_path: Path
) -> None:
    path = notebook(tmp_path, "churn.ipynb")
    for field, value in (("name", "a"), ("project", "/"), ("project_others", [])):
        refused = await open_thread(chat_server, path, **{field: value})
        assert (refused.status, refused.error["field"]) == (400, field)
    for odd in (".ipynb", "n" * 201 + ".ipynb"):
        refused = await open_thread(chat_server, notebook(tmp_path, odd))
        assert refused.status in (400, 404), odd
