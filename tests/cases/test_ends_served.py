"""Ends as people get them: over REST and the socket, in every export, and in Python."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jupyter_chat_stream
from jupyter_chat_stream import RunFailed
from jupyter_chat_stream.kernel import link
from jupyter_chat_stream.shared.config import CONNECTION_ENV
from jupyter_chat_stream.shared.errors import RunRefused
from tests.cases.api import MODEL, PlayedApi, case
from tests.conftest import home_environment
from tests.kernel.harness import JupyterServer
from tests.server.harness import ChatServer, running_server

KEY = "sk-ant-0123456789abcdef"
NAME = f"anthropic/{MODEL}"


@pytest.fixture(scope="module")
def api() -> Iterator[PlayedApi]:
    with PlayedApi() as server:
        yield server


async def answered(server: ChatServer, api: PlayedApi, name: str) -> dict[str, Any]:
    """Play a case to one question; gives what was sent, with the reply at its end."""
    api.play(case(name))
    thread = await server.thread(model=NAME)
    return await server.answered(thread, "Why?")


async def test_the_wire_and_every_export_tell_what_is_missing(
    api: PlayedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
    async with running_server(tmp_path) as server:
        sent = await answered(server, api, "stop_max_tokens.sse")
        thread, reply = sent["reply"]["thread_id"], sent["reply"]
        assert reply["incomplete"]["reason"] == "max_tokens"
        got = await server.ask("GET", f"threads/{thread}/messages")
        assert got.json["messages"][1]["incomplete"] == reply["incomplete"]
        socket = await server.socket()
        await socket.send({"op": "subscribe", "thread": thread, "after": 0})
        frame = await socket.next("snapshot", "events")
        if frame["op"] == "snapshot":
            assert frame["messages"][1]["incomplete"] == reply["incomplete"]
        for kind in ("md", "html", "ipynb", "json"):
            export = await server.ask("GET", f"threads/{thread}/export?format={kind}")
            assert b"it reached its length limit" in export.body, kind

        more = await server.ask("POST", f"runs/{reply['run_id']}/continue")
        assert more.status == 202
        assert more.json["reply"]["content"] == "The answer has three parts. First, we look at"


async def test_what_was_refused_is_not_continued_over_the_wire(
    api: PlayedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
    async with running_server(tmp_path) as server:
        sent = await answered(server, api, "refusal_after_text.sse")
        reply = sent["reply"]
        assert (reply["status"], reply["incomplete"]) == ("failed", None)
        assert "policy on lock picking" in reply["error"]["message"]
        refused = await server.ask("POST", f"runs/{reply['run_id']}/continue")
        assert (refused.status, refused.error["code"]) == (409, "run_refused")
        assert reply["run_id"] in refused.error["message"]
        assert (await server.ask("POST", f"runs/{reply['run_id']}/retry")).status == 202


@pytest.fixture(scope="module")
def server(api: PlayedApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A server whose Claude is the played API."""
    folder = tmp_path_factory.mktemp("server")
    keys = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
    server = JupyterServer({**os.environ, **home_environment(folder / "home"), **keys}, folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def here(server: JupyterServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[JupyterServer]:
    """The server, whose client this process is."""
    monkeypatch.setenv(CONNECTION_ENV, str(server.connection))
    link.close()
    yield server
    link.close()


def test_ask_gives_a_message_that_says_it_was_cut(here: JupyterServer, api: PlayedApi) -> None:
    api.play(case("stop_max_tokens.sse"))
    reply = jupyter_chat_stream.Chat(model=NAME).ask("Why?")
    assert str(reply) == "The answer has three parts. First, we look at"
    assert reply.incomplete is not None
    assert reply.incomplete["reason"] == "max_tokens"
    assert "cut off" in repr(reply)
    api.play(case("server_tool.sse"))
    whole = jupyter_chat_stream.Chat(model=NAME).ask("Why?")
    assert (str(whole), whole.incomplete) == ("Let me look that up.\n\nIt rains.", None)
    assert "(" not in repr(whole)


def test_a_run_in_python_is_gone_on_with_unless_it_was_refused(
    here: JupyterServer, api: PlayedApi
) -> None:
    api.play(case("stop_max_tokens.sse"))
    run = jupyter_chat_stream.Chat(model=NAME).send("Why?").wait()
    more = run.continue_().wait()
    assert more.content == "The answer has three parts. First, we look at [rest]"
    api.play(case("refusal_after_text.sse"))
    chat = jupyter_chat_stream.Chat(model=NAME)
    with pytest.raises(RunFailed) as failed:
        chat.ask("How?")
    assert "policy on lock picking" in str(failed.value)
    assert "continue_" not in str(failed.value)
    with pytest.raises(RunRefused):
        failed.value.run.continue_()
    assert "declined by the model" in json.dumps(chat.runs[-1]._repr_mimebundle_())
