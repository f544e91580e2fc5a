"""Limits: what is beyond them is refused or queued, in the transaction that counts."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_chat_stream.shared.errors import LimitReached, TooManyLater
from jupyter_chat_stream.store.chat import commands, runs
from jupyter_chat_stream.store.chat.commands import Sender, SendRequest
from jupyter_chat_stream.store.chat.due import find_due
from jupyter_chat_stream.store.chat.limits import MAX_LATER, MINUTE_MS, Limits, allowed_ms
from jupyter_chat_stream.store.log import writer
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef, Transaction
from jupyter_chat_stream.store.sql.failures import is_race
from tests.store.harness import PATIENCE_S, StoreHarness, completed, postgres_only
from tests.store.queries import find

REFUSE = Limits(messages_per_minute=2)
ONE_EACH = Limits(max_active_runs_per_user=1, over_active_runs="refuse")
TWO_IN_ALL = Limits(max_active_runs=2, over_active_runs="refuse")


def send(harness: StoreHarness, thread: ThreadRef, limits: Limits, **more: Any) -> RunRef:
    sender = Sender(owner=more.pop("owner", "local"), key=more.pop("key", None), limits=limits)
    request = SendRequest(content="x", **more)
    sent = harness.do(lambda tx: commands.send(tx, thread.id, sender, request), thread.pk)
    return find(harness, thread, sent["run"]["id"])


def retry(harness: StoreHarness, run: RunRef, limits: Limits, key: str | None = None) -> str:
    sender = Sender(owner="local", key=key, limits=limits)
    harness.clock.advance(1)  # younger than what it repeats
    made = harness.do(
        lambda tx: commands.succeed(tx, sender, run.id, keep_parts=False), run.thread.pk
    )
    return str(made["run"]["id"])


def refused(harness: StoreHarness, thread: ThreadRef, limits: Limits, **more: Any) -> int:
    """Send what must be refused; gives the seconds to wait."""
    before = len(harness.events(thread))
    with pytest.raises(LimitReached) as error:
        send(harness, thread, limits, **more)
    assert len(harness.events(thread)) == before  # a refusal writes nothing
    return int(error.value.facts["retry_after_s"])


def wake_s(harness: StoreHarness, run: RunRef, start_ms: int) -> float | None:
    """Return when a run is to be delivered, in seconds after a time; None for at once."""
    wake = harness.scalar("SELECT deliver_ms FROM run WHERE pk = :pk", pk=run.pk)
    return None if wake is None else (wake - start_ms) / 1000


# ---------------------------------------------------------------- messages a minute


def test_messages_beyond_the_minute_are_refused_until_it_has_room(harness: StoreHarness) -> None:
    thread, other = harness.thread(), harness.thread()
    send(harness, thread, REFUSE)
    harness.clock.advance(20_000)
    send(harness, other, REFUSE)  # the user's, wherever
    harness.clock.advance(10_000)
    assert refused(harness, thread, REFUSE) == 30
    assert send(harness, harness.thread("ben"), REFUSE, owner="ben")
    harness.clock.advance(29_999)
    assert refused(harness, thread, REFUSE) == 1
    harness.clock.advance(1)
    assert send(harness, thread, REFUSE)


def test_what_was_accepted_before_is_answered_and_not_refused(harness: StoreHarness) -> None:
    """L11"""
    thread = harness.thread()
    run = send(harness, thread, REFUSE, key="k")
    harness.do(lambda tx: runs.cancel(tx, run), thread.pk)
    again = retry(harness, run, REFUSE, key="r")
    assert refused(harness, thread, REFUSE)
    assert send(harness, thread, REFUSE, key="k") == run
    assert retry(harness, run, REFUSE, key="r") == again


def test_retries_count_and_are_refused_too(harness: StoreHarness) -> None:
    thread = harness.thread()
    run = send(harness, thread, REFUSE)
    harness.do(lambda tx: runs.cancel(tx, run), thread.pk)
    retry(harness, run, REFUSE)
    with pytest.raises(LimitReached):
        retry(harness, run, REFUSE)
    assert refused(harness, thread, REFUSE) == 60


def test_what_is_for_tomorrow_takes_no_room_today(harness: StoreHarness) -> None:
    thread, tomorrow = harness.thread(), harness.clock() + 86_400_000
    for _ in range(2):
        send(harness, thread, REFUSE, deliver_ms=tomorrow)
    assert refused(harness, thread, REFUSE, deliver_ms=tomorrow + 30_000) == 30
    for _ in range(2):
        assert wake_s(harness, send(harness, thread, REFUSE), 0) is None


def test_what_was_stopped_before_its_time_gives_its_room_back(harness: StoreHarness) -> None:
    thread = harness.thread()
    at = harness.clock() + 1000
    first = [send(harness, thread, REFUSE, deliver_ms=at) for _ in range(2)]
    assert refused(harness, thread, REFUSE, deliver_ms=at)
    harness.do(lambda tx: runs.cancel(tx, first[0]), thread.pk)
    assert send(harness, thread, REFUSE, deliver_ms=at)


def test_a_retry_of_what_was_stopped_before_its_time_counts_once(harness: StoreHarness) -> None:
    """It delivers the message in the same moment; a second retry is one more."""
    thread = harness.thread()
    run = send(harness, thread, REFUSE, deliver_ms=harness.clock() + 3_600_000)
    harness.clock.advance(MINUTE_MS + 1)
    harness.do(lambda tx: runs.cancel(tx, run), thread.pk)
    retry(harness, run, REFUSE)
    harness.clock.advance(10)
    retry(harness, run, REFUSE)
    assert refused(harness, thread, REFUSE) == 60


@given(
    turns=st.lists(st.integers(0, 5 * MINUTE_MS)).map(sorted),
    most=st.integers(1, 3),
    wanted_ms=st.integers(0, 5 * MINUTE_MS),
)
def test_the_first_time_with_room_is_found(turns: list[int], most: int, wanted_ms: int) -> None:
    """As whoever tries each moment, from the wanted one, at which a turn leaves its minute."""
    moments = [wanted_ms, *(turn + MINUTE_MS for turn in turns if turn + MINUTE_MS > wanted_ms)]
    room = [
        moment
        for moment in moments
        if sum(moment - MINUTE_MS < turn <= moment for turn in turns) < most
    ]
    assert allowed_ms(turns, most, wanted_ms) == min(room)


# ---------------------------------------------------------------- messages for later


def test_a_user_has_at_most_a_hundred_messages_for_later(harness: StoreHarness) -> None:
    """Of those to come: delivered, stopped or deleted, they make room; their keys stand (L11)."""
    thread, at_ms = harness.thread(), harness.clock() + 3_600_000
    first = send(harness, thread, Limits(), deliver_ms=at_ms, key="k")
    fill(harness, thread, MAX_LATER - 2, at_ms)
    last = send(harness, harness.thread(), Limits(), deliver_ms=at_ms)
    before = len(harness.events(thread))
    with pytest.raises(TooManyLater) as error:
        send(harness, thread, Limits(), deliver_ms=at_ms)
    assert (error.value.status, error.value.code) == (409, "too_many_later")
    assert error.value.facts["most"] == MAX_LATER
    assert len(harness.events(thread)) == before
    assert send(harness, thread, Limits(), deliver_ms=at_ms, key="k") == first
    assert send(harness, harness.thread("ben"), Limits(), owner="ben", deliver_ms=at_ms)
    assert send(harness, thread, Limits())  # what is for now is none of them
    harness.do(lambda tx: runs.cancel(tx, last), last.thread.pk)
    assert send(harness, thread, Limits(), deliver_ms=at_ms)
    harness.do(lambda tx: commands.delete(tx, "local", thread.id), thread.pk)
    assert send(harness, harness.thread(), Limits(), deliver_ms=at_ms)


def fill(harness: StoreHarness, thread: ThreadRef, count: int, at_ms: int) -> None:
    """Send messages for later in one transaction."""
    request = SendRequest(content="x", deliver_ms=at_ms)

    def work(tx: Transaction) -> None:
        for _ in range(count):
            commands.send(tx, thread.id, Sender(owner="local"), request)

    harness.do(work, thread.pk)


# ---------------------------------------------------------------- two servers at once


@postgres_only
def test_servers_with_the_same_users_in_another_order_do_not_lock_each_other_out(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds one user's limits and wants the other's; of two messages of one, one is told."""
    deadlocks: list[bool] = []

    def seen(error: BaseException) -> bool:
        deadlocks.append(is_race(error))
        return deadlocks[-1]

    monkeypatch.setattr(writer, "is_race", seen)
    two = StoreHarness(harness.url, harness.clock)
    gate, met = threading.Barrier(2), threading.Event()

    def sending(owner: str, thread: ThreadRef, is_first: bool) -> Any:
        sender = Sender(owner=owner, limits=Limits(messages_per_minute=1))

        def work(tx: Transaction) -> Any:
            sent = commands.send(tx, thread.id, sender, SendRequest(content="x"))
            if is_first and not met.is_set():  # what is done again goes on
                gate.wait(PATIENCE_S)
                met.set()
            return sent

        return work

    try:
        plan = [(harness, "ada"), (harness, "ben"), (two, "ben"), (two, "ada")]
        places = [harness.thread(owner) for _, owner in plan]
        futures = []
        with harness.held_up(), two.held_up():
            for n, ((server, owner), place) in enumerate(zip(plan, places, strict=True)):
                work = sending(owner, place, n % 2 == 0)
                futures.append((owner, server.store.submit(work, place.pk)))
        told = [(owner, future.exception(PATIENCE_S)) for owner, future in futures]
    finally:
        two.close()
    assert sorted(owner for owner, error in told if error is None) == ["ada", "ben"]
    assert all(error is None or isinstance(error, LimitReached) for _, error in told)
    assert not any(deadlocks)  # which the database takes a second to see


# ---------------------------------------------------------------- active runs


def test_active_runs_beyond_the_user_s_are_refused_until_one_ends(harness: StoreHarness) -> None:
    thread = harness.thread()
    run = send(harness, thread, ONE_EACH)
    assert refused(harness, thread, ONE_EACH) >= 1
    assert send(harness, harness.thread("ben"), ONE_EACH, owner="ben")
    later = send(harness, thread, ONE_EACH, deliver_ms=harness.clock() + 1000)
    assert harness.run(later)["status"] == "waiting"  # not active, and not refused
    claimed = harness.claim(run)
    assert claimed is not None
    assert refused(harness, thread, ONE_EACH) >= 1
    harness.append(claimed, *completed(""), release=True)
    assert send(harness, thread, ONE_EACH)
    with pytest.raises(LimitReached):
        retry(harness, run, ONE_EACH)


def test_active_runs_beyond_all_together_are_refused(harness: StoreHarness) -> None:
    for owner in ("ada", "ben"):
        send(harness, harness.thread(owner), TWO_IN_ALL, owner=owner)
    assert refused(harness, harness.thread(), TWO_IN_ALL) >= 1


def test_by_default_what_is_beyond_waits_for_its_turn(harness: StoreHarness) -> None:
    limits = Limits(max_active_runs=1, max_active_runs_per_user=1)
    sent = [send(harness, harness.thread(), limits) for _ in range(3)]
    found = harness.look(lambda conn: find_due(conn, harness.clock(), 1))
    assert [due.run for due in found] == sent[:1]
    assert harness.claim(sent[0]) is not None
    assert harness.look(lambda conn: find_due(conn, harness.clock(), 1)) == [harness.due(sent[0])]
    assert harness.claim(sent[1], max_active_per_user=1) is None


def test_one_user_s_fifty_messages_keep_nobody_waiting(
    harness: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users take turns, also where only so many are looked at."""
    monkeypatch.setattr("jupyter_chat_stream.store.chat.due.MOST_DUE", 10)
    for _ in range(50):
        harness.send(harness.thread("ada"))
    bens = [harness.send(harness.thread("ben")) for _ in range(2)]
    found = [due.run for due in harness.look(lambda conn: find_due(conn, harness.clock()))]
    assert [found.index(run) for run in bens] == [1, 3]
