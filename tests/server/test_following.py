"""Following over plain HTTP: events as JSON, as a long poll, and as server-sent events."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from jupyter_chat_stream.shared.subscription import Subscription
from tests.server.harness import PATIENCE_S, ChatServer, until


class Stream:
    """A stream of server-sent events, parsed as the standard says."""

    def __init__(self, server: ChatServer, path: str, **headers: str) -> None:
        self.server = server
        self.headers = {**server.headers, "Accept": "text/event-stream", **headers}
        self.path = path
        self.comments: list[str] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._arrived = asyncio.Event()
        self._rest = ""
        self.status: int | None = None

    async def __aenter__(self) -> Stream:
        self._task = asyncio.ensure_future(self._run())
        return self

    async def __aexit__(self, *_: Any) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        self.writer: asyncio.StreamWriter
        reader, self.writer = await asyncio.open_connection("127.0.0.1", self.server.app.port)
        try:
            lines = [f"GET /api/chat-stream/{self.path} HTTP/1.0", "Host: 127.0.0.1"]
            lines += [f"{name}: {value}" for name, value in self.headers.items()]
            self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.status = int(head.split()[1])
            self.head = head.lower()
            while chunk := await reader.read(65536):
                self._feed(chunk.decode())
        finally:
            self.writer.close()

    def _feed(self, text: str) -> None:
        *blocks, self._rest = (self._rest + text).split("\n\n")
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if line[0] != ":")
            self.comments += [line[1:].strip() for line in block.split("\n") if line[0] == ":"]
            assert set(fields) <= {"id", "data"}  # there is no `event:` line
            if fields:
                self.events.append((fields["id"], json.loads(fields["data"])))
        self._arrived.set()

    async def until(self, done: Any) -> None:
        while not done(self):
            self._arrived.clear()
            await asyncio.wait_for(self._arrived.wait(), PATIENCE_S)

    async def ended(self) -> None:
        await asyncio.wait_for(asyncio.shield(self._task), PATIENCE_S)


def has_ended(stream: Stream) -> bool:
    return bool(stream.events) and stream.events[-1][1].get("type") == "finalized"


def fold(thread_id: str, events: list[dict[str, Any]], known: Subscription | None = None) -> Any:
    """Fold what a reader received; misfits and gaps are errors."""
    subscription = known or Subscription(thread_id)
    for event in events:
        frame = event if "op" in event else {"op": "events", "events": [event]}
        action = subscription.receive(frame)
        assert type(action).__name__ == "Applied", action
    return subscription


async def test_the_events_of_a_thread_fold_to_its_state(chat_server: ChatServer) -> None:
    """L6, by JSON."""
    thread_id = await chat_server.thread()
    await chat_server.answered(thread_id)
    answer = (await chat_server.ask("GET", f"threads/{thread_id}/events?raw=1")).json
    assert [event["seq"] for event in answer["events"]] == list(range(1, answer["seq"] + 1))
    folded = fold(thread_id, answer["events"]).transcript.state()
    state = (await chat_server.ask("GET", f"threads/{thread_id}/messages")).json
    assert folded == state


async def test_without_raw_a_cursor_may_get_a_snapshot(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread(model="demo/long")
    body = {"params": {"chars": 20_000, "chunk_chars": 50}}
    sent = await chat_server.send(thread_id, "x", **body)
    async with Stream(chat_server, f"threads/{thread_id}/events?raw=1") as stream:
        await stream.until(has_ended)
    answer = (await chat_server.ask("GET", f"threads/{thread_id}/events?after=0")).json
    if "snapshot" in answer:  # which of the two is the server's to choose
        assert answer["seq"] == answer["snapshot"]["seq"]
        events = [answer["snapshot"]]
    else:
        events = answer["events"]
    folded = fold(thread_id, events).transcript.state()
    state = (await chat_server.ask("GET", f"threads/{thread_id}/messages")).json
    assert folded == state
    assert sent["run"]["id"] in json.dumps(state)


async def test_a_long_poll_answers_as_soon_as_there_is_something(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    path = f"threads/{thread_id}/events?after=1&wait=60"
    polling = asyncio.ensure_future(chat_server.ask("GET", path, request_timeout=60))
    await until(lambda: chat_server.readers)
    await chat_server.ask("PATCH", f"threads/{thread_id}", {"title": "New"})
    answer = (await asyncio.wait_for(polling, PATIENCE_S)).json
    assert answer["seq"] == 2
    assert answer["events"][0]["thread"] == {"title": "New"}


async def test_a_long_poll_gives_nothing_when_time_is_up(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    answer = await chat_server.ask("GET", f"threads/{thread_id}/events?after=1&wait=0.05")
    assert answer.json == {"events": [], "seq": 1}


async def test_a_long_poll_that_is_left_leaves_no_reader(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    _, writer = await asyncio.open_connection("127.0.0.1", chat_server.app.port)
    writer.write(
        f"GET /api/chat-stream/threads/{thread_id}/events?after=1&wait=60 HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\nAuthorization: token {chat_server.token}\r\n\r\n".encode()
    )
    await until(lambda: chat_server.readers)
    writer.close()
    await until(lambda: not chat_server.readers)


async def test_server_sent_events_carry_the_seq_as_their_id(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    async with Stream(chat_server, f"threads/{thread_id}/events?raw=1") as stream:
        await stream.until(lambda s: s.events)
        await chat_server.send(thread_id)
        await stream.until(has_ended)
        assert stream.status == 200
        assert "content-type: text/event-stream" in stream.head
        assert "cache-control: no-store" in stream.head
        ids = [int(name) for name, _ in stream.events]
        assert ids == [event["seq"] for _, event in stream.events] == list(range(1, len(ids) + 1))
    folded = fold(thread_id, [event for _, event in stream.events]).transcript.state()
    assert folded == (await chat_server.ask("GET", f"threads/{thread_id}/messages")).json


async def test_last_event_id_wins_over_after(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    await chat_server.answered(thread_id)
    path = f"threads/{thread_id}/events?after=0&raw=1"
    async with Stream(chat_server, path, **{"Last-Event-ID": "2"}) as stream:
        await stream.until(lambda s: s.events)
        assert stream.events[0][0] == "3"


async def test_a_stream_that_is_cut_anywhere_goes_on_without_gap_or_duplicate(
    chat_server: ChatServer,
) -> None:
    """L6, for every prefix: fold up to the cut, follow from there, and the state is the same."""
    thread_id = await chat_server.thread()
    await chat_server.answered(thread_id, "one two three four five six seven eight nine ten")
    whole = (await chat_server.ask("GET", f"threads/{thread_id}/events?raw=1")).json["events"]
    state = (await chat_server.ask("GET", f"threads/{thread_id}/messages")).json
    for cut in range(len(whole)):
        subscription = fold(thread_id, whole[:cut])
        headers = {"Last-Event-ID": str(cut)}
        async with Stream(chat_server, f"threads/{thread_id}/events", **headers) as stream:
            await stream.until(lambda s: s.events and int(s.events[-1][0]) == state["seq"])
        rest = [event for _, event in stream.events]
        assert fold(thread_id, rest, subscription).transcript.state() == state


async def test_a_quiet_stream_says_that_it_lives(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    chat_server.host.heartbeat_s = 0.01
    async with Stream(chat_server, f"threads/{thread_id}/events?after=1") as stream:
        await stream.until(lambda s: s.comments.count("heartbeat") >= 3)
        assert stream.events == []


async def test_a_deleted_thread_ends_its_streams(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    async with Stream(chat_server, f"threads/{thread_id}/events") as stream:
        await stream.until(lambda s: s.events)
        await chat_server.ask("DELETE", f"threads/{thread_id}")
        await stream.ended()
        assert stream.events[-1][1]["thread"]["deleted"] is True


async def test_a_reader_that_leaves_is_forgotten(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    async with Stream(chat_server, f"threads/{thread_id}/events") as stream:
        await stream.until(lambda s: s.events)
        assert chat_server.readers == 1
    await until(lambda: not chat_server.readers)


async def test_streams_end_when_the_server_stops_and_no_log_complains(
    chat_server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    thread_id = await chat_server.thread()
    chat_server.app.log.addHandler(caplog.handler)
    try:
        async with Stream(chat_server, f"threads/{thread_id}/events") as stream:
            await stream.until(lambda s: s.events)
            await chat_server.extension.stop_extension()
            await stream.ended()
    finally:
        chat_server.app.log.removeHandler(caplog.handler)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("accept", ["text/event-stream", "text/event-stream;q=0.9, */*;q=0.1"])
async def test_an_error_before_the_stream_is_json(chat_server: ChatServer, accept: str) -> None:
    headers = {**chat_server.headers, "Accept": accept}
    reply = await chat_server.ask("GET", "threads/unknown/events", headers=headers)
    assert (reply.status, reply.error["code"]) == (404, "thread_not_found")
