"""A damaged row names itself and harms its own thread's reading only (L7)."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chat_stream.export.formats import find_format
from jupyter_chat_stream.export.saved_copies import saved_copy
from jupyter_chat_stream.export.source import Source
from jupyter_chat_stream.shared.errors import DamagedRow
from jupyter_chat_stream.shared.events import dumps, to_wire
from jupyter_chat_stream.store.audit import verify
from jupyter_chat_stream.store.chat import listing, runs, threads
from jupyter_chat_stream.store.chat.due import find_due
from jupyter_chat_stream.store.front import WholeThread
from jupyter_chat_stream.store.log.reading import Page, read_after, read_messages_before, read_state
from jupyter_chat_stream.store.log.transaction import Connection, ThreadRef
from tests.store.harness import StoreHarness, sqlite_only

# What is done to the reply's rows of one exchange, and the row that is named.
SET_PARTS = "UPDATE message SET parts = '{0}' WHERE id = '{{message}}'"
MESSAGES = {
    "no JSON": "UPDATE message SET parts = '[{{' WHERE id = '{message}'",
    "no list": "UPDATE message SET parts = '{{}}' WHERE id = '{message}'",
    "a null": "UPDATE message SET parts = 'null' WHERE id = '{message}'",
    "a part that is none": "UPDATE message SET parts = '[3]' WHERE id = '{message}'",
    "a part without its text": SET_PARTS.format('[{{"kind":"text"}}]'),
    "a text that is none": SET_PARTS.format('[{{"kind":"text","text": 1}}]'),
    "half a result": SET_PARTS.format('[{{"kind":"tool_result"}}]'),
    "usage": "UPDATE message SET usage = '[' WHERE id = '{message}'",
    "usage that is none": "UPDATE message SET usage = '3' WHERE id = '{message}'",
    "an error without a code": "UPDATE message SET error = '{{}}' WHERE id = '{message}'",
    "an unknown status": "UPDATE message SET status = 'odd' WHERE id = '{message}'",
    "an unknown role": "UPDATE message SET role = 'odd' WHERE id = '{message}'",
    "a time out of the calendar": "UPDATE message SET created_ms = 99999999999999999 "
    "WHERE id = '{message}'",
}
RUNS = {
    "no JSON": "UPDATE run SET error = '[' WHERE id = '{run}'",
    "an unknown status": "UPDATE run SET status = 'odd' WHERE id = '{run}'",
    "params": "UPDATE run SET params = '[[' WHERE id = '{run}'",
}
EVENTS = {
    "no JSON": "UPDATE event SET body = '[' WHERE type = 'complete' AND thread = {thread}",
    "nothing": "UPDATE event SET body = NULL WHERE type = 'complete' AND thread = {thread}",
    "missing parts": "UPDATE event SET body = '{{}}' WHERE type = 'complete' AND thread = {thread}",
    "a list": "UPDATE event SET body = '[1]' WHERE type = 'finalized' AND thread = {thread}",
    "no text": "UPDATE event SET text = NULL WHERE type = 'delta' AND thread = {thread}",
    "half a message": "UPDATE event SET body = '{{\"message\":{{}}}}' "
    "WHERE type = 'message' AND seq = 2 AND thread = {thread}",
}

# What a disk's fault makes of a text: bytes that are no UTF-8. Postgres holds none.
NO_TEXT = "CAST(X'5B7BFFFE22' AS TEXT)"
NO_UTF8 = {
    **{
        f"message.{name}": f"UPDATE message SET {name} = {NO_TEXT} WHERE id = '{{message}}'"
        for name in (
            *("parts", "role", "kind", "status", "model", "usage", "stop_reason", "error"),
            *("run_id", "parent_id"),
        )
    },
    **{
        f"run.{name}": f"UPDATE run SET {name} = {NO_TEXT} WHERE id = '{{run}}'"
        for name in ("status", "phase", "model", "params", "error", "continues")
    },
    "event.body": f"UPDATE event SET body = {NO_TEXT} WHERE type = 'complete' "
    "AND thread = {thread}",
    "event.body of a question": f"UPDATE event SET body = {NO_TEXT} WHERE type = 'message' "
    "AND seq = 2 AND thread = {thread}",
    "event.text": f"UPDATE event SET text = {NO_TEXT} WHERE type = 'delta' AND thread = {{thread}}",
    "event.kind": f"UPDATE event SET kind = {NO_TEXT} WHERE type = 'delta' AND thread = {{thread}}",
    "event.type": f"UPDATE event SET type = {NO_TEXT} WHERE type = 'complete' "
    "AND thread = {thread}",
}


def damaged(harness: StoreHarness, statement: str) -> tuple[str, str, str]:
    """Make two exchanges and damage the first; gives the ids of thread, reply and run."""
    thread = harness.thread(name="hurt")
    run = harness.answered(thread, ("first",))
    harness.answered(thread, ("second",))
    harness.sql(statement.format(message=run.message_id, run=run.id, thread=thread.pk))
    return thread.id, run.message_id, run.id


@pytest.mark.parametrize("statement", MESSAGES.values(), ids=MESSAGES)
def test_a_damaged_message_is_shown_in_its_place_and_the_others_as_they_are(
    harness: StoreHarness, statement: str
) -> None:
    thread_id, message_id, _ = damaged(harness, statement)
    thread = harness.look(lambda conn: threads.find_thread(conn, "local", thread_id))
    state = harness.look(lambda conn: read_state(conn, thread, limit=10, before=None))
    by_id = {message["id"]: message for message in state["messages"]}
    assert len(by_id) == 4
    error = by_id[message_id]["error"]
    assert error["code"] == "damaged_row"
    assert message_id in error["message"]
    assert thread_id in error["message"]
    assert "chat-stream check" in error["message"]
    assert state["messages"][-1]["content"] == "second"
    page = harness.look(lambda conn: read_messages_before(conn, thread, 2**31, 10))
    assert [message["id"] for message in page] == list(by_id)


@pytest.mark.parametrize("statement", [*MESSAGES.values(), *RUNS.values(), *EVENTS.values()])
def test_the_thread_is_listed_and_exported_and_the_check_names_the_row(
    harness: StoreHarness, statement: str
) -> None:
    thread_id, message_id, run_id = damaged(harness, statement)
    other = harness.thread(name="whole")
    harness.answered(other, ("well",))
    listed = harness.look(
        lambda conn: listing.list_threads(conn, "local", listing.ListFilter(), limit=50)
    )
    assert {thread["id"] for thread in listed} == {thread_id, other.id}
    thread = harness.look(lambda conn: threads.find_thread(conn, "local", thread_id))
    assert len(harness.look(lambda conn: runs.list_runs(conn, thread))) == 2
    for name in ("md", "json", "ipynb", "html"):
        wanted = find_format(name, events=name == "json")
        text = harness.look(
            lambda conn, wanted=wanted: "".join(  # type: ignore[misc]
                wanted.pieces(Source(WholeThread(conn, thread), at="2026-11-20T09:14:28.123Z"))
            )
        )
        assert "second" in text
        if "UPDATE message" in statement:
            assert "is damaged" in text
    copy = harness.look(lambda conn: saved_copy(WholeThread(conn, thread), "all"))
    assert copy["plain"].endswith("second")
    copy = harness.look(lambda conn: saved_copy(WholeThread(conn, thread), "all", run_id))
    assert copy["plain"].startswith("You:\n\nWhy?\n\ndemo/tour:\n\n")
    found = harness.look(lambda conn: [str(each) for each in verify(conn)])
    assert found
    assert all(thread_id in each for each in found)
    named = message_id, run_id, "event "
    assert any(name in each for name in named for each in found)


@pytest.mark.parametrize("statement", EVENTS.values(), ids=EVENTS)
def test_a_follower_gets_past_a_damaged_event_and_raw_reading_names_it(
    harness: StoreHarness, statement: str
) -> None:
    thread_id, _, _ = damaged(harness, statement)
    thread = harness.look(lambda conn: threads.find_thread(conn, "local", thread_id))
    answer = harness.look(lambda conn: read_after(conn, thread, 1))
    assert (
        getattr(answer, "seq", None)
        == harness.look(lambda conn: read_state(conn, thread, limit=10, before=None))["seq"]
    )
    with pytest.raises(DamagedRow, match="event 'seq "):
        harness.look(lambda conn: read_after(conn, thread, 1, raw=True))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE run SET params = '[' WHERE id = '{run}'",
        "UPDATE message SET parts = '[' WHERE id = '{message}'",
        "UPDATE message SET parts = '[3]' WHERE id = '{asked}'",
    ],
)
def test_a_run_that_cannot_be_taken_ends_and_says_which_row(
    harness: StoreHarness, statement: str
) -> None:
    thread, other = harness.thread(name="hurt"), harness.thread(name="whole")
    run = harness.send(thread)
    asked = harness.scalar("SELECT parent_id FROM message WHERE id = :id", id=run.message_id)
    harness.sql(statement.format(run=run.id, message=run.message_id, asked=asked))
    claimed = harness.claim(run)
    assert harness.claim(harness.send(other)) is not None
    if "'[3]'" in statement:  # the run's own rows are whole: its execution finds it
        assert claimed is not None
        return
    assert claimed is None
    wire = harness.look(lambda conn: runs.list_runs(conn, thread))[0]
    assert (wire["status"], wire["error"]["code"]) == ("failed", "damaged_row")
    assert harness.look(lambda conn: [due for due in find_due(conn, 2**50) if due.run == run]) == []


def test_a_thread_whose_own_row_is_damaged_is_listed_as_that(harness: StoreHarness) -> None:
    thread, other = harness.thread(name="hurt"), harness.thread(name="whole")
    harness.sql(f"UPDATE thread SET created_ms = 99999999999999999 WHERE pk = {thread.pk}")
    listed = harness.look(
        lambda conn: listing.list_threads(conn, "local", listing.ListFilter(), limit=50)
    )
    by_id = {each["id"]: each for each in listed}
    assert by_id[thread.id]["error"]["code"] == "damaged_row"
    assert "error" not in by_id[other.id]


# ---------------------------------------------------------------------- texts that are no UTF-8


def listed_by_id(harness: StoreHarness) -> dict[str, dict[str, Any]]:
    found = harness.look(
        lambda conn: listing.list_threads(conn, "local", listing.ListFilter(), limit=50)
    )
    return {thread["id"]: thread for thread in found}


def exported(harness: StoreHarness, thread: ThreadRef, name: str) -> str:
    wanted = find_format(name, events=name == "json")

    def read(conn: Connection) -> str:
        return "".join(
            wanted.pieces(Source(WholeThread(conn, thread), at="2026-11-20T09:14:28.123Z"))
        )

    return harness.look(read)


@sqlite_only
@pytest.mark.parametrize("statement", NO_UTF8.values(), ids=NO_UTF8)
def test_a_text_that_is_no_utf_8_harms_its_own_row_only(
    harness: StoreHarness, statement: str
) -> None:
    thread_id, message_id, run_id = damaged(harness, statement)
    other = harness.thread(name="whole")
    harness.answered(other, ("well",))
    assert set(listed_by_id(harness)) == {thread_id, other.id}
    thread = harness.look(lambda conn: threads.find_thread(conn, "local", thread_id))
    state = harness.look(lambda conn: read_state(conn, thread, limit=10, before=None))
    assert len(state["messages"]) == 4
    assert state["messages"][-1]["content"] == "second"
    page = harness.look(lambda conn: read_messages_before(conn, thread, 2**31, 10))
    assert [each["id"] for each in page] == [each["id"] for each in state["messages"]]
    found = harness.look(lambda conn: runs.list_runs(conn, thread))
    assert len(found) == 2
    dumps([state, page, found])  # all of it goes over the wire
    answer = harness.look(lambda conn: read_after(conn, thread, 1))
    if isinstance(answer, Page):
        dumps([to_wire(event) for event in answer.events])
    else:
        dumps(answer.to_wire())
    for name in ("md", "json", "ipynb", "html"):
        text = exported(harness, thread, name)
        assert "second" in text
        assert text.count("Why?") >= 2, "what stands before a damaged row is missing"
    rows = [str(each) for each in harness.look(lambda conn: list(verify(conn)))]
    assert rows
    assert all(thread_id in each for each in rows)
    assert any(name in each for name in (message_id, run_id, "event ") for each in rows)


@sqlite_only
@pytest.mark.parametrize("column", ["title", "name", "model", "system", "head"])
def test_a_thread_whose_title_is_no_utf_8_is_listed_with_what_can_be_read_of_it(
    harness: StoreHarness, column: str
) -> None:
    thread, other = harness.thread(name="hurt"), harness.thread(name="whole")
    harness.answered(thread, ("first",))
    text = f"CAST(X'{b'Pri'.hex()}FF{b'es'.hex()}' AS TEXT)"
    harness.sql(f"UPDATE thread SET {column} = {text} WHERE pk = {thread.pk}")
    by_id = listed_by_id(harness)
    assert by_id[thread.id][column] == "Pri\ufffdes"
    assert by_id[thread.id]["error"]["code"] == "damaged_row"
    assert "error" not in by_id[other.id]
    state = harness.look(lambda conn: read_state(conn, thread, limit=10, before=None))
    assert state["messages"][-1]["content"] == "first"
    for name in ("md", "json", "ipynb", "html"):
        assert "first" in exported(harness, thread, name)
    rows = [str(each) for each in harness.look(lambda conn: list(verify(conn)))]
    assert rows
    assert all(thread.id in each for each in rows)


@sqlite_only
def test_a_live_answer_whose_log_is_no_utf_8_fails_alone_and_others_go_on(
    harness: StoreHarness,
) -> None:
    """L7: what is folded of a log in one statement names the one row, too."""
    hurt, whole = harness.thread(name="hurt"), harness.thread(name="whole")
    for thread in (hurt, whole):
        harness.append(harness.claimed(thread), "so far")
    harness.sql(f"UPDATE event SET text = {NO_TEXT} WHERE type = 'delta' AND thread = {hurt.pk}")
    state = harness.look(lambda conn: read_state(conn, hurt, limit=10, before=None))
    assert state["messages"][-1]["error"]["code"] == "damaged_row"
    assert "event 'seq " in state["messages"][-1]["error"]["message"]
    state = harness.look(lambda conn: read_state(conn, whole, limit=10, before=None))
    assert state["messages"][-1]["content"] == "so far"
