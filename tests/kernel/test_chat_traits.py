"""The traits of a chat, and the methods that it shares with other widgets."""

from __future__ import annotations

import inspect
import threading
from typing import Any

import pytest

from jupyter_chat_stream import Chat
from jupyter_chat_stream.kernel.link import current
from tests.kernel.harness import ECHO, until

pytestmark = pytest.mark.usefixtures("here")


def test_traits_follow_with_no_page_and_no_loop(name: str) -> None:
    watching, speaking = Chat(name), Chat(name, model=ECHO)
    seen: list[str] = []
    watching.observe(lambda change: seen.append(change.new), "value")
    speaking.ask("Moved together")
    until(lambda: watching.value == "Moved together" and not watching.busy, "the other chat")
    assert seen[-1] == "Moved together"
    assert watching.seq == speaking.seq


def test_traits_follow_the_branch_that_a_reader_chooses_on_the_page(name: str) -> None:
    chat = Chat(name, model=ECHO)
    first = chat.send("The first text").wait()
    assert first.reply is not None
    edited = {"content": "Another text", "parent_id": None}
    link = current()
    link.command(link.request("POST", f"threads/{chat.thread}/messages", edited))
    until(lambda: chat.value == "Another text" and not chat.busy, "the new branch")
    link.command(link.request("PATCH", f"threads/{chat.thread}", {"head": first.reply.id}))
    until(lambda: chat.value == "The first text", "the branch of before")
    assert (chat.run_id, chat.status) == (first.id, "completed")


def test_observers_run_in_the_thread_that_made_the_chat(name: str) -> None:
    chat = Chat(name)
    threads: set[str] = set()
    values: list[str] = []

    def note(change: Any) -> None:
        threads.add(threading.current_thread().name)
        values.append(change.new)

    chat.observe(note, "value")
    chat.ask("Go", model="demo/long", params={"chars": 2000, "chars_per_second": 4000})
    assert threads == {threading.current_thread().name}
    assert len(values) > 2, "the value moved only at the end"
    assert values == sorted(values, key=len)


def test_traits_set_by_the_follower_cannot_be_set_by_others(name: str) -> None:
    chat = Chat(name)
    for trait in ("thread", "run_id", "value", "status", "busy", "seq"):
        assert chat.traits()[trait].read_only
        assert chat.traits()[trait].metadata["sync"]


def test_no_method_of_ipywidgets_takes_a_chats_send_for_its_own() -> None:
    """`Widget.send` sends the page a message of ipywidgets: what calls it is overridden."""
    bases = [base for base in Chat.__mro__ if base.__module__.startswith("ipywidgets")]
    methods = [(name, method) for base in bases for name, method in vars(base).items()]
    functions = {name: method for name, method in methods if inspect.isfunction(method)}
    calling = {name for name, each in functions.items() if "self.send(" in inspect.getsource(each)}
    assert calling == {"focus", "blur"}
    assert calling <= vars(Chat).keys()


def test_focus_and_blur_reach_the_page_and_send_no_message(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = Chat(name)
    sent: list[object] = []
    monkeypatch.setattr(chat.comm, "send", lambda data=None, **_: sent.append(data))
    chat.focus()
    chat.blur()
    assert sent == [{"method": "custom", "content": {"do": what}} for what in ("focus", "blur")]
    assert chat.messages == []
