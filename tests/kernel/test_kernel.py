"""Chat in a real ipykernel: loops, interrupts, widgets, comms and what reaches the notebook."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from jupyter_chat_stream.kernel.output import MIME
from tests.kernel.harness import Kernel

WIDGET = "application/vnd.jupyter.widget-view+json"
SLOW = "model='demo/long', params={'chars': 50000, 'chars_per_second': 400}"
STOP_WHEN_THERE_IS_TEXT = """
import os, signal
def stop(change):
    if len(change.new) > 20:
        os.kill(os.getpid(), signal.SIGINT)
chat.observe(stop, "value")
"""


@pytest.fixture
def chat(kernel: Kernel) -> Kernel:
    """A kernel with `chat`, a thread of its own."""
    name = uuid.uuid4().hex
    kernel.run(f"from jupyter_chat_stream import Chat\nchat = Chat({name!r}, model='demo/echo')")
    return kernel


def states(comms: list[dict[str, Any]], trait: str) -> list[Any]:
    """Return the values a trait was sent with."""
    updates = [data.get("state", {}) for data in comms if data.get("method") == "update"]
    return [state[trait] for state in updates if trait in state]


def test_ask_shows_the_run_live_and_its_copy_whole_at_the_end(chat: Kernel) -> None:
    pace = {"chars_per_second": 5}
    ask = f"reply = chat.ask('Hello', params={pace})\nprint(type(reply).__name__, reply)"
    outcome = chat.run(ask)
    assert outcome.text == "Message Hello\n"
    (live,) = outcome.shown
    (final,) = outcome.updates
    assert live.keys() == final.keys() == {MIME, "text/markdown", "text/plain"}
    assert live[MIME] == final[MIME]
    assert set(final[MIME]) == {"thread", "run"}
    assert "*(still being written)*" in live["text/markdown"]
    assert final["text/markdown"] == "**You**\n\nHello\n\n**demo/echo**\n\nHello"


def test_ask_as_the_last_expression_shows_the_answer_once(chat: Kernel) -> None:
    assert len(chat.run("reply = chat.ask('Hello')\nreply").shown) == 1
    (shown,) = chat.run("reply").shown
    assert shown == {"text/markdown": "Hello", "text/plain": "Hello"}


def test_send_as_the_last_expression_shows_this_exchange(chat: Kernel) -> None:
    (shown,) = chat.run("chat.send('Hello')").shown
    assert set(shown[MIME]) == {"thread", "run"}
    assert WIDGET not in shown


def test_await_works_at_the_top_level(chat: Kernel) -> None:
    code = """
reply = await chat.aask("Hello")
run = await chat.asend("Again")
await run
types = [event.type async for event in run.aevents()]
print(reply, run.status, types[-1])
"""
    assert chat.run(code).text == "Hello completed finalized\n"


def test_ordinary_calls_work_in_a_cell_that_awaits(chat: Kernel) -> None:
    code = "import asyncio\nawait asyncio.sleep(0)\nprint(chat.ask('Hello'))"
    assert chat.run(code).text == "Hello\n"


@pytest.mark.parametrize("before", ["", "import asyncio; await asyncio.sleep(0)\n"])
def test_interrupting_ask_cancels_the_run_and_keeps_its_text(chat: Kernel, before: str) -> None:
    outcome = chat.run(
        f"{STOP_WHEN_THERE_IS_TEXT}{before}chat.ask('Go', {SLOW})",
        fails=True,
    )
    assert outcome.error == "KeyboardInterrupt", outcome.traceback
    assert "*(stopped)*" in outcome.updates[-1]["text/markdown"]
    code = "run = chat.runs[-1]; print(run.status, len(run.content) > 20, chat.busy)"
    assert chat.run(code).text == "cancelled True False\n"


def test_interrupting_an_awaited_ask_cancels_the_run_and_keeps_its_text(chat: Kernel) -> None:
    outcome = chat.run(f"{STOP_WHEN_THERE_IS_TEXT}await chat.aask('Go', {SLOW})", fails=True)
    assert outcome.error == "CancelledError", outcome.traceback
    code = "run = chat.runs[-1].wait(10); print(run.status, len(run.content) > 20)"
    assert chat.run(code).text == "cancelled True\n"


def test_interrupting_wait_only_leaves_l8(chat: Kernel) -> None:
    code = f"run = chat.send('Go', {SLOW})\n{STOP_WHEN_THERE_IS_TEXT}\nrun.wait()"
    assert chat.run(code, fails=True).error == "KeyboardInterrupt"
    code = "chat.unobserve_all(); print(run.is_ended); run.cancel(); print(run.status)"
    assert chat.run(code).text == "False\ncancelled\n"


def test_a_chat_shows_its_thread_but_is_a_widget_in_a_box(chat: Kernel) -> None:
    (shown,) = chat.run("chat").shown
    assert shown.keys() == {MIME, "text/markdown", "text/plain"}
    outcome = chat.run("from ipywidgets import VBox\nVBox([chat])")
    assert WIDGET in outcome.shown[0]
    children = [data["state"]["children"] for data in outcome.comms if "children" in data["state"]]
    assert children == [[f"IPY_MODEL_{chat.run('print(chat.model_id)').text.strip()}"]]


def test_the_widget_names_its_view_and_its_thread(kernel: Kernel) -> None:
    outcome = kernel.run("from jupyter_chat_stream import Chat\nchat = Chat()\nprint(chat.thread)")
    opened = next(data["state"] for data in outcome.comms if "busy" in data.get("state", {}))
    assert opened["_model_name"] == "ChatModel"
    assert opened["_view_name"] == "ChatView"
    assert opened["_model_module"] == opened["_view_module"] == "jupyter-chat-stream"
    assert opened["_model_module_version"] == opened["_view_module_version"] == "^0.1.0"
    assert states(outcome.comms, "thread") == [outcome.text.strip()]


def test_traits_move_between_cells_with_no_page(chat: Kernel) -> None:
    """The cell ends at once; the kernel's own loop carries the changes on."""
    chat.run(
        "from ipywidgets import Label, dlink\n"
        "label = Label(); dlink((chat, 'value'), (label, 'value'))\n"
        "seen = []; chat.observe(lambda change: seen.append(change.new), 'status')"
    )
    chat.run("run = chat.send('Hello')")
    code = """
import asyncio
for _ in range(1000):
    if label.value and seen[-1] == "completed":
        break
    await asyncio.sleep(0.01)
print(label.value, seen[-1])
"""
    assert chat.run(code).text == "Hello completed\n"


def test_traits_are_sent_to_the_page_while_ask_waits(chat: Kernel) -> None:
    outcome = chat.run(
        "chat.ask('Go', model='demo/long', params={'chars': 2000, 'chars_per_second': 4000})\n"
        "length = len(chat.value)"
    )
    values = states(outcome.comms, "value")
    assert len(values) > 2
    assert [len(value) for value in values] == sorted(len(value) for value in values)
    assert states(outcome.comms, "busy") == [True, False]
    assert states(outcome.comms, "status")[-1] == "completed"


def test_a_page_is_not_sent_the_whole_text_for_every_piece(chat: Kernel) -> None:
    """Bytes stay in proportion to the text: `value` is sent whole, so it is sent seldom."""
    outcome = chat.run(
        "_ = chat.ask('Go', model='demo/long', params={'chars': 30000, 'chars_per_second': 30000})"
    )
    sent = sum(len(value) for value in states(outcome.comms, "value"))
    assert sent < 30 * 30_000


def test_interactive_output_follows_the_chat(chat: Kernel) -> None:
    chat.run(
        "from ipywidgets import interactive_output\n"
        "seen = []; out = interactive_output(lambda value: seen.append(value), {'value': chat})\n"
        "_ = chat.ask('Hello')"
    )
    assert chat.run("print(seen[0] == '', seen[-1])").text == "True Hello\n"


def test_two_chats_of_one_name_move_together(chat: Kernel) -> None:
    code = """
other = Chat(chat.name)
reply = chat.ask("Together")
import time
while other.busy or other.value != "Together":   # reading a trait takes what has come in
    time.sleep(0.005)
print(other.value, other.seq == chat.seq, len(other.messages))
"""
    assert chat.run(code).text == "Together True 2\n"


def test_a_restarted_kernel_gets_hold_of_the_run_that_goes_on(chat: Kernel) -> None:
    name = chat.run(f"run = chat.send('Go', {SLOW}); print(chat.name)").text.strip()
    chat.manager.restart_kernel(now=True)
    chat.client.wait_for_ready(timeout=30)
    code = f"""
from jupyter_chat_stream import Chat
chat = Chat({name!r})
run = chat.runs[-1]
before = chat.busy, run.status
print(before, run.cancel().status, [event.type for event in run.events()][-1])
"""
    assert chat.run(code).text == "(True, 'processing') cancelled finalized\n"


def test_a_forked_child_speaks_for_itself(chat: Kernel) -> None:
    code = """
import os, warnings
warnings.simplefilter("ignore")  # Python 3.12 warns at the fork of any process with threads
child = os.fork()
if child == 0:
    code = 1
    try:
        code = 0 if chat.ask("From the child").content == "From the child" else 2
    finally:
        os._exit(code)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(chat.ask("From the parent"))
"""
    assert chat.run(code).text == "0\nFrom the parent\n"
