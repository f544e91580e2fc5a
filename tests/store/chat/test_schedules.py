"""Schedules: when a message is sent again, by whom, and that it is sent once."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chat_stream.shared.errors import (
    DamagedRow,
    InvalidInput,
    ScheduleNotFound,
    TooManySchedules,
)
from jupyter_chat_stream.shared.events import from_iso
from jupyter_chat_stream.store.chat import commands, schedules, threads
from jupyter_chat_stream.store.chat.schedules import MAX_SCHEDULES, DueSchedule, NewSchedule
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef
from tests.store.bench import Bench, completed
from tests.store.looks import find, is_due, messages

DAILY = "0 9 * * *"
HOUR_MS = 3_600_000


def made(bench: Bench, thread: ThreadRef, cron: str = DAILY, **more: Any) -> dict[str, Any]:
    new = NewSchedule(**{"content": "Good morning", "cron": cron, **more})
    made, _ = bench.do(lambda tx: schedules.create(tx, "local", thread.id, new), thread.pk)
    return made


def due(bench: Bench) -> list[DueSchedule]:
    return bench.look(lambda conn: schedules.find_due(conn, bench.clock()))


def tick(bench: Bench, found: DueSchedule) -> RunRef | None:
    return bench.do(lambda tx: schedules.tick(tx, found), found.thread.pk)


def ticked(bench: Bench) -> list[RunRef | None]:
    """Do what the sweep does now."""
    return [tick(bench, found) for found in due(bench)]


def at(bench: Bench, text: str) -> None:
    bench.clock.now = from_iso(text)


def read(bench: Bench, schedule: dict[str, Any]) -> dict[str, Any]:
    return bench.look(lambda conn: schedules.read(conn, "local", schedule["id"]))


def answer(bench: Bench, run: RunRef) -> None:
    claimed = bench.claim(run)
    assert claimed is not None
    bench.append(claimed, *completed(""), release=True)


# ---------------------------------------------------------------- what a tick does


def test_a_schedule_sends_its_message_when_it_is_due_and_not_before(bench: Bench) -> None:
    at(bench, "2027-03-01T08:59:59.999Z")
    thread = bench.thread()
    schedule = made(bench, thread, params={"x": 1}, model="demo/fast")
    assert schedule["next_at"] == "2027-03-01T09:00:00.000Z"
    assert bench.look(schedules.next_tick) == from_iso(schedule["next_at"])
    assert due(bench) == []
    bench.clock.advance(1)
    (run,) = ticked(bench)
    assert run is not None
    now = read(bench, schedule)
    assert (now["last_at"], now["last_run_id"]) == (schedule["next_at"], run.id)
    assert now["next_at"] == "2027-03-02T09:00:00.000Z"
    state = bench.run(run)
    assert (state["status"], state["model"]) == ("pending", "demo/fast")
    message, reply = messages(bench, thread)
    assert (message["content"], message["role"]) == ("Good morning", "user")
    assert reply["parent_id"] == message["id"]
    claimed = bench.claim(run)
    assert claimed is not None
    assert claimed.params["params"] == {"x": 1}
    assert claimed.user == "local"


def test_times_that_were_missed_are_sent_once(bench: Bench) -> None:
    at(bench, "2027-03-01T08:00:00Z")
    schedule = made(bench, bench.thread())
    at(bench, "2027-03-09T12:00:00Z")
    assert len(ticked(bench)) == 1
    assert read(bench, schedule)["next_at"] == "2027-03-10T09:00:00.000Z"
    assert due(bench) == []


def test_a_clock_that_goes_back_after_the_look_makes_no_time_come_twice(bench: Bench) -> None:
    at(bench, "2027-03-01T08:00:00Z")
    thread = bench.thread()
    schedule = made(bench, thread)
    at(bench, "2027-03-01T09:00:00Z")
    (found,) = due(bench)
    bench.clock.now -= 5
    run = tick(bench, found)
    assert run is not None
    assert read(bench, schedule)["next_at"] == "2027-03-02T09:00:00.000Z"
    answer(bench, run)
    bench.clock.advance(10)
    assert due(bench) == []


def test_of_all_who_see_it_due_one_sends(bench: Bench) -> None:
    """L5's way: a compare-and-set on the time."""
    made(bench, bench.thread(), "* * * * *")
    bench.clock.advance(60_000)
    (found,) = due(bench)
    with bench.held_up():
        futures = [
            bench.store.submit(lambda tx: schedules.tick(tx, found), found.thread.pk)
            for _ in range(5)
        ]
    runs = [future.result(10) for future in futures]
    assert [run is None for run in runs].count(False) == 1


def test_a_scheduled_message_takes_its_turn_behind_what_is_under_way(bench: Bench) -> None:
    """L10: it has a predecessor; and it hangs on the newest reply."""
    thread = bench.thread()
    made(bench, thread, "* * * * *")
    earlier = bench.claimed(thread)
    bench.clock.advance(60_000)
    (run,) = ticked(bench)
    assert run is not None
    assert is_due(bench, run) is False
    assert messages(bench, thread)[-2]["parent_id"] == earlier.run.message_id
    bench.append(earlier, *completed(""), release=True)
    assert is_due(bench, run) is True


def test_what_is_queued_unbegun_stands_for_the_times_that_come_meanwhile(bench: Bench) -> None:
    """A thread that waits for a person for a day does not gather 1440 messages."""
    thread = bench.thread()
    schedule = made(bench, thread, "* * * * *")
    earlier = bench.claimed(thread)
    for _ in range(5):
        bench.clock.advance(60_000)
        ticked(bench)
    assert len(messages(bench, thread)) == 4
    bench.append(earlier, *completed(""), release=True)
    bench.clock.advance(60_000)
    assert ticked(bench) == [None]
    run_id = read(bench, schedule)["last_run_id"]
    answer(bench, find(bench, thread, run_id))
    bench.clock.advance(60_000)
    assert ticked(bench) != [None]


def test_a_schedule_that_is_deleted_changed_or_paused_meanwhile_sends_nothing(
    bench: Bench,
) -> None:
    thread = bench.thread()
    for change in ({"cron": DAILY}, {"paused": True}, None):
        schedule = made(bench, thread, "* * * * *", content=str(change))
        bench.clock.advance(60_000)
        (found,) = due(bench)
        if change is None:
            bench.do(lambda tx, s=schedule: schedules.delete(tx, "local", s["id"]), thread.pk)
        else:
            bench.do(
                lambda tx, s=schedule, c=change: schedules.change(tx, "local", s["id"], c),
                thread.pk,
            )
        assert tick(bench, found) is None
    assert messages(bench, thread) == []


def test_a_schedule_ends_with_its_thread(bench: Bench) -> None:
    thread = bench.thread()
    schedule = made(bench, thread, "* * * * *")
    bench.clock.advance(60_000)
    (found,) = due(bench)
    bench.do(lambda tx: commands.delete(tx, "local", thread.id), thread.pk)
    assert due(bench) == []
    assert tick(bench, found) is None
    assert bench.scalar("SELECT COUNT(*) FROM schedule") == 0
    with pytest.raises(ScheduleNotFound):
        read(bench, schedule)


def test_a_schedule_whose_zone_is_gone_is_paused_and_harms_nobody(bench: Bench) -> None:
    thread = bench.thread()
    schedule, other = (made(bench, thread, "* * * * *", content=text) for text in "ab")
    bench.sql("UPDATE schedule SET timezone = 'Atlantis/Capital' WHERE id = :id", id=schedule["id"])
    bench.clock.advance(60_000)
    assert [run is None for run in ticked(bench)].count(True) == 1
    now = read(bench, schedule)
    assert (now["paused"], now["next_at"]) == (True, None)
    assert read(bench, other)["paused"] is False


def test_a_damaged_schedule_says_so_and_hides_no_other(bench: Bench) -> None:
    thread = bench.thread()
    whole, damaged = (made(bench, thread, "* * * * *", content=text) for text in "ab")
    bench.sql("UPDATE schedule SET params = '{' WHERE id = :id", id=damaged["id"])
    listed = bench.look(lambda conn: schedules.list_all(conn, "local", None))
    assert listed[0] == whole
    assert (listed[1]["id"], listed[1]["error"]["code"]) == (damaged["id"], "damaged_row")
    with pytest.raises(DamagedRow) as error:
        read(bench, damaged)
    assert (error.value.facts["table"], error.value.facts["row"]) == ("schedule", damaged["id"])
    bench.do(lambda tx: schedules.delete(tx, "local", damaged["id"]), thread.pk)
    assert bench.look(lambda conn: schedules.list_all(conn, "local", None)) == [whole]


# ---------------------------------------------------------------- what people do to it


def test_a_paused_schedule_is_not_due_and_resumes_from_now_on(bench: Bench) -> None:
    at(bench, "2027-03-01T08:00:00Z")
    thread = bench.thread()
    schedule = made(bench, thread)

    def set_paused(paused: bool) -> dict[str, Any]:
        return bench.do(
            lambda tx: schedules.change(tx, "local", schedule["id"], {"paused": paused}), thread.pk
        )

    assert set_paused(True)["next_at"] is None
    at(bench, "2027-03-05T12:00:00Z")
    assert due(bench) == []
    assert bench.look(schedules.next_tick) is None
    assert set_paused(False)["next_at"] == "2027-03-06T09:00:00.000Z"
    assert set_paused(False)["next_at"] == "2027-03-06T09:00:00.000Z"


def test_a_change_keeps_the_rest_and_reckons_anew_only_when_it_must(bench: Bench) -> None:
    at(bench, "2027-03-01T08:00:00Z")
    thread = bench.thread()
    schedule = made(bench, thread, params={"a": 1})

    def change(**changes: Any) -> dict[str, Any]:
        return bench.do(
            lambda tx: schedules.change(tx, "local", schedule["id"], changes), thread.pk
        )

    assert change(content="Hi", params=None) == {**schedule, "content": "Hi", "params": None}
    assert change(timezone="Europe/Berlin")["next_at"] == "2027-03-02T08:00:00.000Z"
    assert change(cron="30 10 * * *")["next_at"] == "2027-03-01T09:30:00.000Z"
    assert change() == read(bench, schedule)
    with pytest.raises(InvalidInput):
        change(cron="61 * * * *", content="never")
    assert read(bench, schedule)["content"] == "Hi"


def test_a_schedule_is_its_owner_s_alone(bench: Bench) -> None:
    thread = bench.thread()
    schedule = made(bench, thread)
    for work in (
        lambda tx: schedules.read(tx.conn, "ben", schedule["id"]),
        lambda tx: schedules.change(tx, "ben", schedule["id"], {"paused": True}),
        lambda tx: schedules.delete(tx, "ben", schedule["id"]),
    ):
        with pytest.raises(ScheduleNotFound):
            bench.do(work, thread.pk)
    assert bench.look(lambda conn: schedules.list_all(conn, "ben", None)) == []


def test_the_same_schedule_is_made_once_in_a_thread(bench: Bench) -> None:
    """A cell that is run again does not send twice."""
    thread = bench.thread()
    first = made(bench, thread, params={"x": 1})
    assert made(bench, thread, params={"x": 1}) == first
    others = [
        made(bench, thread),
        made(bench, thread, params={"x": 1}, timezone="Europe/Zurich"),
        made(bench, thread, "0 10 * * *", params={"x": 1}),
        made(bench, bench.thread(), params={"x": 1}),
    ]
    assert len({schedule["id"] for schedule in (first, *others)}) == 5


def test_schedules_are_listed_of_one_thread_or_of_all(bench: Bench) -> None:
    one, two = bench.thread(), bench.thread()
    first, second = made(bench, one), made(bench, two)
    assert bench.look(lambda conn: schedules.list_all(conn, "local", None)) == [first, second]
    assert bench.look(lambda conn: schedules.list_all(conn, "local", two)) == [second]


def test_a_user_has_at_most_a_hundred(bench: Bench) -> None:
    thread, bens = bench.thread(), bench.thread("ben")
    for number in range(MAX_SCHEDULES):
        made(bench, thread, content=str(number))
    with pytest.raises(TooManySchedules) as refused:
        made(bench, thread)
    assert refused.value.status == 409
    new = NewSchedule(content="x", cron=DAILY)
    assert bench.do(lambda tx: schedules.create(tx, "ben", bens.id, new), bens.pk)
    bench.do(lambda tx: threads.mark_deleted(tx, thread), thread.pk)
    assert made(bench, bench.thread())
