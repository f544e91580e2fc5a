"""Two processes that do the same at the same moment: one does it, and the other sees it done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from jupyter_chat_stream.shared.errors import Conflict
from jupyter_chat_stream.shared.events import ThreadChanged
from jupyter_chat_stream.store.chat import runs, schedules, threads
from jupyter_chat_stream.store.chat.schedules import NewSchedule
from jupyter_chat_stream.store.log.transaction import ThreadRef, Transaction
from jupyter_chat_stream.store.sql.driver import lock_threads
from tests.store.harness import PATIENCE_S, StoreHarness, completed, postgres_only

STORES = 3
ROUNDS = 8

T = TypeVar("T")


@pytest.fixture
def harnesses(harness: StoreHarness) -> Iterator[list[StoreHarness]]:
    """Stores on one database, each as its own process has it."""
    made = [harness, *(StoreHarness(harness.url, harness.clock) for _ in range(STORES - 1))]
    yield made
    for other in made[1:]:
        other.close()


def at_once(harnesses: list[StoreHarness], work: Callable[[StoreHarness], T]) -> list[T]:
    """Do it in all of them at the same moment; what one raises is raised."""
    barrier = threading.Barrier(len(harnesses), timeout=PATIENCE_S)
    found: dict[int, T] = {}
    raised: list[BaseException] = []

    def act(number: int) -> None:
        barrier.wait()
        try:
            found[number] = work(harnesses[number])
        except BaseException as error:  # noqa: BLE001  raised below
            raised.append(error)

    acting = [threading.Thread(target=act, args=(n,)) for n in range(len(harnesses))]
    for each in acting:
        each.start()
    for each in acting:
        each.join(PATIENCE_S)
    if raised:
        raise raised[0]
    return [found[number] for number in range(len(harnesses))]


def test_a_name_raced_for_makes_one_thread(harnesses: list[StoreHarness]) -> None:
    """L1: and everybody gets that one."""
    for number in range(ROUNDS):
        refs = at_once(harnesses, lambda harness, n=number: harness.thread(name=f"churn{n}"))  # type: ignore[misc]
        assert len(set(refs)) == 1
        assert harnesses[0].seqs(refs[0]) == [1]


def test_a_name_that_is_taken_meanwhile_is_a_conflict(harnesses: list[StoreHarness]) -> None:
    """Two threads renamed to one name: one gets it, and the other is told."""
    for number in range(ROUNDS):
        refs = {harness: harness.thread() for harness in harnesses}

        def rename(harness: StoreHarness, refs: Any = refs, name: str = f"n{number}") -> str:
            ref = refs[harness]
            changes = {"name": name}
            try:
                harness.do(lambda tx: threads.change_thread(tx, "local", ref.id, changes), ref.pk)
            except Conflict:
                return "told"
            return "got it"

        assert sorted(at_once(harnesses, rename)) == ["got it", *["told"] * (STORES - 1)]


def test_threads_named_in_any_order_are_locked_in_one(harnesses: list[StoreHarness]) -> None:
    """L1: batches over the same threads wait for each other and never in a circle."""
    refs = [harnesses[0].thread() for _ in range(4)]

    def write(harness: StoreHarness) -> None:
        order = refs if harness is harnesses[0] else list(reversed(refs))
        futures = []
        for number in range(20):
            futures.append(
                harness.store.submit(_rename_all(order, f"{number}"), *(ref.pk for ref in order))
            )
        for future in futures:
            future.result(PATIENCE_S)

    at_once(harnesses, write)
    for ref in refs:
        assert harnesses[0].seqs(ref) == list(range(1, 2 + 20 * STORES))


def _rename_all(refs: list[ThreadRef], title: str) -> Callable[[Transaction], None]:
    def work(tx: Transaction) -> None:
        for ref in refs:
            tx.append(ref, ThreadChanged(thread={"title": title}))

    return work


def test_a_command_that_names_no_threads_locks_them_before_it_reads(
    harnesses: list[StoreHarness],
) -> None:
    """L1, L4: a run is ended once, and its log stays dense."""
    for _ in range(ROUNDS):
        claimed = harnesses[0].claimed()
        ended = at_once(
            harnesses,
            lambda harness, run=claimed.run: harness.do(lambda tx: runs.cancel(tx, run)),  # type: ignore[misc]
        )
        assert sorted(ended) == [*[False] * (STORES - 1), True]
        types = [event.type for event in harnesses[0].events(claimed.run.thread)]
        assert types.count("finalized") == 1
        seqs = harnesses[0].seqs(claimed.run.thread)
        assert seqs == list(range(1, len(seqs) + 1))
    assert harnesses[0].damage() == []


def test_writers_of_one_run_end_it_once(harnesses: list[StoreHarness]) -> None:
    """L4, L5: its attempt and a Stop from elsewhere, at the same moment."""
    for _ in range(ROUNDS):
        claimed = harnesses[0].claimed()

        def end(harness: StoreHarness, claimed: Any = claimed) -> bool:
            if harness is harnesses[0]:
                return harness.put(claimed, *completed("")).exception(PATIENCE_S) is None
            run = claimed.run
            return bool(harness.do(lambda tx: runs.cancel(tx, run), run.thread.pk))

        assert sum(at_once(harnesses, end)) == 1
        types = [event.type for event in harnesses[0].events(claimed.run.thread)]
        assert types.count("finalized") == 1
        assert types[-1] == "finalized"
    assert harnesses[0].damage() == []


@postgres_only
def test_locks_taken_in_a_circle_are_taken_again(harnesses: list[StoreHarness]) -> None:
    """Who could not name its threads may meet another that could not: the server ends one."""
    refs = [harnesses[0].thread() for _ in range(2)]
    both = threading.Barrier(2, timeout=PATIENCE_S)
    met: set[StoreHarness] = set()

    def write(harness: StoreHarness) -> None:
        one, two = refs if harness is harnesses[0] else reversed(refs)

        def work(tx: Transaction) -> None:
            tx.append(one, ThreadChanged(thread={"title": "a"}))
            if harness not in met:
                met.add(harness)
                both.wait()
            tx.append(two, ThreadChanged(thread={"title": "b"}))

        harness.do(work)

    at_once(harnesses[:2], write)
    for ref in refs:
        assert harnesses[0].seqs(ref) == [1, 2, 3]


@postgres_only
def test_the_statement_that_takes_locks_finds_threads_by_any_id(harness: StoreHarness) -> None:
    """So a command needs no look-up before its write, and locks are taken in one order."""
    run, other = harness.send(harness.thread()), harness.thread()
    new = NewSchedule(content="x", cron="0 9 * * *")
    schedule, _ = harness.do(lambda tx: schedules.create(tx, "local", other.id, new), other.pk)

    def locked(*places: int | str) -> list[int]:
        return harness.do(lambda tx: list(tx.execute(lock_threads(places)).scalars()))

    for place in (run.id, run.thread.id, run.thread.pk):
        assert locked(place) == [run.thread.pk]
    assert locked(schedule["id"]) == [other.pk]
    assert locked(other.id, run.id, other.pk, run.thread.pk) == [run.thread.pk, other.pk]
    assert locked("0" * 22, "' OR '1'='1") == []
