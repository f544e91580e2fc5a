"""``GET threads/{id}/copy``: the text that a notebook file keeps of a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from jupyter_chat_stream.export import saved_copies
from jupyter_chat_stream.export.saved_copies import exchange, saved_copy
from jupyter_chat_stream.shared.errors import RunNotFound
from jupyter_chat_stream.store.front import MessageEntry, WholeThread
from tests.server.conftest import StartServer
from tests.server.harness import ChatServer, Reply
from tests.server.test_access import ByHeader


async def copy(server: ChatServer, thread_id: str, query: str = "", **options: Any) -> Reply:
    return await server.ask("GET", f"threads/{thread_id}/copy{query}", **options)


async def test_a_copy_holds_all_messages_or_the_last_exchange(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    await chat_server.answered(thread_id, "one")
    await chat_server.answered(thread_id, "2 < 3")
    everything = await copy(chat_server, thread_id)
    last = "**You**\n\n2 &lt; 3\n\n**demo/echo**\n\n2 &lt; 3"
    assert everything.headers["Cache-Control"] == "no-store"
    assert everything.json == {
        "seq": (await chat_server.ask("GET", f"threads/{thread_id}/messages")).json["seq"],
        "markdown": f"**You**\n\none\n\n**demo/echo**\n\none\n\n{last}",
        "plain": "You:\n\none\n\ndemo/echo:\n\none\n\nYou:\n\n2 < 3\n\ndemo/echo:\n\n2 < 3",
    }
    assert (await copy(chat_server, thread_id, "?extent=last")).json["markdown"] == last


async def test_a_copy_of_a_run_holds_its_exchange(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    first = await chat_server.answered(thread_id, "one")
    await chat_server.answered(thread_id, "two")
    for extent in ("all", "last"):
        query = f"?run_id={first['run']['id']}&extent={extent}"
        got = (await copy(chat_server, thread_id, query)).json
        assert got["markdown"] == "**You**\n\none\n\n**demo/echo**\n\none"


async def test_a_message_for_later_stands_without_its_empty_reply(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    sent = await chat_server.send(thread_id, "Wait", deliver_at="2030-01-01T00:00:00Z")
    run_id = sent["run"]["id"]
    for query in ("", "?extent=last", f"?run_id={run_id}"):
        got = (await copy(chat_server, thread_id, query)).json
        assert got["markdown"] == "**You**\n\nWait\n\n*(to be sent later)*"
    await chat_server.ask("POST", f"runs/{run_id}/cancel", {})
    assert "*(never sent)*" in (await copy(chat_server, thread_id)).json["markdown"]


async def test_a_thread_without_messages_has_an_empty_copy(chat_server: ChatServer) -> None:
    thread_id = await chat_server.thread()
    for query in ("", "?extent=last"):
        got = (await copy(chat_server, thread_id, query)).json
        assert (got["markdown"], got["plain"]) == ("", "")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?extent=none", 400, "invalid_input"),
        ("?run_id=", 400, "invalid_input"),
        ("?run_id=nobody", 404, "run_not_found"),
        ("?run_id=a%20b", 404, "run_not_found"),
    ],
)
async def test_an_unknown_run_or_extent_is_refused(
    chat_server: ChatServer, query: str, status: int, code: str
) -> None:
    reply = await copy(chat_server, await chat_server.thread(), query)
    assert (reply.status, reply.error["code"]) == (status, code)


async def test_a_run_of_another_thread_is_not_found(chat_server: ChatServer) -> None:
    run_id = (await chat_server.answered(await chat_server.thread()))["run"]["id"]
    reply = await copy(chat_server, await chat_server.thread(), f"?run_id={run_id}")
    assert (reply.status, reply.error["code"]) == (404, "run_not_found")


async def test_a_thread_that_is_gone_or_somebody_else_s_is_not_found(
    start_server: StartServer,
) -> None:
    server = await start_server(ServerApp_identity_provider_class=ByHeader)
    ada, bob = {"X-User": "ada"}, {"X-User": "bob"}
    thread_id = (await server.ask("POST", "threads", {}, headers=ada)).json["id"]
    assert (await copy(server, thread_id, headers=ada)).status == 200
    await server.ask("DELETE", f"threads/{thread_id}", headers=ada)
    foreign_id = (await server.ask("POST", "threads", {}, headers=bob)).json["id"]
    for missing in (thread_id, foreign_id, "nothing"):
        reply = await copy(server, missing, headers=ada)
        assert (reply.status, reply.error["code"]) == (404, "thread_not_found")


async def test_no_copy_is_written_on_the_event_loop(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hostile text takes up to half a second."""
    threads: set[str] = set()

    def written(newest_first: Any, *, markdown: bool = True) -> str:
        threads.add(threading.current_thread().name.rpartition("_")[0])
        return ""

    monkeypatch.setattr(saved_copies, "join_newest", written)
    await copy(chat_server, await chat_server.thread())
    assert threads == {"chat-stream-read"}


# ---------------------------------------------------------------------------------- which messages


class FakeThread:
    """A thread in memory that counts the messages that were read."""

    seq = 7

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.read_count = 0
        self._messages = {message["id"]: message for message in messages}
        self.entries = [
            MessageEntry(pk=pk, **{name: message[name] for name in FIELDS})
            for pk, message in enumerate(messages)
        ]

    def messages(
        self, entries: Sequence[MessageEntry], *, page_messages: int = 1
    ) -> Iterator[dict[str, Any]]:
        for entry in entries:
            self.read_count += 1
            yield self._messages[entry.id]


FIELDS = ("id", "role", "status", "parent_id", "run_id")


def message(id_: str, parent_id: str | None, **fields: Any) -> dict[str, Any]:
    """Make a message; one whose id begins with ``q`` is a question."""
    is_question = id_.startswith("q")
    return {
        "id": id_,
        "parent_id": parent_id,
        "role": "user" if is_question else "assistant",
        "run_id": None if is_question else f"r-{id_}",
        "model": "m",
        "status": "completed",
        "incomplete": None,
        "parts": [],
        "content": id_,
        **fields,
    }


def shown(run_id: str, *messages: dict[str, Any]) -> list[str]:
    return [entry.id for entry in exchange(cast(WholeThread, FakeThread(*messages)), run_id)]


def test_an_exchange_keeps_its_whole_answer_whatever_is_asked_again() -> None:
    tries = [message("q", None), message("a", "q"), message("b", "q")]
    assert shown("r-a", *tries) == ["q", "a"]
    assert shown("r-b", *tries) == ["q", "b"]


@pytest.mark.parametrize("flaw", [{"status": "failed"}, {"incomplete": {"reason": "paused"}}])
def test_the_first_whole_try_takes_the_place_of_one_that_is_not_whole(flaw: Any) -> None:
    tries = [message("q", None), message("a", "q", **flaw), message("b", "q"), message("c", "q")]
    assert shown("r-a", *tries) == ["q", "b"]
    assert shown("r-a", *tries[:2]) == ["q", "a"]


def test_the_newest_try_is_shown_until_one_is_whole() -> None:
    tries = [message("q", None), message("a", "q", status="failed")]
    assert shown("r-a", *tries, message("c", "q", status="pending")) == ["q", "c"]


def test_the_replies_of_builds_follow_the_answer_that_has_begun_them() -> None:
    calls = [
        {"kind": "tool_call", "job_id": "r-x"},
        {"kind": "tool_result", "job_id": "r-x"},
        {"kind": "tool_call", "job_id": "r-nobody"},
    ]
    answer = message("a", "q", parts=calls)
    assert shown("r-a", message("q", None), answer, message("x", "a")) == ["q", "a", "x"]


def test_an_exchange_of_an_unknown_run_is_an_error() -> None:
    with pytest.raises(RunNotFound):
        shown("r-b", message("q", None), message("a", "q"))


def test_a_long_thread_is_read_only_as_far_as_its_copy_goes() -> None:
    messages = [message(f"q{n}", None, content="x" * 5_000) for n in range(2_000)]
    thread = FakeThread(*messages)
    got = saved_copy(cast(WholeThread, thread), "all")
    assert got["markdown"].startswith("*(what came before")
    assert got["seq"] == 7
    assert thread.read_count == 4  # three messages, and one that is too much
