"""Limits: what is beyond them is refused or queued, in the transaction that counts."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_chat_stream.shared.errors import LimitReached, TooManyLater
from jupyter_chat_stream.store.chat import claims, commands, runs
from jupyter_chat_stream.store.chat.claims import find_due
from jupyter_chat_stream.store.chat.commands import Sender, SendRequest
from jupyter_chat_stream.store.chat.limits import MAX_LATER, MINUTE_MS, Limits, allowed_ms
from jupyter_chat_stream.store.log import writer
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef, Transaction
from jupyter_chat_stream.store.sql.failures import is_race
from tests.store.bench import PATIENCE_S, Bench, completed, postgres_only
from tests.store.looks import find

REFUSE = Limits(messages_per_minute=2)
ONE_EACH = Limits(max_active_runs_per_user=1, over_active_runs="refuse")
TWO_IN_ALL = Limits(max_active_runs=2, over_active_runs="refuse")


def send(bench: Bench, thread: ThreadRef, limits: Limits, **more: Any) -> RunRef:
    sender = Sender(owner=more.pop("owner", "local"), key=more.pop("key", None), limits=limits)
    request = SendRequest(content="x", **more)
    sent = bench.do(lambda tx: commands.send(tx, thread.id, sender, request), thread.pk)
    return find(bench, thread, sent["run"]["id"])


def retry(bench: Bench, run: RunRef, limits: Limits, key: str | None = None) -> str:
    sender = Sender(owner="local", key=key, limits=limits)
    bench.clock.advance(1)  # younger than what it repeats
    made = bench.do(
        lambda tx: commands.succeed(tx, sender, run.id, keep_parts=False), run.thread.pk
    )
    return str(made["run"]["id"])


def refused(bench: Bench, thread: ThreadRef, limits: Limits, **more: Any) -> int:
    """Send what must be refused; gives the seconds to wait."""
    before = len(bench.events(thread))
    with pytest.raises(LimitReached) as error:
        send(bench, thread, limits, **more)
    assert len(bench.events(thread)) == before  # a refusal writes nothing
    return int(error.value.facts["retry_after_s"])


def wake_s(bench: Bench, run: RunRef, start_ms: int) -> float | None:
    """Give when a run is to be delivered, in seconds after a time; None for at once."""
    wake = bench.scalar("SELECT deliver_ms FROM run WHERE pk = :pk", pk=run.pk)
    return None if wake is None else (wake - start_ms) / 1000


# ---------------------------------------------------------------- messages a minute


def test_messages_beyond_the_minute_are_refused_until_it_has_room(bench: Bench) -> None:
    thread, other = bench.thread(), bench.thread()
    send(bench, thread, REFUSE)
    bench.clock.advance(20_000)
    send(bench, other, REFUSE)  # the user's, wherever
    bench.clock.advance(10_000)
    assert refused(bench, thread, REFUSE) == 30
    assert send(bench, bench.thread("ben"), REFUSE, owner="ben")
    bench.clock.advance(29_999)
    assert refused(bench, thread, REFUSE) == 1
    bench.clock.advance(1)
    assert send(bench, thread, REFUSE)


def test_what_was_accepted_before_is_answered_and_not_refused(bench: Bench) -> None:
    """L11"""
    thread = bench.thread()
    run = send(bench, thread, REFUSE, key="k")
    bench.do(lambda tx: runs.cancel(tx, run), thread.pk)
    again = retry(bench, run, REFUSE, key="r")
    assert refused(bench, thread, REFUSE)
    assert send(bench, thread, REFUSE, key="k") == run
    assert retry(bench, run, REFUSE, key="r") == again


def test_retries_count_and_are_refused_too(bench: Bench) -> None:
    thread = bench.thread()
    run = send(bench, thread, REFUSE)
    bench.do(lambda tx: runs.cancel(tx, run), thread.pk)
    retry(bench, run, REFUSE)
    with pytest.raises(LimitReached):
        retry(bench, run, REFUSE)
    assert refused(bench, thread, REFUSE) == 60


def test_what_is_for_tomorrow_takes_no_room_today(bench: Bench) -> None:
    thread, tomorrow = bench.thread(), bench.clock() + 86_400_000
    for _ in range(2):
        send(bench, thread, REFUSE, deliver_ms=tomorrow)
    assert refused(bench, thread, REFUSE, deliver_ms=tomorrow + 30_000) == 30
    for _ in range(2):
        assert wake_s(bench, send(bench, thread, REFUSE), 0) is None


def test_what_was_stopped_before_its_time_gives_its_room_back(bench: Bench) -> None:
    thread = bench.thread()
    at = bench.clock() + 1000
    first = [send(bench, thread, REFUSE, deliver_ms=at) for _ in range(2)]
    assert refused(bench, thread, REFUSE, deliver_ms=at)
    bench.do(lambda tx: runs.cancel(tx, first[0]), thread.pk)
    assert send(bench, thread, REFUSE, deliver_ms=at)


def test_a_retry_of_what_was_stopped_before_its_time_counts_once(bench: Bench) -> None:
    """It delivers the message in the same moment; a second retry is one more."""
    thread = bench.thread()
    run = send(bench, thread, REFUSE, deliver_ms=bench.clock() + 3_600_000)
    bench.clock.advance(MINUTE_MS + 1)
    bench.do(lambda tx: runs.cancel(tx, run), thread.pk)
    retry(bench, run, REFUSE)
    bench.clock.advance(10)
    retry(bench, run, REFUSE)
    assert refused(bench, thread, REFUSE) == 60


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


def test_a_user_has_at_most_a_hundred_messages_for_later(bench: Bench) -> None:
    """Of those to come: delivered, stopped or deleted, they make room; their keys stand (L11)."""
    thread, at_ms = bench.thread(), bench.clock() + 3_600_000
    first = send(bench, thread, Limits(), deliver_ms=at_ms, key="k")
    fill(bench, thread, MAX_LATER - 2, at_ms)
    last = send(bench, bench.thread(), Limits(), deliver_ms=at_ms)
    before = len(bench.events(thread))
    with pytest.raises(TooManyLater) as error:
        send(bench, thread, Limits(), deliver_ms=at_ms)
    assert (error.value.status, error.value.code) == (409, "too_many_later")
    assert error.value.facts["most"] == MAX_LATER
    assert len(bench.events(thread)) == before
    assert send(bench, thread, Limits(), deliver_ms=at_ms, key="k") == first
    assert send(bench, bench.thread("ben"), Limits(), owner="ben", deliver_ms=at_ms)
    assert send(bench, thread, Limits())  # what is for now is none of them
    bench.do(lambda tx: runs.cancel(tx, last), last.thread.pk)
    assert send(bench, thread, Limits(), deliver_ms=at_ms)
    bench.do(lambda tx: commands.delete(tx, "local", thread.id), thread.pk)
    assert send(bench, bench.thread(), Limits(), deliver_ms=at_ms)


def fill(bench: Bench, thread: ThreadRef, count: int, at_ms: int) -> None:
    """Send messages for later in one transaction."""
    request = SendRequest(content="x", deliver_ms=at_ms)

    def work(tx: Transaction) -> None:
        for _ in range(count):
            commands.send(tx, thread.id, Sender(owner="local"), request)

    bench.do(work, thread.pk)


# ---------------------------------------------------------------- two servers at once


@postgres_only
def test_servers_with_the_same_users_in_another_order_do_not_lock_each_other_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds one user's limits and wants the other's; of two messages of one, one is told."""
    deadlocks: list[bool] = []

    def seen(error: BaseException) -> bool:
        deadlocks.append(is_race(error))
        return deadlocks[-1]

    monkeypatch.setattr(writer, "is_race", seen)
    two = Bench(bench.url, bench.clock)
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
        plan = [(bench, "ada"), (bench, "ben"), (two, "ben"), (two, "ada")]
        places = [bench.thread(owner) for _, owner in plan]
        futures = []
        with bench.held_up(), two.held_up():
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


def test_active_runs_beyond_the_user_s_are_refused_until_one_ends(bench: Bench) -> None:
    thread = bench.thread()
    run = send(bench, thread, ONE_EACH)
    assert refused(bench, thread, ONE_EACH) >= 1
    assert send(bench, bench.thread("ben"), ONE_EACH, owner="ben")
    later = send(bench, thread, ONE_EACH, deliver_ms=bench.clock() + 1000)
    assert bench.run(later)["status"] == "waiting"  # not active, and not refused
    claimed = bench.claim(run)
    assert claimed is not None
    assert refused(bench, thread, ONE_EACH) >= 1
    bench.append(claimed, *completed(""), release=True)
    assert send(bench, thread, ONE_EACH)
    with pytest.raises(LimitReached):
        retry(bench, run, ONE_EACH)


def test_active_runs_beyond_all_together_are_refused(bench: Bench) -> None:
    for owner in ("ada", "ben"):
        send(bench, bench.thread(owner), TWO_IN_ALL, owner=owner)
    assert refused(bench, bench.thread(), TWO_IN_ALL) >= 1


def test_by_default_what_is_beyond_waits_for_its_turn(bench: Bench) -> None:
    limits = Limits(max_active_runs=1, max_active_runs_per_user=1)
    sent = [send(bench, bench.thread(), limits) for _ in range(3)]
    found = bench.look(lambda conn: find_due(conn, bench.clock(), 1))
    assert [due.run for due in found] == sent[:1]
    assert bench.claim(sent[0]) is not None
    assert bench.look(lambda conn: find_due(conn, bench.clock(), 1)) == [bench.due(sent[0])]
    assert bench.claim(sent[1], max_active_per_user=1) is None


def test_one_user_s_fifty_messages_keep_nobody_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users take turns, also where only so many are looked at."""
    monkeypatch.setattr(claims, "MOST_DUE", 10)
    for _ in range(50):
        bench.send(bench.thread("ada"))
    bens = [bench.send(bench.thread("ben")) for _ in range(2)]
    found = [due.run for due in bench.look(lambda conn: find_due(conn, bench.clock()))]
    assert [found.index(run) for run in bens] == [1, 3]
