"""Whose turn it is: what is due is found, in its order, and nobody is kept back without a word."""

from __future__ import annotations

from jupyter_chat_stream.store.chat import due as due_runs
from jupyter_chat_stream.store.chat import runs
from jupyter_chat_stream.store.chat.claims import LAST_CHANCE_S
from jupyter_chat_stream.store.chat.due import find_due
from jupyter_chat_stream.store.log.reading import read_thread
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef, Transaction
from tests.store.harness import MODEL, StoreHarness
from tests.store.queries import is_due

HOUR_MS = 3_600_000


def for_later(harness: StoreHarness, thread: ThreadRef, hours: int) -> RunRef:
    """Send a message that is to be delivered in so many hours."""

    def work(tx: Transaction) -> RunRef:
        parts = [{"kind": "text", "text": f"in {hours} h"}]
        message = runs.add_message(tx, thread, parts=parts, parent_id=None, is_for_later=True)
        reply = runs.NewReply(
            parent_id=message["id"], model=MODEL, deliver_ms=harness.clock() + hours * HOUR_MS
        )
        return runs.add_reply(tx, thread, reply).ref

    return harness.do(work, thread.pk)


def test_what_came_due_together_is_found_in_the_order_of_its_times(harness: StoreHarness) -> None:
    """L10: a laptop slept over both; who was written first is not first for that."""
    thread = harness.thread()
    nine, eight = for_later(harness, thread, 9), for_later(harness, thread, 8)
    harness.clock.advance(10 * HOUR_MS)
    found = harness.look(lambda conn: find_due(conn, harness.clock()))
    assert [due.run for due in found] == [eight, nine]


def test_a_message_for_later_is_not_overtaken_whoever_is_called_first(
    harness: StoreHarness,
) -> None:
    thread = harness.thread()
    nine, eight = for_later(harness, thread, 9), for_later(harness, thread, 8)
    harness.clock.advance(10 * HOUR_MS)
    assert harness.claim(nine) is None
    assert harness.scalar("SELECT deliver_ms FROM run WHERE pk = :pk", pk=nine.pk) is not None
    assert harness.claim(eight) is not None
    assert harness.claim(nine) is None  # delivered behind it, and pending
    turns = "SELECT turn FROM run WHERE pk = :pk"
    assert harness.scalar(turns, pk=eight.pk) < harness.scalar(turns, pk=nine.pk)
    head = harness.look(lambda conn: read_thread(conn, thread))["head"]
    assert head == nine.message_id


def test_what_is_due_is_found_beside_any_number_of_runs_that_are_worked_on(
    harness: StoreHarness,
) -> None:
    """L9, L10"""
    most, due_runs.MOST_DUE = due_runs.MOST_DUE, 3
    try:
        for _ in range(5):
            harness.claimed(owner="01busy")
        free = harness.send(harness.thread())
        looks: list[str] = []

        def is_lost(owner: str) -> bool:
            looks.append(owner)
            return False

        found = harness.look(lambda conn: find_due(conn, harness.clock(), is_lost=is_lost))
        assert [due.run for due in found] == [free]
        assert looks == ["01busy"]  # each owner is judged once
    finally:
        due_runs.MOST_DUE = most


def test_a_run_that_waits_for_its_last_chance_is_pending_and_gets_it(harness: StoreHarness) -> None:
    """L5, L10: it has no owner that lives, so it says so; and whoever held it writes no more."""
    one, two = harness.claimed(owner="01dead"), harness.claimed(owner="01dead")
    harness.append(two, "Prices ")
    harness.sql("UPDATE run SET crashes = 1")  # the one that is found now makes two, of three
    assert harness.claim(one.run, "01me") is not None
    assert harness.claim(two.run, "01me") is None
    state = harness.run(two.run)
    assert (state["status"], state["phase"], state["attempt"]) == ("pending", "queued", 2)
    assert harness.scalar("SELECT owner FROM run WHERE pk = :pk", pk=two.run.pk) is None
    assert harness.put(two, "rose.").exception(20) is not None
    assert is_due(harness, two.run)
    harness.clock.advance(int(LAST_CHANCE_S * 1000) + 1)  # what kills would have killed by now
    again = harness.claim(two.run, "01me")
    assert again is not None
    assert again.attempt == 3
    assert harness.scalar("SELECT crashes FROM run WHERE pk = :pk", pk=two.run.pk) == 2
    assert harness.damage() == []


def test_a_run_without_a_turn_comes_before_those_that_have_one(harness: StoreHarness) -> None:
    """Code of the first generation that still runs beside this one writes none."""
    thread = harness.thread()
    first, second = harness.send(thread), harness.send(thread)
    harness.sql("UPDATE run SET turn = NULL WHERE pk = :pk", pk=first.pk)
    assert is_due(harness, first)
    assert not is_due(harness, second)
    assert harness.claim(first) is not None
