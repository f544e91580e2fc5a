"""Sums over the ledger of usage: by day, model and thread, for one owner only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jupyter_chat_stream.shared.errors import InvalidInput, ThreadNotFound
from jupyter_chat_stream.shared.events import Completed, Finalized
from jupyter_chat_stream.store.chat import commands, usage
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef
from jupyter_chat_stream.store.retention.cleanup import Policy
from tests.store.harness import MODEL, StoreHarness
from tests.store.retention.stepping import DAY_MS, collected

ALL = usage.UsageRange(owner="local", since_ms=0, until_ms=10**15)
COUNTS = {"input_tokens": 100, "output_tokens": 10, "cache_read_tokens": 3, "cache_write_tokens": 1}


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def answered(
    harness: StoreHarness,
    thread: ThreadRef,
    *,
    when: str | None = None,
    model: str | None = None,
    cost: float | None = 0.25,
) -> RunRef:
    if when is not None:
        harness.clock.now = at(when)
    claimed = harness.claimed(thread)
    if model is not None:
        harness.sql("UPDATE run SET model = :model WHERE pk = :pk", model=model, pk=claimed.run.pk)
    counted = COUNTS if cost is None else {**COUNTS, "cost_usd": cost}
    complete = Completed(content="a", usage=counted, stop_reason="end_turn", model=None)
    harness.append(claimed, "a", complete, Finalized(status="completed"), release=True)
    return claimed.run


def summed(answers: int, cost: float | None, unknown: int = 0) -> dict[str, Any]:
    return {
        **{name: count * answers for name, count in COUNTS.items()},
        "answers": answers,
        "cost_usd": cost,
        "unknown_cost": unknown,
    }


def test_nothing_sums_to_no_answers_and_an_unknown_cost(harness: StoreHarness) -> None:
    assert harness.look(lambda conn: usage.sum_all(conn, ALL)) == summed(0, None)
    assert harness.look(lambda conn: usage.by_day(conn, ALL, UTC)) == []
    page = harness.look(lambda conn: usage.by_thread(conn, ALL, limit=5, before=None))
    assert (page.groups, page.next) == ([], None)


def test_unknown_costs_are_counted_beside_the_known_ones(harness: StoreHarness) -> None:
    thread = harness.thread()
    for cost in (0.1, None, 0.2, None, 0):
        answered(harness, thread, cost=cost)
    assert harness.look(lambda conn: usage.sum_all(conn, ALL)) == summed(5, 0.3, 2)


def test_no_cost_is_unknown_where_there_is_no_price(harness: StoreHarness) -> None:
    thread = harness.thread()
    for model in ("free/a", "freedom/b", "paid/free/c"):
        answered(harness, thread, model=model, cost=None)
    range_ = usage.UsageRange(owner="local", since_ms=0, until_ms=10**15, free=("demo", "free"))
    assert harness.look(lambda conn: usage.sum_all(conn, range_)) == summed(3, None, 2)
    models = harness.look(lambda conn: usage.by_model(conn, range_, limit=9, before=None)).groups
    assert {group["model"]: group["unknown_cost"] for group in models} == {
        "free/a": 0, "freedom/b": 1, "paid/free/c": 1
    }  # fmt: skip
    threads = harness.look(lambda conn: usage.by_thread(conn, range_, limit=9, before=None)).groups
    days = harness.look(lambda conn: usage.by_day(conn, range_, UTC))
    assert [group["unknown_cost"] for group in (*threads, *days)] == [2, 2]
    total, *_ = harness.look(
        lambda conn: usage.of_thread(conn, "local", thread.id, ("demo", "free"))
    )
    assert total["unknown_cost"] == 2


def test_costs_that_are_all_unknown_are_not_zero(harness: StoreHarness) -> None:
    answered(harness, harness.thread(), cost=None)
    assert harness.look(lambda conn: usage.sum_all(conn, ALL)) == summed(1, None, 1)


def test_only_the_owner_s_answers_count(harness: StoreHarness) -> None:
    """L16"""
    answered(harness, harness.thread())
    answered(harness, harness.thread("ada"))
    assert harness.look(lambda conn: usage.sum_all(conn, ALL))["answers"] == 1
    for read in (usage.by_model, usage.by_thread):
        page = harness.look(lambda conn, read=read: read(conn, ALL, limit=9, before=None))
        assert [group["answers"] for group in page.groups] == [1]


def test_a_range_holds_its_beginning_and_not_its_end(harness: StoreHarness) -> None:
    run = answered(harness, harness.thread())
    ended = harness.scalar("SELECT ended_ms FROM run WHERE pk = :pk", pk=run.pk)
    for since, until, expected in ((ended, ended + 1, 1), (ended - 5, ended, 0)):
        range_ = usage.UsageRange(owner="local", since_ms=since, until_ms=until)
        found = harness.look(lambda conn, range_=range_: usage.sum_all(conn, range_))
        assert found["answers"] == expected


def test_days_are_those_of_the_zone_also_when_its_clock_changes(harness: StoreHarness) -> None:
    """In Berlin, the 25th of October 2026 has 25 hours, and begins at 22:00 UTC the day before."""
    thread = harness.thread()
    times = (
        "2026-10-24T21:59:30",  # the 24th, 23:59 in Berlin
        "2026-10-24T22:00:30",  # the 25th, 00:00
        "2026-10-25T22:59:30",  # the 25th, 23:59, an hour later than on other days
        "2026-10-25T23:00:30",  # the 26th, 00:00
    )
    for time in times:
        answered(harness, thread, when=time)
    days = harness.look(lambda conn: usage.by_day(conn, ALL, ZoneInfo("Europe/Berlin")))
    assert [(day["day"], day["answers"]) for day in days] == [
        ("2026-10-26", 1),
        ("2026-10-25", 2),
        ("2026-10-24", 1),
    ]
    assert days[1] | {"day": "", "last_at": ""} == {
        **summed(2, 0.5), "day": "", "last_at": ""
    }  # fmt: skip
    assert days[1]["last_at"].startswith("2026-10-25T22:59:3")
    # A zone whose offset is no whole hour: midnight in Kathmandu is 18:15 UTC.
    days = harness.look(lambda conn: usage.by_day(conn, ALL, ZoneInfo("Asia/Kathmandu")))
    assert [(day["day"], day["answers"]) for day in days] == [("2026-10-26", 2), ("2026-10-25", 2)]


def test_models_come_in_pages_the_newest_first(harness: StoreHarness) -> None:
    thread = harness.thread()
    names = ["a/x, y", "b/z", "c/w", "d/v", "a/x, y"]
    for name in names:
        harness.clock.advance(1_000)
        answered(harness, thread, model=name)
    seen: list[tuple[str, int]] = []
    before = None
    for _ in range(2):
        page = harness.look(
            lambda conn, before=before: usage.by_model(conn, ALL, limit=2, before=before)
        )
        seen += [(group["model"], group["answers"]) for group in page.groups]
        before = page.next and usage.place_of(page.next)
    assert seen == [("a/x, y", 2), ("d/v", 1), ("c/w", 1), ("b/z", 1)]
    assert before is None


def test_groups_with_the_same_time_are_each_on_one_page(harness: StoreHarness) -> None:
    threads = [harness.thread() for _ in range(5)]
    for thread in threads:
        answered(harness, thread)
    harness.sql("UPDATE usage SET at_ms = 7")
    seen: list[str | None] = []
    before = None
    while True:
        page = harness.look(
            lambda conn, before=before: usage.by_thread(conn, ALL, limit=2, before=before)
        )
        seen += [group["thread_id"] for group in page.groups]
        if page.next is None:
            break
        before = usage.place_of(page.next)
    assert sorted(map(str, seen)) == sorted(thread.id for thread in threads)


def test_deleted_threads_are_one_group_without_an_id(harness: StoreHarness) -> None:
    """L16: a thread that its owner deleted is not named any more, before its purge and after."""
    kept = harness.thread(name="kept", title="Prices")
    gone, purged = harness.thread(name="gone"), harness.thread()
    for thread in (kept, gone, purged):
        answered(harness, thread)

    def delete(thread: ThreadRef) -> None:
        harness.do(lambda tx: commands.delete(tx, "local", thread.id), thread.pk)

    delete(purged)
    harness.clock.advance(2 * DAY_MS)
    collected(harness, Policy(keep_events_ms=None, retention_ms=None))
    delete(gone)
    page = harness.look(lambda conn: usage.by_thread(conn, ALL, limit=9, before=None))
    found = [(g["thread_id"], g["name"], g["title"], g["answers"]) for g in page.groups]
    assert sorted(found, key=str) == [(kept.id, "kept", "Prices", 1), (None, None, None, 2)]


@pytest.mark.parametrize("before", ["", "x", "12", "-1,a", "1" * 17 + ",a", "１,a"])
def test_a_place_that_is_none_is_refused(before: str) -> None:
    with pytest.raises(InvalidInput, match="'before'") as caught:
        usage.place_of(before)
    assert caught.value.facts["field"] == "before"


# ------------------------------------------------------------------ one thread


def test_a_thread_s_answers_are_summed_in_all_and_by_model(harness: StoreHarness) -> None:
    thread = harness.thread()
    answered(harness, harness.thread())
    answered(harness, thread)
    harness.clock.advance(1_000)
    answered(harness, thread, model="b/z", cost=None)
    total, models, used, model = harness.look(
        lambda conn: usage.of_thread(conn, "local", thread.id)
    )
    assert total == summed(2, 0.25, 1)
    assert [(group["model"], group["cost_usd"]) for group in models] == [
        ("b/z", None),
        (MODEL, 0.25),
    ]
    assert used == usage.UsedContext(tokens=114, model=MODEL)
    assert model == MODEL


def test_the_context_is_that_of_the_newest_counted_answer_of_the_branch(
    harness: StoreHarness,
) -> None:
    """An answer in the making has no tokens yet; the one before it has."""
    thread = harness.thread()
    assert harness.look(lambda conn: usage.of_thread(conn, "local", thread.id))[2] is None
    answered(harness, thread)
    harness.claimed(thread)
    _, _, used, _ = harness.look(lambda conn: usage.of_thread(conn, "local", thread.id))
    assert used is not None
    assert used.tokens == 114


def test_a_thread_of_another_owner_is_not_there(harness: StoreHarness) -> None:
    """L16"""
    thread = harness.thread("ada")
    answered(harness, thread)
    with pytest.raises(ThreadNotFound):
        harness.look(lambda conn: usage.of_thread(conn, "local", thread.id))
