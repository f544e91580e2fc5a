"""The server dies and comes back, on another port with another token: nothing is lost."""

from __future__ import annotations

import json
import signal
import threading

import pytest

from jupyter_chat_stream import Chat
from jupyter_chat_stream.kernel import channel, follower, link
from jupyter_chat_stream.kernel.run import Run
from jupyter_chat_stream.shared.config import CONNECTION_ENV
from jupyter_chat_stream.shared.errors import ServerUnavailable, VersionMismatch
from jupyter_chat_stream.shared.events import Delta
from tests.kernel.harness import PATIENCE_S, JupyterServer, until

pytestmark = [pytest.mark.faults, pytest.mark.slow]

TITLE_SEQ = 4  # after the thread, the message and its reply
CHARS = 3000


@pytest.fixture
def mine(server: JupyterServer, fresh_link: None, monkeypatch: pytest.MonkeyPatch) -> JupyterServer:
    """Make this process a client of a server that may be killed."""
    monkeypatch.setenv(CONNECTION_ENV, str(server.connection))
    return server


def begin(chat: Chat) -> Run:
    """Begin an answer that takes about two seconds."""
    params = {"chars": CHARS, "chars_per_second": 1500}
    run = chat.send("Go", model="demo/long", params=params)
    until(lambda: len(run.content) > 200, "some text")
    return run


def check(chat: Chat, run: Run) -> None:
    """See that what was followed live is what is stored, and all of it."""
    run.wait(PATIENCE_S)
    stored = link.current().run(link.current().request("GET", f"threads/{chat.thread}/messages"))
    assert run.status == "completed"
    assert run.content == stored["messages"][-1]["content"]
    assert len(run.content) >= CHARS
    until(lambda: chat.value == run.content, "the trait")
    assert [message.content for message in chat.messages] == [
        message["content"] for message in stored["messages"]
    ]


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_following_goes_on_from_the_cursor_when_the_server_is_back_l6(
    mine: JupyterServer, end: str
) -> None:
    chat = Chat("restart", model="demo/echo")
    run = begin(chat)
    before = json.loads(mine.connection.read_text())
    getattr(mine, end)()
    mine.start()
    after = json.loads(mine.connection.read_text())
    assert before["token"] != after["token"]
    check(chat, run)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_an_iteration_over_events_outlives_the_server_l6(mine: JupyterServer, end: str) -> None:
    chat = Chat("restart", model="demo/echo")
    run = begin(chat)
    seqs: list[int] = []
    text = ""
    was_ended = False
    for event in run.events():
        seqs.append(event.seq)
        text += event.body.text if isinstance(event.body, Delta) else ""
        if len(text) > 400 and not was_ended:
            was_ended = True
            getattr(mine, end)()
            mine.start()
    # No run has the event of the thread's title, which comes with the first message.
    assert set(range(seqs[0], seqs[-1] + 1)) - set(seqs) == {TITLE_SEQ}
    assert len(seqs) == len(set(seqs))
    check(chat, run)
    assert text == run.content


def test_what_is_sent_while_the_server_is_away_arrives_once_l11(mine: JupyterServer) -> None:
    chat = Chat("restart", model="demo/echo")
    mine.kill()
    starting = threading.Thread(target=mine.start)
    starting.start()
    assert chat.ask("Hello").content == "Hello"
    starting.join()
    assert [message.content for message in chat.messages] == ["Hello", "Hello"]


def test_a_server_that_stays_away_is_told_to_whoever_waits(
    mine: JupyterServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = Chat("restart", model="demo/echo")
    run = begin(chat)
    monkeypatch.setattr(follower, "GIVE_UP_S", 0.5)
    mine.kill()
    with pytest.raises(ServerUnavailable, match="does not answer"):
        run.wait(PATIENCE_S)
    assert run.content, "what was there is gone"
    mine.start()
    check(chat, run)


def test_a_server_of_another_version_is_named_with_what_to_do(mine: JupyterServer) -> None:
    content = json.loads(mine.connection.read_text())
    newer = {**content, "protocol": content["protocol"] + 1, "version": "9.0.0"}
    mine.connection.write_text(json.dumps(newer))
    with pytest.raises(VersionMismatch, match=r"9\.0\.0 .* this kernel .* Install the same"):
        Chat("any")
    mine.connection.write_text(json.dumps(content))


def test_a_server_that_comes_back_newer_ends_the_wait(mine: JupyterServer) -> None:
    run = begin(Chat("restart"))
    content = json.loads(mine.connection.read_text())
    mine.kill()
    newer = {**content, "protocol": content["protocol"] + 1, "version": "9.0.0"}
    mine.connection.write_text(json.dumps(newer))
    with pytest.raises(VersionMismatch):
        run.wait(PATIENCE_S)
    mine.start()


def test_a_server_that_falls_silent_is_left_and_found_again_l6(
    mine: JupyterServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It still holds its port and its connections; only nothing comes, not even a heartbeat."""
    monkeypatch.setattr(channel, "SILENCE_S", 2.0)
    chat = Chat("restart", model="demo/echo")
    run = begin(chat)
    (carrier,) = link.current().channels
    silent = carrier.socket
    mine.signal(signal.SIGSTOP)
    try:
        until(lambda: carrier.socket is not silent, "the end of the silent socket")
    finally:
        mine.signal(signal.SIGCONT)
    check(chat, run)
