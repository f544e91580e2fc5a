"""What the log says: ids and sizes, never what people write, nor what opens doors."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_chat_stream.metrics.meter import METER
from jupyter_chat_stream.shared import connection_file
from jupyter_chat_stream.shared.logs import ROOT, configure
from tests.server.conftest import StartServer
from tests.server.harness import ChatServer, Socket, until

SECRET = "xyzzy-plugh"
KEY = "sk-ant-frotz-ozmoo"


@pytest.fixture(autouse=True)
def handlers_as_before() -> Iterator[None]:
    """Leave no handler of ours behind."""
    METER.retries.clear()
    yield
    configure("text", logging.NOTSET)
    assert not logging.getLogger(ROOT).handlers


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


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_no_prompt_no_answer_and_no_key_is_ever_logged(
    start_server: StartServer,
    everything_logged: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    log_format: str,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    server = await start_server(ServerApp_log_level="DEBUG", ChatStream_log_format=log_format)
    server.app.log.addHandler(everything_logged.handler)
    thread_id = await server.thread(title=f"About {SECRET}", system=f"You are {SECRET}")
    socket = await server.socket()
    await socket.send({"op": "subscribe", "thread": thread_id})
    answered = await server.answered(thread_id, f"Tell me of {SECRET}")
    assert SECRET in answered["reply"]["content"]
    await send_what_fails_waits_and_asks(server, thread_id)
    await send_what_is_refused(server, thread_id, socket)
    for kind in ("md", "html", "json"):
        assert (await server.ask("GET", f"threads/{thread_id}/export?format={kind}")).status == 200

    async def explode(*_: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(server.service, "status", explode)
    assert (await server.ask("GET", "status")).status == 500
    await server.ask("GET", "me", headers=connection_file.find().headers())
    socket.close()
    text = everything_logged.text + capsys.readouterr().err
    assert "/api/chat-stream/threads" in text  # it was listened to
    assert "internal error" in text
    for name in ("run.begun", "run.ended", "run.retrying", "run.waits", "run.answered"):
        assert name in text
    for secret in (SECRET, KEY, server.host.token, server.token):
        assert secret not in text


async def send_what_fails_waits_and_asks(server: ChatServer, thread_id: str) -> None:
    """Have runs fail, be made again, wait for their time, ask and be answered, be stopped."""
    for failure in ("bad_key", "overloaded"):
        params = {"failure": failure}
        await server.send(thread_id, SECRET, model="demo/fail", params=params)
    await server.send(await server.thread(), SECRET, deliver_at="2030-01-01T00:00:00Z")
    asking_in = await server.thread()
    sent = await server.send(asking_in, SECRET, model="demo/ask")
    socket = await server.socket()
    await socket.send({"op": "subscribe", "thread": asking_in})
    asked = await event_of(socket, "input_request")
    answer = {"request_id": asked["request_id"], "value": (asked.get("choices") or [SECRET])[0]}
    assert (await server.ask("POST", f"runs/{sent['run']['id']}/input", answer)).status == 200
    await event_of(socket, "input")
    again = await event_of(socket, "input_request")
    answer = {"request_id": again["request_id"], "value": SECRET}
    assert (await server.ask("POST", f"runs/{sent['run']['id']}/input", answer)).status == 200
    await event_of(socket, "finalized")
    socket.close()
    await until(lambda: "overloaded" in METER.retries)


async def event_of(socket: Socket, type_: str) -> dict[str, Any]:
    """Return the next event of that type."""
    while True:
        for event in (await socket.next("events"))["events"]:
            if event["type"] == type_:
                return dict(event)


async def send_what_is_refused(server: ChatServer, thread_id: str, socket: Socket) -> None:
    """Send what is no message, no query and no frame."""
    for body in (
        {"content": SECRET, "model": SECRET},
        {"content": SECRET, SECRET: SECRET},
        {"content": [SECRET]},
        f"{SECRET}".encode(),
    ):
        assert (await server.ask("POST", f"threads/{thread_id}/messages", body)).status == 400
    for query in (f"threads?q={SECRET}", f"threads?limit={SECRET}", f"threads?before={SECRET}"):
        await server.ask("GET", query)
    await socket.send(f"{SECRET}")
    await socket.send({"op": SECRET})
    await socket.next("error")


async def test_json_lines_are_whole_and_only_our_own(
    start_server: StartServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server = await start_server(ChatStream_log_format="json")
    sent = await server.answered(await server.thread())
    await server.ask("GET", "threads?limit=many")  # Jupyter logs it, in its own way
    lines = capsys.readouterr().err.splitlines()
    ours = [json.loads(line) for line in lines if line.startswith("{")]
    ended = next(line for line in ours if line.get("event") == "run.ended")
    assert (ended["run"], ended["status"]) == (sent["run"]["id"], "completed")
    assert ended["s"] >= 0
    assert {"time", "level", "logger"} <= ended.keys()
    assert all(line["logger"].startswith("jupyter_chat_stream") for line in ours)
    assert any("ServerApp" in line and "threads" in line for line in lines)


async def test_every_run_has_a_line_for_its_begin_and_its_end(
    chat_server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jupyter_chat_stream")
    sent = await chat_server.answered(await chat_server.thread())
    run_id = sent["run"]["id"]
    told = [record.getMessage() for record in caplog.records if run_id in record.getMessage()]
    begun, ended = told
    assert begun.startswith("run.begun ")
    assert ended.startswith("run.ended status=completed model=demo/echo s=")
    assert f"thread={sent['run']['thread_id']}" in ended
