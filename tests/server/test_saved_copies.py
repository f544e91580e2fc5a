"""``GET threads/{id}/copy``: the text that a notebook file keeps of a thread."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from jupyter_chat_stream.export import saved_copies
from jupyter_chat_stream.export.saved_copies import saved_copy
from jupyter_chat_stream.shared.errors import RunNotFound
from jupyter_chat_stream.shared.fold import whole_message
from jupyter_chat_stream.shared.records import CopyExtent, MessageRecord
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

CASES = json.loads(
    (Path(__file__).parents[1] / "vectors" / "exchanges" / "cases.json").read_text("utf-8")
)


class FakeThread:
    """A thread in memory that counts the messages that were read."""

    seq = 7

    def __init__(self, *messages: MessageRecord) -> None:
        self.read_count = 0
        self._messages = {message["id"]: message for message in messages}
        self.entries = [
            MessageEntry(pk=pk, **{name: cast(Any, message)[name] for name in FIELDS})
            for pk, message in enumerate(messages)
        ]

    def messages(
        self, entries: Sequence[MessageEntry], *, page_messages: int = 1
    ) -> Iterator[MessageRecord]:
        for entry in entries:
            self.read_count += 1
            yield self._messages[entry.id]


FIELDS = ("id", "role", "status", "parent_id", "run_id")


def message(id_: str, parent_id: str | None, fields: Any = None) -> MessageRecord:
    """Make a message of the vectors: one whose id begins with ``q`` is a question."""
    is_question = id_.startswith("q")
    written: Any = {
        "id": id_,
        "parent_id": parent_id,
        "role": "user" if is_question else "assistant",
        "run_id": None if is_question else f"r-{id_}",
        "model": "m",
        "status": "completed",
        "stop_reason": None,
        "error": None,
        "parts": [{"kind": "text", "text": id_}],
        **(fields or {}),
    }
    return whole_message(written, 7)


def shown(
    messages: Sequence[MessageRecord], extent: CopyExtent = "all", run_id: str | None = None
) -> list[str] | None:
    """Return the ids of the messages that a copy shows; None if there is no such run."""
    ids: list[str] = []

    def keep_ids(newest_first: Iterator[MessageRecord], *, markdown: bool = True) -> str:
        ids[:] = [message["id"] for message in newest_first]
        return ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_copies, "join_newest", keep_ids)
        try:
            saved_copy(cast(WholeThread, FakeThread(*messages)), extent, run_id)
        except RunNotFound:
            return None
    return ids[::-1]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_copy_shows_the_messages_that_the_cases_name(case: dict[str, Any]) -> None:
    messages = [message(*fields) for fields in case["messages"]]
    for run_id, ids in case["shown"].items():
        assert shown(messages, "all", run_id) == ids
        assert shown(messages, "last", run_id) == ids
    assert shown(messages) == case.get("all", [message["id"] for message in messages])
    if "last" in case:
        assert shown(messages, "last") == case["last"]


def test_the_last_exchange_has_its_question_also_if_builds_stand_below_the_answer() -> None:
    first = [message("q", None), message("a", "q")]
    last = [message("q2", "a"), message("b", "q2"), message("x", "b"), message("y", "x")]
    assert shown([*first, *last], "last") == ["q2", "b", "x", "y"]
    assert shown([*first, *last[:2]], "last") == ["q2", "b"]
    assert shown([*first, last[0]], "last") == ["q", "a"]


def test_a_long_thread_is_read_only_as_far_as_its_copy_goes() -> None:
    text = [{"kind": "text", "text": "x" * 5_000}]
    messages = [message(f"q{n}", None, {"parts": text}) for n in range(2_000)]
    thread = FakeThread(*messages)
    got = saved_copy(cast(WholeThread, thread), "all")
    assert got["markdown"].startswith("*(what came before")
    assert got["seq"] == 7
    assert thread.read_count == 4  # three messages, and one that is too much
