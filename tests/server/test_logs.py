"""What the log says: ids and sizes, never what people write, nor what opens doors."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from jupyter_chat_stream import connection
from tests.server.conftest import StartServer

SECRET = "xyzzy-plugh"
KEY = "sk-ant-frotz-ozmoo"


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Any:
    """All that any logger says, at its most talkative."""
    caplog.set_level(logging.DEBUG)
    names = ("ServerApp", "jupyter_chat_stream", "tornado", "anthropic")
    for name in names:
        logger = logging.getLogger(name)
        logger.setLevel(logging.DEBUG)
        if not logger.propagate:
            logger.addHandler(caplog.handler)
    yield caplog
    for name in names:
        logging.getLogger(name).removeHandler(caplog.handler)
        logging.getLogger(name).setLevel(logging.NOTSET)


async def test_no_prompt_no_answer_and_no_key_is_ever_logged(
    start_server: StartServer, everything_logged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    server = await start_server(ServerApp_log_level="DEBUG")
    server.app.log.addHandler(everything_logged.handler)
    thread_id = await server.thread(title=f"About {SECRET}", system=f"You are {SECRET}")
    path = f"threads/{thread_id}/messages"
    socket = await server.socket()
    await socket.send({"op": "subscribe", "thread": thread_id})
    answered = await server.answered(thread_id, f"Tell me of {SECRET}")
    assert SECRET in answered["reply"]["content"]
    await server.send(thread_id, f"{SECRET}", model="demo/fail")
    for body in (
        {"content": SECRET, "model": SECRET},
        {"content": SECRET, SECRET: SECRET},
        {"content": [SECRET]},
        f"{SECRET}".encode(),
    ):
        assert (await server.ask("POST", path, body)).status == 400
    for query in (f"threads?q={SECRET}", f"threads?limit={SECRET}", f"threads?before={SECRET}"):
        await server.ask("GET", query)
    await socket.send(f"{SECRET}")
    await socket.send({"op": SECRET})
    await socket.next("error")

    async def explode(*_: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(server.service, "status", explode)
    assert (await server.ask("GET", "status")).status == 500
    await server.ask("GET", "me", headers=connection.find().headers())
    socket.close()
    text = everything_logged.text
    assert "/api/chat-stream/threads" in text  # it was listened to
    assert "internal error" in text
    for secret in (SECRET, KEY, server.host.token, server.token):
        assert secret not in text
