"""Chat and Run in an ordinary process: no kernel, no page, no running loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from jupyter_chat_stream import Chat, RunFailed
from jupyter_chat_stream.kernel import link, rest
from jupyter_chat_stream.kernel.channel import Channel
from jupyter_chat_stream.shared.connection_file import Connection
from jupyter_chat_stream.shared.errors import (
    ChatStreamError,
    IdempotencyMismatch,
    InvalidInput,
    NoSuchModel,
    RunNotEnded,
    ThreadNotFound,
)
from jupyter_chat_stream.shared.records import ThreadRecord
from tests.kernel.harness import ECHO, SLOW, until

pytestmark = pytest.mark.usefixtures("here")


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
    take, fetch = Channel.take, rest.fetch

    async def held_back(to: Channel, frame: Mapping[str, Any]) -> None:
        await asyncio.to_thread(stopped.wait, 30)
        await take(to, frame)

    async def asked(to: Connection, method: str, path: str, *more: Any, **options: Any) -> Any:
        paths.append(path.rpartition("/")[2])
        answer = await fetch(to, method, path, *more, **options)
        if path.endswith("/cancel"):
            stopped.set()
        return answer

    chat = Chat(name)
    monkeypatch.setattr(Channel, "take", held_back)
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


def _followed(chat: Chat) -> ThreadRecord:
    """The thread of a chat as this process follows it."""
    return link.current().followers[chat.thread].thread


def test_a_system_prompt_is_kept_with_the_thread(name: str) -> None:
    Chat(name, system="Be brief.")
    assert _followed(Chat(name))["system"] == "Be brief."
    Chat(name, system="Be long.")
    assert _followed(Chat(name))["system"] == "Be long."


def test_the_project_is_the_notebooks_folder(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Chat(name)
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/churn/first.ipynb")
    chat = Chat(name)
    assert chat.thread != elsewhere.thread
    assert _followed(chat)["project"] == "/home/me/churn"


def test_an_error_of_a_newer_server_keeps_its_code() -> None:
    from jupyter_chat_stream.kernel.wire import error_from_wire

    error = error_from_wire({"code": "out_of_tea", "message": "No tea.", "cups": 3}, 418)
    assert type(error) is ChatStreamError
    assert (error.code, error.status, error.facts) == ("out_of_tea", 418, {"cups": 3})
    assert ChatStreamError.code == "error"


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
