"""A server that knows several people: what a kernel makes belongs to the one who started it."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from tests.conftest import PYTHONPATH
from tests.kernel.harness import PATIENCE_S, JupyterServer, Outcome, collect, until

# A provider of one's own: a proxy in front of the server says who it is.
PEOPLE = """
from jupyter_server.auth.identity import IdentityProvider, User


class People(IdentityProvider):
    def get_user(self, handler):
        name = handler.request.headers.get("X-Person")
        return User(username=name, name=name.title()) if name else None
"""
ASK = """
from jupyter_chat_stream import Chat
chat = Chat("notes", model="demo/echo")
print(chat.ask("{said}"))
print([message.content for message in chat.messages])
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def people(jupyter_environment: dict[str, str], tmp_path: Path) -> Iterator[JupyterServer]:
    """A real server whose users are named by a header."""
    (tmp_path / "people.py").write_text(PEOPLE)
    settings = {
        "ServerApp.identity_provider_class": "people.People",
        "ServerApp.disable_check_xsrf": True,
    }
    server = JupyterServer(jupyter_environment, tmp_path, **settings)
    server.environment["PYTHONPATH"] = os.pathsep.join([PYTHONPATH, str(tmp_path)])
    server.start()
    yield server
    server.stop()


def ask(server: JupyterServer, person: str, method: str, path: str) -> Any:
    url = json.loads(server.connection.read_text())["url"].partition("api/chat-stream")[0]
    request = urllib.request.Request(
        f"{url.rstrip('/')}/{path}", method=method, headers={"X-Person": person}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
        return json.loads(response.read() or b"null")


def is_ready(client: BlockingKernelClient) -> bool:
    try:
        client.wait_for_ready(timeout=PATIENCE_S)
    except RuntimeError:  # a busy machine's kernel beats irregularly while it starts
        return False
    return True


def run_in_kernel_of(server: JupyterServer, person: str, code: str) -> Outcome:
    """Start a kernel as this person does, and execute code in it."""
    kernel = ask(server, person, "POST", "api/kernels")["id"]
    runtime = Path(server.environment["JUPYTER_RUNTIME_DIR"])
    file = until(lambda: next(runtime.rglob(f"kernel-{kernel}.json"), None), "the kernel's start")
    client = BlockingKernelClient(connection_file=str(file))
    client.load_connection_file()
    client.start_channels()
    try:
        until(lambda: is_ready(client), "the kernel's first answer")
        return collect(client, client.execute(code))
    finally:
        client.stop_channels()
        ask(server, person, "DELETE", f"api/kernels/{kernel}")


def test_what_a_kernel_makes_is_its_starter_s_alone(people: JupyterServer) -> None:
    for person in ("ann", "ben"):
        outcome = run_in_kernel_of(people, person, ASK.format(said=f"I am {person}"))
        assert outcome.error is None, outcome.traceback
        assert f"I am {person}" in outcome.text
        others = {"ann", "ben"} - {person}
        assert not any(f"I am {other}" in outcome.text for other in others)
    owned = {
        person: ask(people, person, "GET", "api/chat-stream/threads")["threads"]
        for person in ("ann", "ben", "eve")
    }
    assert [thread["owner"] for thread in owned["ann"]] == ["ann"]
    assert [thread["owner"] for thread in owned["ben"]] == ["ben"]
    assert owned["eve"] == []
