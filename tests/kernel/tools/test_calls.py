"""Functions of a process that a model calls, over a real server (laws L12, L13, L14)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from typing import Any

import pandas
import pytest
from matplotlib.figure import Figure

from jupyter_chat_stream import Chat, InvalidInput, Run, RunFailed
from jupyter_chat_stream.kernel import inbox, link
from jupyter_chat_stream.kernel.tools import methods, offers
from jupyter_chat_stream.kernel.tools.toolbox import toolbox_of
from tests.kernel.harness import PATIENCE_S, until

pytestmark = pytest.mark.usefixtures("here")

TOOLS: dict[str, Any] = {"model": "demo/tools"}


def results(run: Run) -> list[tuple[str, bool, Any]]:
    """Return the results of a run's calls, in the order of the calls."""
    reply = run.reply
    assert reply is not None
    order = [call["tool_call_id"] for call in calls(run) if "tool_call_id" in call]
    found = [part for part in reply.parts if part["kind"] == "tool_result"]
    found.sort(key=lambda part: order.index(part["tool_call_id"]))
    return [(part["name"], part["success"], part["output"]) for part in found]


def calls(run: Run) -> list[dict[str, Any]]:
    reply = run.reply
    assert reply is not None
    return [dict(part) for part in reply.parts if part["kind"] == "tool_call"]


def test_ask_calls_the_functions_while_it_waits_round_after_round(name: str) -> None:
    chat = Chat(name, **TOOLS)
    called: list[str] = []

    @chat.tool(effect="read")
    def add(a: int, b: int = 1) -> int:
        """Add two numbers."""
        called.append(f"add {a}")
        print("adding", a)  # noqa: T201
        return a + b

    @chat.tool(effect="read", name="later")
    async def slow(text: str) -> dict[str, str]:
        await asyncio.sleep(0)
        called.append("later")
        return {"text": text}

    assert repr(chat.tools) == "<tools: add (read), later (read)>"
    chat.ask('add {"a": 1}\nadd {"a": 2, "b": 3}\nthen later {"text": "é"}\nadd {"b": 1}')
    run = chat.runs[-1]
    assert called == ["add 1", "add 2", "later"]
    made = results(run)
    assert made[:3] == [("add", True, 2), ("add", True, 5), ("later", True, {"text": "é"})]
    assert made[3][:2] == ("add", False)
    assert "'a'" in made[3][2]
    assert [call.get("progress") for call in calls(run)[:2]] == ["adding 1\n", "adding 2\n"]
    assert all(call["executor"] for call in calls(run)[:3])


def test_a_function_is_not_called_before_a_person_allows_it_l13(name: str) -> None:
    chat = Chat(name, **TOOLS)
    called: list[int] = []

    @chat.tool
    def train(epochs: int) -> str:
        called.append(epochs)
        return "trained"

    run = chat.send('train {"epochs": 3}')
    question = run.next_question(PATIENCE_S)
    assert question is not None
    assert question.choices == ("once", "thread", "always", "no")
    assert (question.tool, question.input) == ("train", {"epochs": 3})
    assert called == []
    run.answer("once").wait(PATIENCE_S)
    assert (called, results(run)) == ([3], [("train", True, "trained")])
    refused = chat.send('train {"epochs": 9}')
    assert refused.next_question(PATIENCE_S) is not None
    refused.answer({"choice": "no", "words": "not today"}).wait(PATIENCE_S)
    assert called == [3]
    ((_, success, output),) = results(refused)
    assert not success
    assert "not today" in str(output)


def test_an_exception_reaches_the_model_and_not_the_log_of_the_kernel(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-0123456789abcdef")
    chat = Chat(name, **TOOLS)

    @chat.tool(effect="read")
    def leak() -> None:
        print(dict(os.environ))  # noqa: T201
        raise ValueError(f"no access with {os.environ['SOME_API_KEY']}")

    chat.ask("leak {}")
    ((_, success, output),) = results(chat.runs[-1])
    assert not success
    assert output.startswith("ValueError: no access with [value of SOME_API_KEY]")
    assert "in leak" in output
    assert "[value of SOME_API_KEY]" in calls(chat.runs[-1])[0]["progress"]
    events = [str(event) for event in chat.runs[-1].events()]
    assert not any("sk-0123456789abcdef" in event for event in events)
    assert "sk-0123456789abcdef" not in caplog.text


def test_much_output_and_a_large_result_are_bounded_and_the_run_ends(name: str) -> None:
    chat = Chat(name, **TOOLS)

    @chat.tool(effect="read")
    def flood() -> str:
        for _ in range(1_000):
            print("x" * 1_000)  # noqa: T201
        return "y" * 1_000_000

    chat.ask("flood {}")
    ((_, success, output),) = results(chat.runs[-1])
    assert success
    assert output.endswith(
        "more characters are left out)\n[The whole is the file 'output.txt' of this result.]"
    )
    (whole,) = chat.messages[-1].attachments
    assert whole.read() == b"y" * 1_000_000
    progress = calls(chat.runs[-1])[0]["progress"]
    assert 200_000 <= len(progress) <= 256_000
    assert progress.endswith("(more output is left out)\n")


def test_pictures_and_tables_become_files_of_the_reply(name: str) -> None:
    """As attachments of a message do: they are there after a restart, with their exact bytes."""
    chat = Chat(name, **TOOLS)
    frame = pandas.DataFrame({"month": ["Jan", "Feb"], "rate": [0.02, 0.31]})

    @chat.tool(effect="read")
    def plot() -> list[Any]:
        figure = Figure()
        figure.subplots().plot([1, 2])
        return ["Churn", figure, frame]

    chat.ask("plot {}")
    ((_, success, output),) = results(chat.runs[-1])
    assert success
    assert output[0] == "Churn"
    assert output[1].endswith("[It is the image 'figure.png' of this result.]")
    assert output[2].startswith("pandas DataFrame: 2 rows × 2 columns.")
    picture, table = chat.messages[-1].attachments
    assert (picture.name, picture.type) == ("figure.png", "image/png")
    assert picture.read().startswith(b"\x89PNG")
    assert table.frame().equals(frame)


def test_a_script_executes_calls_while_it_awaits(name: str) -> None:
    chat = Chat(name, **TOOLS)

    @chat.tool(effect="read")
    def add(a: int) -> int:
        return a + 1

    async def main() -> None:
        await chat.aask('add {"a": 1}')
        run = await chat.asend('add {"a": 2}')
        await run

    asyncio.run(main())
    assert [results(run) for run in chat.runs] == [[("add", True, 2)], [("add", True, 3)]]


def test_an_interrupt_of_ask_ends_the_call_and_the_run(name: str) -> None:
    chat = Chat(name, **TOOLS)

    @chat.tool(effect="read")
    def hang() -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        chat.ask("hang {}")
    assert chat.runs[-1].wait(PATIENCE_S).status == "cancelled"


def test_a_stop_from_elsewhere_ends_the_call_that_ask_waits_for(name: str) -> None:
    chat = Chat(name, **TOOLS)
    ended: list[str] = []

    @chat.tool(effect="read")
    def hang() -> None:
        link.current().start(stop(chat.runs[-1].id))
        try:
            signal.pause()
        finally:
            ended.append("stopped")

    async def stop(run_id: str) -> None:
        await link.current().request("POST", f"runs/{run_id}/cancel", {})

    with pytest.raises(RunFailed):
        chat.ask("hang {}")
    assert ended == ["stopped"]
    assert chat.runs[-1].status == "cancelled"


def test_a_function_that_is_removed_is_called_no_more_and_waits_for_its_return(name: str) -> None:
    chat = Chat(name, **TOOLS)
    called: list[str] = []

    def look(what: str) -> str:
        called.append(what)
        return what

    chat.tool(look)
    run = chat.send('look {"what": "a"}')
    assert run.next_question(PATIENCE_S) is not None
    chat.tools.remove("look")
    assert dict(chat.tools) == {}
    with pytest.raises(KeyError):
        chat.tools.remove("look")
    run.answer("once")
    with pytest.raises(TimeoutError):
        run.wait(0.5)
    assert called == []
    chat.tool(look)
    run.wait(PATIENCE_S)
    assert called == ["a"]


def test_a_call_that_was_allowed_as_a_reading_one_is_not_made_as_another_l13(name: str) -> None:
    chat = Chat(name, **TOOLS)
    called: list[str] = []
    chat.tool(effect="read", name="look")(lambda: called.append("read"))
    run = chat.send("look {}")  # nothing executes it before this thread waits
    until(lambda: calls(run) and calls(run)[0].get("allowed"), "the call")
    chat.tool(name="look")(lambda: called.append("run"))
    ((_, success, output),) = results(run.wait(PATIENCE_S))
    assert (called, success) == ([], False)
    assert "registered again with another effect or definition" in output


def test_an_offer_that_the_server_refuses_is_an_error_of_the_decorator(name: str) -> None:
    chat = Chat(name, **TOOLS)
    for n in range(64):
        chat.tool(name=f"tool_{n}")(lambda: None)
    with pytest.raises(InvalidInput):
        chat.tool(name="one_more")(lambda: None)
    assert len(chat.tools) == 64
    assert chat.ask("Still here").status == "completed"


@pytest.fixture
def in_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let chats of this process offer the tool `kernel`, as those of a kernel do."""
    monkeypatch.setattr(methods, "shell_of_kernel", object)


def _offered(chat: Chat) -> Mapping[str, Any]:
    """All tools that this process offers in a thread, also the tool `kernel`."""
    return toolbox_of(link.current(), chat.thread, inbox.here()).tools


def test_a_chat_opens_although_the_server_refuses_its_offer_of_the_kernel(
    name: str, in_kernel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as outside:
        outside.setattr(methods, "shell_of_kernel", lambda: None)
        first = Chat(name, **TOOLS)
    for n in range(64):
        first.tool(name=f"tool_{n}")(lambda: None)
    names = {"tools": {"mode": "ask", "names": ["kernel"]}}
    link.current().command(link.current().request("PATCH", f"threads/{first.thread}", names))
    chat = Chat(name)
    assert (len(chat.tools), "kernel" in _offered(chat)) == (64, False)
    with pytest.raises(InvalidInput):
        chat.offer_kernel()
    chat.tool(name="tool_0")(lambda: None)  # the refused offer stands in no one's way


def test_a_chat_does_not_wait_for_a_server_that_takes_no_offers(
    name: str, in_kernel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Chat(name, **TOOLS)
    first.offer_kernel()
    link.close()
    monkeypatch.setattr(methods, "OFFERED_WITHIN_S", 0.01)
    monkeypatch.setattr(offers, "ANSWERED_WITHIN_S", 0.05)
    monkeypatch.setattr(link.Link, "offer", lambda self, follower: None)
    monkeypatch.setattr(offers.KernelOffer, "is_empty", True)
    chat = Chat(name)
    assert "kernel" in _offered(chat), "it is sent again with each new socket"
