"""What is made again costs nothing that stays: chats, runs, followers, sockets, memory (L8)."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ipywidgets import VBox
from ipywidgets.widgets.widget import _instances as registry

from jupyter_chat_stream import Chat
from jupyter_chat_stream.kernel import channel, follower, link
from jupyter_chat_stream.shared.config import CONNECTION_ENV
from jupyter_chat_stream.shared.errors import ThreadNotFound
from tests.conftest import home_environment
from tests.kernel.harness import JupyterServer, Kernel, until

CASE = Path(__file__).parent / "chats_in_a_loop.py"
ECHO = "demo/echo"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """One server for all cases."""
    folder = tmp_path_factory.mktemp("growth")
    server = JupyterServer({**os.environ, **home_environment(folder / "home")}, folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def here(running: JupyterServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[JupyterServer]:
    """Make this process a client of that server."""
    link.close()
    monkeypatch.setenv(CONNECTION_ENV, str(running.connection))
    yield running
    link.close()


def followed() -> dict[str, int]:
    """State how many chats listen to each thread that this process follows."""
    return {id_: len(one.listeners) for id_, one in link.current().followers.items()}


def test_the_case_is_played_as_it_was_given(running: JupyterServer, tmp_path: Path) -> None:
    played = subprocess.run(
        [sys.executable, str(CASE)],
        env=running.kernel_environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert played.returncode == 0, played.stderr
    assert not played.stderr


@pytest.mark.usefixtures("here")
class TestWhatNobodyHolds:
    def test_the_same_chat_made_300_times_is_followed_once_and_listens_once(self) -> None:
        for _ in range(300):
            chat = Chat("again", model=ECHO)
        until(lambda: list(followed().values()) == [1] or None, "the end of the others")
        assert [len(one.followers) for one in link.current().channels] == [1]
        assert chat.ask("still here?").content == "still here?"

    def test_a_chat_ends_with_its_last_name_without_the_garbage_collector(self) -> None:
        gc.disable()
        try:
            chat = Chat("gone", model=ECHO)
            chat.observe(lambda change: None, "value")
            chat.ask("x")
            known = weakref.ref(chat)
            del chat
            assert known() is None
        finally:
            gc.enable()

    def test_nothing_of_a_chat_stays_in_the_registries_of_widgets(self) -> None:
        import comm

        widgets, comms = len(registry), len(comm.get_comm_manager().comms)
        for number in range(20):
            Chat(f"registered-{number}")
        assert len(registry) == widgets
        assert len(comm.get_comm_manager().comms) == comms

    def test_a_chat_in_a_box_stays_until_it_is_closed(self) -> None:
        widgets = len(registry)
        box = VBox([Chat("boxed", model=ECHO)])
        chat = box.children[0]
        assert registry[chat.model_id] is chat
        known = weakref.ref(chat)
        del chat
        gc.collect()
        assert known() is not None
        box.children[0].close()
        box.layout.close()
        box.close()
        assert len(registry) == widgets

    def test_a_run_outlives_its_chat(self) -> None:
        params = {"chars": 400, "chars_per_second": 2000}
        run = Chat("outlived").send("Tell me", model="demo/long", params=params)
        gc.collect()
        assert len(run.wait(30).content) == 400
        assert list(followed().values()) == [0]

    def test_a_chat_that_cannot_be_made_is_not_followed(self) -> None:
        from traitlets import TraitError

        for _ in range(3):
            with pytest.raises(TraitError):
                Chat("refused", height=-1)
        gc.collect()
        until(lambda: not followed() or None, "the end of following")

    def test_more_chats_than_a_socket_carries_are_all_followed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The server takes 256 on a socket; here a socket carries three."""
        monkeypatch.setattr(channel, "MOST_FOLLOWERS", 3)
        chats = [Chat(f"row-{number}", model=ECHO) for number in range(8)]
        assert [len(one.followers) for one in link.current().channels] == [3, 3, 2]
        runs = [chat.send(chat.name or "") for chat in chats]
        contents = [run.wait(30).content for run in runs]
        assert contents == [chat.name for chat in chats]
        monkeypatch.setattr(channel, "LINGER_S", 0)
        del chats[3:6], runs[3:6]
        ended = link.current().channels[1]
        until(lambda: not ended.is_open or None, "the end of a socket")
        assert chats[-1].ask("and here?").content == "and here?"

    def test_what_a_channel_carries_is_less_than_the_server_takes(self) -> None:
        from jupyter_chat_stream.server.websocket import MAX_SUBSCRIPTIONS

        assert channel.MOST_FOLLOWERS < MAX_SUBSCRIPTIONS


@pytest.mark.usefixtures("here")
class TestLongThreads:
    @pytest.fixture(autouse=True)
    def short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(follower, "KEPT_MESSAGES", 6)
        monkeypatch.setattr(follower, "MOST_MESSAGES", 12)
        monkeypatch.setattr("jupyter_chat_stream.kernel.history.PAGE", 6)

    def talked(self, name: str, answers: int) -> Chat:
        chat = Chat(name, model=ECHO)
        for number in range(answers):
            assert chat.ask(f"{number}").content == f"{number}"
        return chat

    def test_a_follower_keeps_the_newest_messages_and_lists_give_all(self) -> None:
        chat = self.talked("long", 20)
        kept = link.current().followers[chat.thread]
        assert len(kept.messages()) <= 12
        assert len(kept.runs()) <= 6
        expected = [f"{number}" for number in range(20) for _ in range(2)]
        assert [message.content for message in chat.messages] == expected
        assert [run.content for run in chat.runs] == expected[::2]
        assert len(chat.messages) == 40
        assert chat.messages[0].content == "0"
        assert [message.content for message in reversed(chat.messages)] == expected[::-1]

    def test_the_end_of_a_list_asks_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        chat = self.talked("end", 10)

        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("the network was asked")

        monkeypatch.setattr(link.Link, "request", refuse)
        assert chat.messages[-1].content == "9"
        assert [message.content for message in chat.messages[-2:]] == ["9", "9"]
        assert "You: 9" in repr(chat.messages)

    def test_a_run_somebody_holds_keeps_its_answer(self) -> None:
        chat = Chat("pinned", model=ECHO)
        runs = [chat.send(f"{number}") for number in range(20)]
        for run in runs:
            run.wait(30)
        chat.ask("last")
        assert [run.content for run in runs] == [f"{number}" for number in range(20)]
        assert runs[0].reply is not None
        assert runs[0].reply.status == "completed"

    def test_stopping_all_stops_what_is_on_the_second_page_too(self) -> None:
        chat = Chat("stopped", model="demo/long")
        slow: dict[str, Any] = {"params": {"chars": 50_000, "chars_per_second": 400}}
        runs = [chat.send("Go", **slow) for _ in range(9)]
        chat.cancel()
        assert {run.wait(30).status for run in runs} == {"cancelled"}

    def test_a_deleted_thread_tells_who_reads_on(self) -> None:
        chat = self.talked("deleted", 10)
        known = chat.messages
        link.current().run(link.current().request("DELETE", f"threads/{chat.thread}"))
        with pytest.raises(ThreadNotFound):
            list(known)


CELL = """
from jupyter_chat_stream import Chat
chat = Chat("cell", model="demo/echo")
chat
"""
COUNT = """
import gc
from jupyter_chat_stream.kernel import link
gc.collect()
chats = [one for one in gc.get_objects() if type(one) is Chat]
print(len(chats), [len(one.listeners) for one in link.current().followers.values()])
del chats
"""
ANSWERS = """
import gc, tracemalloc
from jupyter_chat_stream.kernel import follower
follower.KEPT_MESSAGES, follower.MOST_MESSAGES = 20, 40
gc.collect(); tracemalloc.start()
def used():
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
def answers(count):
    for number in range(count):
        chat.send(f"{number}").wait(30)
answers(50)
grown = []
for _ in range(4):
    before = used()
    answers(25)
    grown.append(used() - before)
print(min(grown) // 1024)
"""


@pytest.fixture(scope="module")
def kernel(running: JupyterServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    kernel = Kernel(running.kernel_environment, tmp_path_factory.mktemp("kernel"))
    yield kernel
    kernel.close()


def test_a_cell_that_shows_a_chat_again_and_again_leaves_one(kernel: Kernel) -> None:
    """Out and _ of the kernel's history too; what was shown is drawn from the server."""
    for _ in range(20):
        (shown,) = kernel.run(CELL).shown
        assert "application/vnd.jupyter-chat-stream.thread.v1+json" in shown
    # One chat; its follower tells that chat, and the thread's toolbox.
    assert kernel.run(COUNT).text == "1 [2]\n"


def test_the_kernel_s_memory_is_flat_over_100_answers_of_one_chat(kernel: Kernel) -> None:
    kernel.run(CELL)
    # kB in the calmest of four times 25 answers; a leak kept 2 kB or more for each answer.
    assert int(kernel.run(ANSWERS).text) < 25
