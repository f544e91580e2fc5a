"""The link: one socket and one thread for all chats of a process."""

from __future__ import annotations

import threading

import pytest

from jupyter_chat_stream import Chat
from jupyter_chat_stream.kernel import link
from jupyter_chat_stream.shared.errors import (
    ThreadNotFound,
)
from tests.kernel.harness import ECHO, PATIENCE_S, SLOW, until

pytestmark = pytest.mark.usefixtures("here")


def test_one_socket_and_one_thread_follow_everything(name: str) -> None:
    chats = [Chat(f"{name}-{number}", model=ECHO) for number in range(5)]
    for chat in chats:
        assert chat.ask("x").content == "x"
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("chat-stream") == 1
    assert len(link.current().followers) == 5


def test_a_thread_nobody_uses_is_followed_no_more(name: str) -> None:
    chat = Chat(name, model=ECHO)
    run = chat.send("x").wait()
    chat.close()
    del chat, run
    until(lambda: not link.current().followers, "the end of following", PATIENCE_S)


def test_properties_never_touch_the_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chat = Chat(name, model=ECHO)
    run = chat.send("x").wait()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a property asked the link")

    for method in ("start", "run", "arun", "request"):
        monkeypatch.setattr(link.Link, method, refuse)
    held = [chat.thread, chat.run_id, chat.value, chat.status, chat.busy, chat.seq, chat.model]
    held += [chat.messages, run.id, run.status, run.content, run.seq, run.error, run.usage]
    assert run.reply is not None
    assert all(value is not ... for value in held)


def test_deleting_a_thread_ends_its_runs_and_whoever_waits(name: str) -> None:
    chat = Chat(name)
    run = chat.send("Tell me", **SLOW)
    link.current().run(link.current().request("DELETE", f"threads/{chat.thread}"))
    assert run.wait(PATIENCE_S).status == "cancelled"
    with pytest.raises(ThreadNotFound):
        chat.send("More")
