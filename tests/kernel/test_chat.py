"""Chat and Run in an ordinary process: no kernel, no page, no running loop."""

from __future__ import annotations

import asyncio
import inspect
import threading
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from jupyter_chat_stream import Chat, RunFailed
from jupyter_chat_stream.kernel import link, rest
from jupyter_chat_stream.kernel.output import MIME
from jupyter_chat_stream.shared.connection_file import Connection
from jupyter_chat_stream.shared.errors import (
    ChatStreamError,
    IdempotencyMismatch,
    InvalidInput,
    NoSuchModel,
    RunNotEnded,
    ThreadNotFound,
)
from jupyter_chat_stream.shared.events import Delta
from tests.kernel.harness import PATIENCE_S, until

pytestmark = pytest.mark.usefixtures("here")

ECHO = "demo/echo"
SLOW: dict[str, Any] = {"model": "demo/long", "params": {"chars": 50_000, "chars_per_second": 400}}


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex


def test_the_same_name_is_the_same_thread_and_no_name_a_new_one(name: str) -> None:
    assert Chat(name).thread == Chat(name).thread
    assert Chat().thread != Chat().thread
    assert Chat(name, project="elsewhere").thread != Chat(name).thread


def test_a_thread_opens_by_its_id_with_all_its_messages(name: str) -> None:
    first = Chat(name, model=ECHO)
    first.ask("Hello")
    again = Chat(thread=first.thread)
    assert again.name == name
    assert [message.content for message in again.messages] == ["Hello", "Hello"]
    assert (again.value, again.status, again.busy) == ("Hello", "completed", False)


def test_a_name_and_an_id_at_once_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="not both"):
        Chat(name, thread="01")


def test_a_thread_that_is_not_there_says_so() -> None:
    with pytest.raises(ThreadNotFound):
        Chat(thread="01m7w5qcxfjsnt91q91sfacd1e")


def test_send_answers_at_once_and_the_run_goes_on(name: str) -> None:
    chat = Chat(name)
    run = chat.send("Tell me", **SLOW)
    assert not run.is_ended
    assert (chat.run_id, chat.busy) == (run.id, True)
    until(lambda: len(run.content) > 50, "text")
    assert run.status == "processing"
    run.cancel()
    assert run.status == "cancelled"
    assert run.content
    assert not chat.busy


def test_ask_waits_and_gives_the_reply(name: str) -> None:
    reply = Chat(name, model=ECHO).ask("**Hello**")
    assert str(reply) == reply.content == "**Hello**"
    assert (reply.role, reply.status, reply.model) == ("assistant", "completed", ECHO)
    assert repr(reply) == "demo/echo: **Hello**"


def test_a_failed_answer_raises_and_keeps_its_text(name: str) -> None:
    params = {"failure": "bad_request", "after_chars": 20}
    with pytest.raises(RunFailed, match="bad_request") as caught:
        Chat(name).ask("Fail", model="demo/fail", params=params)
    assert caught.value.facts["reason"] == "bad_request"
    failed = caught.value.run
    assert failed.content
    assert failed.error is not None
    assert failed.error["code"] == "bad_request"
    assert str(RunFailed(run=failed)) == str(caught.value)


def test_the_same_key_is_asked_once_l11(name: str) -> None:
    chat = Chat(name, model=ECHO)
    first = chat.ask("And in Q3?", key="q3")
    assert chat.ask("And in Q3?", key="q3") == first
    assert len(chat.messages) == 2
    with pytest.raises(IdempotencyMismatch):
        chat.ask("And in Q4?", key="q3")


def test_an_answer_can_be_tried_again_and_gone_on_with(name: str) -> None:
    chat = Chat(name)
    run = chat.send("Tell me", **SLOW)
    until(lambda: run.content, "text")
    with pytest.raises(RunNotEnded):
        run.retry()
    run.cancel()
    again = run.retry()
    assert again.id != run.id
    again.cancel()
    further = run.continue_()
    further.cancel()
    assert [known.id for known in chat.runs] == [run.id, again.id, further.id]


def test_stopping_a_chat_stops_all_that_wait_in_it(name: str) -> None:
    chat = Chat(name)
    runs = [chat.send(str(number), **SLOW) for number in range(3)]
    chat.cancel()
    assert [run.status for run in runs] == ["cancelled"] * 3


def test_what_was_just_sent_is_there_to_be_stopped_before_its_events_are(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither stopping nor listing waits for them."""
    stopped = threading.Event()
    paths: list[str] = []
    take, fetch = link.Link._take, rest.fetch

    async def held_back(to: link.Link, frame: Mapping[str, Any]) -> None:
        await asyncio.to_thread(stopped.wait, 30)
        await take(to, frame)

    async def asked(to: Connection, method: str, path: str, *more: Any, **options: Any) -> Any:
        paths.append(path.rpartition("/")[2])
        answer = await fetch(to, method, path, *more, **options)
        if path.endswith("/cancel"):
            stopped.set()
        return answer

    chat = Chat(name)
    monkeypatch.setattr(link.Link, "_take", held_back)
    monkeypatch.setattr(rest, "fetch", asked)
    runs = [chat.send("Go on", **SLOW) for _ in range(2)]
    assert [known.id for known in chat.runs] == [run.id for run in runs]
    assert paths == ["messages"] * 2  # a property touches no network
    chat.cancel()
    assert [run.status for run in runs] == ["cancelled"] * 2
    assert [known.id for known in chat.runs] == [run.id for run in runs]


def test_context_reaches_the_thread_as_attachments(name: str) -> None:
    chat = Chat(name, model=ECHO)
    chat.ask("See", context={"df": 42})
    parts = chat.messages[0].parts
    assert [(part["kind"], part.get("name"), part["text"]) for part in parts] == [
        ("attachment", "df", "42"),
        ("text", None, "See"),
    ]


def test_an_unknown_model_is_refused_and_the_trait_stays(name: str) -> None:
    chat = Chat(name, model=ECHO)
    with pytest.raises(NoSuchModel, match="no model"):
        chat.model = "demo/nothing"
    assert chat.model == ECHO
    chat.model = "demo/tour"
    assert Chat(name).model == "demo/tour"


def test_a_system_prompt_is_kept_with_the_thread(name: str) -> None:
    Chat(name, system="Be brief.")
    assert Chat(name)._follower.thread["system"] == "Be brief."
    Chat(name, system="Be long.")
    assert Chat(name)._follower.thread["system"] == "Be long."


def test_the_project_is_the_notebooks_folder(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Chat(name)
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/churn/first.ipynb")
    chat = Chat(name)
    assert chat.thread != elsewhere.thread
    assert chat._follower.thread["project"] == "/home/me/churn"


def test_an_error_of_a_newer_server_keeps_its_code() -> None:
    from jupyter_chat_stream.kernel.wire import error_from_wire

    error = error_from_wire({"code": "out_of_tea", "message": "No tea.", "cups": 3}, 418)
    assert type(error) is ChatStreamError
    assert (error.code, error.status, error.facts) == ("out_of_tea", 418, {"cups": 3})
    assert ChatStreamError.code == "error"


# ------------------------------------------------------------------------------------- events


def test_events_replay_then_go_on_to_the_end_without_gap_or_repetition_l6(name: str) -> None:
    chat = Chat(name, model=ECHO)
    chat.ask("Before")
    run = chat.send("Go", model="demo/long", params={"chars": 3000, "chars_per_second": 6000})
    events = list(run.events())
    seqs = [event.seq for event in events]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert [events[0].type, events[-1].type] == ["message", "finalized"]
    assert (
        "".join(event.body.text for event in events if isinstance(event.body, Delta)) == run.content
    )
    (again,) = [known for known in Chat(name).runs if known.id == run.id]
    assert list(again.events()) == events
    assert list(run.events(after=seqs[-3])) == events[-2:]
    assert list(run.events(after=seqs[-1])) == []


def test_pages_that_overlap_or_leave_a_gap_give_each_event_once_l6(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a server answers to a cursor, an iteration is dense."""
    chat = Chat(name, model=ECHO)
    chat.ask("Hello")
    run = chat.runs[0]
    whole = [event.seq for event in run.events()]
    request = link.Link.request
    asked = 0

    async def answer(self: Any, method: str, path: str, *args: Any, **options: Any) -> Any:
        nonlocal asked
        page = await request(self, method, path, *args, **options)
        if "/events?" in path:
            asked += 1
            first, *rest = page["events"]
            page["events"] = [first, first, *rest[:1], *rest[2:]]  # one twice, one left out
        return page

    monkeypatch.setattr(link.Link, "request", answer)
    assert [event.seq for event in run.events()] == whole
    assert asked > 2


def test_the_events_of_a_run_that_has_ended_are_not_waited_for(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = Chat(name, model=ECHO)
    run = chat.send("First").wait(PATIENCE_S)
    end = list(run.events())[-1].seq
    chat.ask("Second")  # its events come after the cursor, and are not this run's
    waits = []
    request = link.Link.request

    async def watched(self: Any, method: str, path: str, *args: Any, **options: Any) -> Any:
        waits.append("&wait=" in path)
        return await request(self, method, path, *args, **options)

    monkeypatch.setattr(link.Link, "request", watched)
    assert list(run.events(after=end)) == []
    assert waits
    assert not any(waits)


def test_leaving_events_only_leaves_l8(name: str) -> None:
    chat = Chat(name)
    run = chat.send("Tell me", **SLOW)
    for event in run.events():
        if event.type == "delta":
            break
    assert not run.is_ended
    until(lambda: len(run.content) > 100, "more text")
    run.cancel()


def test_a_chats_events_are_those_of_all_its_runs(name: str) -> None:
    chat = Chat(name, model=ECHO)
    for text in ("one", "two"):
        chat.ask(text)
    ends = 0
    seqs = []
    for event in chat.events():
        seqs.append(event.seq)
        ends += event.type == "finalized"
        if ends == 2:
            break
    assert seqs == list(range(1, len(seqs) + 1))


# ------------------------------------------------------------------------------------- asyncio


async def test_everything_has_an_awaitable_twin(name: str) -> None:
    chat = Chat(name, model=ECHO)
    assert (await chat.aask("Hello")).content == "Hello"
    run = await chat.asend("Go", model="demo/long", params={"chars": 500, "chars_per_second": 0})
    types = [event.type async for event in run.aevents()]
    assert types[-1] == "finalized"
    assert await run is run
    assert len(run.content) == 500
    slow = await chat.asend("Tell me", **SLOW)
    assert (await slow.acancel()).status == "cancelled"
    again = await slow.aretry()
    assert (await again.acancel()).is_ended
    await chat.acancel()


async def test_ordinary_calls_work_while_a_loop_runs(name: str) -> None:
    chat = Chat(name, model=ECHO)
    assert chat.ask("Hello").content == "Hello"
    assert chat.value == "Hello"


# -------------------------------------------------------------------------------------- traits


def test_traits_follow_with_no_page_and_no_loop(name: str) -> None:
    watching, speaking = Chat(name), Chat(name, model=ECHO)
    seen: list[str] = []
    watching.observe(lambda change: seen.append(change.new), "value")
    speaking.ask("Moved together")
    until(lambda: watching.value == "Moved together" and not watching.busy, "the other chat")
    assert seen[-1] == "Moved together"
    assert watching.seq == speaking.seq


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


# --------------------------------------------------------------------------------------- shown


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


# ------------------------------------------------------------------------------------- widget


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


# --------------------------------------------------------------------------------------- link


def test_one_socket_and_one_thread_follow_everything(name: str) -> None:
    chats = [Chat(f"{name}-{number}", model=ECHO) for number in range(5)]
    for chat in chats:
        assert chat.ask("x").content == "x"
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("chat-stream") == 1
    assert len(link.current()._followers) == 5


def test_a_thread_nobody_uses_is_followed_no_more(name: str) -> None:
    chat = Chat(name, model=ECHO)
    run = chat.send("x").wait()
    chat.close()
    del chat, run
    until(lambda: not link.current()._followers, "the end of following", PATIENCE_S)


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
