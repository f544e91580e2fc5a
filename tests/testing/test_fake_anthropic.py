"""The fakes that other tests stand on, tested by themselves."""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from jupyter_chat_stream.providers.base import Chunk, EndChunk, Prompt, TextChunk, text_turn
from jupyter_chat_stream.providers.continuation import CONTINUE_MARK
from jupyter_chat_stream.shared.errors import Overloaded, StreamCut
from jupyter_chat_stream.testing import (
    STALL,
    Answer,
    FakeAnthropic,
    Gate,
    ScriptedProvider,
    answering,
    reply_to,
)

KEY = "sk-never-recorded"


_open: list[http.client.HTTPConnection] = []


@pytest.fixture(autouse=True)
def _connections() -> Iterator[None]:
    yield
    while _open:
        _open.pop().close()


def connect(url: str) -> http.client.HTTPConnection:
    """Open a connection that is closed with the test."""
    _open.append(http.client.HTTPConnection(urlsplit(url).netloc, timeout=10))
    return _open[-1]


def ask(connection: http.client.HTTPConnection, *texts: str, **changes: Any) -> tuple[int, bytes]:
    """Ask over an open connection; give the status and the body."""
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]
    body = {"model": "claude-x", "max_tokens": 100, "messages": messages, "stream": True, **changes}
    headers = {"authorization": f"Bearer {KEY}"} if not changes.pop("without_key", None) else {}
    connection.request("POST", "/v1/messages", json.dumps(body), headers)
    response = connection.getresponse()
    return response.status, response.read()


def events_of(body: bytes) -> list[dict[str, Any]]:
    blocks = [block for block in body.decode().split("\n\n") if block]
    return [json.loads(block.split("data: ", 1)[1]) for block in blocks]


def text_of(body: bytes) -> str:
    deltas = [event.get("delta", {}) for event in events_of(body)]
    return "".join(delta.get("text", "") for delta in deltas)


# --------------------------------------------------------------------------- FakeAnthropic


def test_an_answer_is_the_stream_the_api_documents(fake: FakeAnthropic) -> None:
    status, body = ask(connect(fake.url), "hello")
    assert status == 200
    kinds = [event["type"] for event in events_of(body)]
    assert kinds[:3] == ["message_start", "ping", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert text_of(body) == reply_to("hello")


def test_the_records_hold_what_was_asked_but_no_key(fake: FakeAnthropic) -> None:
    ask(connect(fake.url), "one")
    ask(connect(fake.url), "one", "two", "three")
    assert [r.user_text for r in fake.requests] == ["one", "three"]
    assert [r.number for r in fake.requests] == [1, 2]
    assert all(r.has_key and r.state == "done" for r in fake.requests)
    assert fake.requests[0].chunks_sent > 0
    assert KEY not in json.dumps([vars(r) for r in fake.requests], default=str)


def test_one_connection_serves_many_requests(fake: FakeAnthropic) -> None:
    connection = connect(fake.url)
    assert [text_of(ask(connection, t)[1]) for t in "abc"] == [reply_to(t) for t in "abc"]


def test_scripted_answers_come_in_order_and_then_the_default(fake: FakeAnthropic) -> None:
    fake.add(Answer(text="first"), Answer(status=529))
    fake.set_default(lambda request: Answer(text=request.user_text.upper()))
    connection = connect(fake.url)
    assert text_of(ask(connection, "x")[1]) == "first"
    status, body = ask(connection, "x")
    assert (status, json.loads(body)["error"]["type"]) == (529, "overloaded_error")
    assert text_of(ask(connection, "x")[1]) == "X"


def test_a_cut_reply_is_gone_on_with_when_asked(fake: FakeAnthropic) -> None:
    whole = reply_to("tell me", 300)
    fake.set_default(Answer(chars=300))
    _, body = ask(connect(fake.url), "tell me", whole[:100].rstrip(), CONTINUE_MARK + " Go on.")
    assert whole[:100].rstrip() + text_of(body) == whole
    assert fake.requests[0].is_continuation
    assert fake.requests[0].user_text == "tell me"


@pytest.mark.parametrize("chars", [5, 100, 20_000])
def test_a_reply_has_the_length_it_is_told(chars: int) -> None:
    assert len(reply_to("hello", chars)) == chars
    assert reply_to("hello", chars + 50).startswith(reply_to("hello", chars))


@pytest.mark.parametrize(
    ("status", "texts", "changes"),
    [
        (401, ["hi"], {"without_key": True}),
        (404, ["hi"], {"model": "gpt-x"}),
        (400, ["hi"], {"temperature": 0.5}),
        (400, ["hi"], {"max_tokens": 0}),
        (400, ["hi", "prefill"], {}),
        (400, ["hi", "blank at the end ", "go on"], {}),
        (400, ["hi", " ", "go on"], {}),
        (400, ["hi"], {"thinking": {"type": "enabled", "budget_tokens": 50}}),
        (400, ["hi"], {"thinking": {"type": "enabled", "budget_tokens": 5000}}),
        (400, ["hi"], {"system": [{"type": "text", "text": "x", "cache_control": {}}] * 5}),
        (400, [], {}),
    ],
)
def test_what_the_real_api_refuses_is_refused(
    status: int, texts: list[str], changes: dict[str, Any], fake: FakeAnthropic
) -> None:
    got, body = ask(connect(fake.url), *texts, **changes)
    assert got == status, body
    assert json.loads(body)["type"] == "error"


def test_another_path_is_not_found(fake: FakeAnthropic) -> None:
    connection = connect(fake.url)
    connection.request("GET", "/v1/models")
    response = connection.getresponse()
    response.read()
    assert response.status == 404


def test_a_held_answer_waits_for_its_release(fake: FakeAnthropic) -> None:
    fake.add(Answer(text="abcdef", chunk_chars=2, hold_after_chunks=2))
    got: list[bytes] = []
    asking = threading.Thread(target=lambda: got.append(ask(connect(fake.url), "x")[1]))
    asking.start()
    fake.wait_until(lambda requests: bool(requests) and requests[0].chunks_sent == 2)
    assert not got
    fake.release()
    asking.join(10)
    assert text_of(got[0]) == "abcdef"


def test_a_client_that_leaves_is_noticed(fake: FakeAnthropic) -> None:
    fake.add(Answer(text="abcdef", chunk_chars=2, fault="silence", after_chunks=1))
    connection = connect(fake.url)
    body = {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    connection.request("POST", "/v1/messages", json.dumps(body), {"x-api-key": KEY})
    connection.getresponse().close()
    connection.close()
    fake.wait_until(lambda requests: requests[0].state == "left")


def test_a_drop_is_no_proper_end(fake: FakeAnthropic) -> None:
    fake.add(Answer(text="abcdef", chunk_chars=2, fault="drop", after_chunks=1))
    with pytest.raises(http.client.IncompleteRead):
        ask(connect(fake.url), "x")
    fake.wait_until(lambda requests: requests[0].state == "failed")


def test_a_reset_is_a_reset(fake: FakeAnthropic) -> None:
    fake.add(Answer(fault="reset", before_headers=True))
    with pytest.raises(ConnectionResetError):
        ask(connect(fake.url), "x")


def test_a_wait_that_is_not_met_says_how_far_things_are(fake: FakeAnthropic) -> None:
    ask(connect(fake.url), "x")
    with pytest.raises(TimeoutError, match="done"):
        fake.wait_until(lambda requests: len(requests) == 2, timeout_s=0.01)


# ------------------------------------------------------------------------ ScriptedProvider


def prompt(text: str = "hi", partial: str = "") -> Prompt:
    return Prompt(model="m", turns=(text_turn("user", text),), partial=partial)


async def collect(provider: ScriptedProvider, asked: Prompt) -> list[Chunk]:
    return [chunk async for chunk in provider.stream(asked)]


async def test_scripts_are_done_in_order_and_end_well_by_themselves() -> None:
    own_end = EndChunk(stop_reason="max_tokens", model="m", usage={})
    provider = ScriptedProvider(["a", TextChunk(text="b")], ["c", own_end])
    first = await collect(provider, prompt("one"))
    assert first[:2] == [TextChunk(text="a"), TextChunk(text="b")]
    assert isinstance(first[2], EndChunk)
    assert (await collect(provider, prompt("two")))[-1] is own_end
    assert [asked.turns[0].text for asked in provider.prompts] == ["one", "two"]
    assert (provider.active, provider.unfinished) == (0, 0)


async def test_the_default_goes_on_after_a_partial_text() -> None:
    provider = ScriptedProvider(default=answering("abcdefgh", chunk_chars=3, end=[StreamCut("x")]))
    got: list[Chunk] = []
    with pytest.raises(StreamCut):
        async for chunk in provider.stream(prompt(partial="abc")):
            got.append(chunk)
    assert got == [TextChunk(text="def"), TextChunk(text="gh")]
    assert provider.unfinished == 0


async def test_a_gate_holds_the_stream_until_another_thread_opens_it() -> None:
    gate = Gate()
    provider = ScriptedProvider(["a", gate, "b", Overloaded("busy")])
    stream = provider.stream(prompt())
    assert await stream.__anext__() == TextChunk(text="a")
    waiting = asyncio.ensure_future(stream.__anext__())
    await gate.reached()
    assert not waiting.done()
    threading.Thread(target=gate.open).start()
    assert await waiting == TextChunk(text="b")
    with pytest.raises(Overloaded):
        await stream.__anext__()
    await gate.pass_through()  # once open, it stays so


async def test_a_gate_can_be_watched_from_a_thread() -> None:
    gate = Gate()
    with pytest.raises(TimeoutError):
        gate.wait_reached(0.01)
    provider = ScriptedProvider([gate])
    task = asyncio.ensure_future(collect(provider, prompt()))
    await asyncio.get_running_loop().run_in_executor(None, gate.wait_reached)
    gate.open()
    assert len(await task) == 1


async def test_a_stream_that_is_left_is_counted() -> None:
    provider = ScriptedProvider(["a", STALL])
    stream = provider.stream(prompt())
    await stream.__anext__()
    assert provider.active == 1
    await stream.aclose()
    assert (provider.active, provider.unfinished) == (0, 1)


def test_a_stop_while_clients_connect_leaves_no_socket_open() -> None:
    fake = FakeAnthropic()
    fake.start()
    begun, over = threading.Event(), threading.Event()

    def knock() -> None:
        while not over.is_set():
            try:
                socket.create_connection(address).close()
            except OSError:
                return
            begun.set()

    address = (urlsplit(fake.url).hostname, urlsplit(fake.url).port)
    knocking = threading.Thread(target=knock)
    knocking.start()
    assert begun.wait(10)
    fake.stop()
    over.set()
    knocking.join()
    gc.collect()  # pytest turns the warning of a socket that was left open into a failure


def test_a_fault_that_is_not_known_is_refused() -> None:
    fault: Any = "explosion"  # as a test's parameter, which no type is known of
    with pytest.raises(ValueError, match="explosion"):
        Answer(fault=fault)
