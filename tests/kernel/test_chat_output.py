"""What a cell shows of a chat, a run and their messages."""

from __future__ import annotations

import pytest

from jupyter_chat_stream import Chat
from jupyter_chat_stream.kernel.output import MIME, bundle
from tests.kernel.harness import ECHO, SLOW, until

pytestmark = pytest.mark.usefixtures("here")


def test_what_is_displayed_is_the_live_view_and_a_copy_and_no_widget(name: str) -> None:
    chat = Chat(name, model=ECHO)
    run = chat.send("Why?")
    run.wait()
    shown = chat._repr_mimebundle_(include=None, exclude=None)
    assert shown == {
        MIME: {"thread": chat.thread},
        "text/markdown": "**You**\n\nWhy?\n\n**demo/echo**\n\nWhy?",
        "text/plain": "You:\n\nWhy?\n\ndemo/echo:\n\nWhy?",
    }
    chat.ask("Another")
    assert run._repr_mimebundle_() == {
        **shown,
        MIME: {"thread": chat.thread, "run": run.id},
    }


def test_the_bundle_names_thread_and_run_and_nothing_else() -> None:
    assert bundle("t", [])[MIME] == {"thread": "t"}
    assert bundle("t", [], "r")[MIME] == {"thread": "t", "run": "r"}


def test_a_copy_holds_no_half_answer_so_it_does_not_depend_on_time(name: str) -> None:
    chat = Chat(name)
    run = chat.send("Tell me", **SLOW)
    before = run._repr_mimebundle_()
    until(lambda: run.content, "text")
    assert run._repr_mimebundle_() == before
    assert before["text/markdown"].endswith("*(still being written)*")
    run.cancel()
    assert "*(stopped)*" in run._repr_mimebundle_()["text/markdown"]


def test_messages_are_values_with_a_short_repr(name: str) -> None:
    chat = Chat(name, model=ECHO)
    chat.ask("Hello " * 20)
    assert repr(chat.messages).splitlines()[0] == f"You: {('Hello ' * 20)[:59]}…"
    assert repr(chat) == f"Chat({name!r})"
    assert repr(chat.runs[0]) == "Run(completed)"
