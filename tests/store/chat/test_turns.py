"""Whose turn it is: what is due is found, in its order, and nobody is kept back without a word."""

from __future__ import annotations

from jupyter_chat_stream.store.chat import claims, runs, threads
from jupyter_chat_stream.store.chat.claims import LAST_CHANCE_S, find_due
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef, Transaction
from tests.store.bench import MODEL, Bench
from tests.store.looks import is_due

HOUR_MS = 3_600_000


def for_later(bench: Bench, thread: ThreadRef, hours: int) -> RunRef:
    """Send a message that is to be delivered in so many hours."""

    def work(tx: Transaction) -> RunRef:
        parts = [{"kind": "text", "text": f"in {hours} h"}]
        message = runs.add_message(tx, thread, parts=parts, parent_id=None, is_for_later=True)
        reply = runs.NewReply(
            parent_id=message["id"], model=MODEL, deliver_ms=bench.clock() + hours * HOUR_MS
        )
        return runs.add_reply(tx, thread, reply)

    return bench.do(work, thread.pk)


def test_what_came_due_together_is_found_in_the_order_of_its_times(bench: Bench) -> None:
    """L10: a laptop slept over both; who was written first is not first for that."""
    thread = bench.thread()
    nine, eight = for_later(bench, thread, 9), for_later(bench, thread, 8)
    bench.clock.advance(10 * HOUR_MS)
    found = bench.look(lambda conn: find_due(conn, bench.clock()))
    assert [due.run for due in found] == [eight, nine]


def test_a_message_for_later_is_not_overtaken_whoever_is_called_first(bench: Bench) -> None:
    thread = bench.thread()
    nine, eight = for_later(bench, thread, 9), for_later(bench, thread, 8)
    bench.clock.advance(10 * HOUR_MS)
    assert bench.claim(nine) is None
    assert bench.scalar("SELECT deliver_ms FROM run WHERE pk = :pk", pk=nine.pk) is not None
    assert bench.claim(eight) is not None
    assert bench.claim(nine) is None  # delivered behind it, and pending
    turns = "SELECT turn FROM run WHERE pk = :pk"
    assert bench.scalar(turns, pk=eight.pk) < bench.scalar(turns, pk=nine.pk)
    head = bench.look(lambda conn: threads.read_thread(conn, thread))["head"]
    assert head == nine.message_id


def test_what_is_due_is_found_beside_any_number_of_runs_that_are_worked_on(
    bench: Bench,
) -> None:
    """L9, L10"""
    most, claims.MOST_DUE = claims.MOST_DUE, 3
    try:
        for _ in range(5):
            bench.claimed(owner="01busy")
        free = bench.send(bench.thread())
        looks: list[str] = []

        def is_lost(owner: str) -> bool:
            looks.append(owner)
            return False

        found = bench.look(lambda conn: find_due(conn, bench.clock(), is_lost=is_lost))
        assert [due.run for due in found] == [free]
        assert looks == ["01busy"]  # each owner is judged once
    finally:
        claims.MOST_DUE = most


def test_a_run_that_waits_for_its_last_chance_is_pending_and_gets_it(bench: Bench) -> None:
    """L5, L10: it has no owner that lives, so it says so; and whoever held it writes no more."""
    one, two = bench.claimed(owner="01dead"), bench.claimed(owner="01dead")
    bench.append(two, "Prices ")
    bench.sql("UPDATE run SET crashes = 1")  # the one that is found now makes two, of three
    assert bench.claim(one.run, "01me") is not None
    assert bench.claim(two.run, "01me") is None
    state = bench.run(two.run)
    assert (state["status"], state["phase"], state["attempt"]) == ("pending", "queued", 2)
    assert bench.scalar("SELECT owner FROM run WHERE pk = :pk", pk=two.run.pk) is None
    assert bench.put(two, "rose.").exception(20) is not None
    assert is_due(bench, two.run)
    bench.clock.advance(int(LAST_CHANCE_S * 1000) + 1)  # what kills would have killed by now
    again = bench.claim(two.run, "01me")
    assert again is not None
    assert again.attempt == 3
    assert bench.scalar("SELECT crashes FROM run WHERE pk = :pk", pk=two.run.pk) == 2
    assert bench.damage() == []


def test_a_run_without_a_turn_comes_before_those_that_have_one(bench: Bench) -> None:
    """Code of the first generation that still runs beside this one writes none."""
    thread = bench.thread()
    first, second = bench.send(thread), bench.send(thread)
    bench.sql("UPDATE run SET turn = NULL WHERE pk = :pk", pk=first.pk)
    assert is_due(bench, first)
    assert not is_due(bench, second)
    assert bench.claim(first) is not None
