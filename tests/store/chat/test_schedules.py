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
from tests.store.harness import StoreHarness, completed
from tests.store.queries import find, is_due, messages

DAILY = "0 9 * * *"
HOUR_MS = 3_600_000


def made(
    harness: StoreHarness, thread: ThreadRef, cron: str = DAILY, **more: Any
) -> dict[str, Any]:
    new = NewSchedule(**{"content": "Good morning", "cron": cron, **more})
    made, _ = harness.do(lambda tx: schedules.create(tx, "local", thread.id, new), thread.pk)
    return made


def due(harness: StoreHarness) -> list[DueSchedule]:
    return harness.look(lambda conn: schedules.find_due(conn, harness.clock()))


def tick(harness: StoreHarness, found: DueSchedule) -> RunRef | None:
    return harness.do(lambda tx: schedules.tick(tx, found), found.thread.pk)


def ticked(harness: StoreHarness) -> list[RunRef | None]:
    """Do what the sweep does now."""
    return [tick(harness, found) for found in due(harness)]


def at(harness: StoreHarness, text: str) -> None:
    harness.clock.now = from_iso(text)


def read(harness: StoreHarness, schedule: dict[str, Any]) -> dict[str, Any]:
    return harness.look(lambda conn: schedules.read(conn, "local", schedule["id"]))


def answer(harness: StoreHarness, run: RunRef) -> None:
    claimed = harness.claim(run)
    assert claimed is not None
    harness.append(claimed, *completed(""), release=True)


# ---------------------------------------------------------------- what a tick does


def test_a_schedule_sends_its_message_when_it_is_due_and_not_before(harness: StoreHarness) -> None:
    at(harness, "2027-03-01T08:59:59.999Z")
    thread = harness.thread()
    schedule = made(harness, thread, params={"x": 1}, model="demo/fast")
    assert schedule["next_at"] == "2027-03-01T09:00:00.000Z"
    assert harness.look(schedules.next_tick) == from_iso(schedule["next_at"])
    assert due(harness) == []
    harness.clock.advance(1)
    (run,) = ticked(harness)
    assert run is not None
    now = read(harness, schedule)
    assert (now["last_at"], now["last_run_id"]) == (schedule["next_at"], run.id)
    assert now["next_at"] == "2027-03-02T09:00:00.000Z"
    state = harness.run(run)
    assert (state["status"], state["model"]) == ("pending", "demo/fast")
    message, reply = messages(harness, thread)
    assert (message["content"], message["role"]) == ("Good morning", "user")
    assert reply["parent_id"] == message["id"]
    claimed = harness.claim(run)
    assert claimed is not None
    assert claimed.params["params"] == {"x": 1}


def test_times_that_were_missed_are_sent_once(harness: StoreHarness) -> None:
    at(harness, "2027-03-01T08:00:00Z")
    schedule = made(harness, harness.thread())
    at(harness, "2027-03-09T12:00:00Z")
    assert len(ticked(harness)) == 1
    assert read(harness, schedule)["next_at"] == "2027-03-10T09:00:00.000Z"
    assert due(harness) == []


def test_a_clock_that_goes_back_after_the_look_makes_no_time_come_twice(
    harness: StoreHarness,
) -> None:
    at(harness, "2027-03-01T08:00:00Z")
    thread = harness.thread()
    schedule = made(harness, thread)
    at(harness, "2027-03-01T09:00:00Z")
    (found,) = due(harness)
    harness.clock.now -= 5
    run = tick(harness, found)
    assert run is not None
    assert read(harness, schedule)["next_at"] == "2027-03-02T09:00:00.000Z"
    answer(harness, run)
    harness.clock.advance(10)
    assert due(harness) == []


def test_of_all_who_see_it_due_one_sends(harness: StoreHarness) -> None:
    """L5's way: a compare-and-set on the time."""
    made(harness, harness.thread(), "* * * * *")
    harness.clock.advance(60_000)
    (found,) = due(harness)
    with harness.held_up():
        futures = [
            harness.store.submit(lambda tx: schedules.tick(tx, found), found.thread.pk)
            for _ in range(5)
        ]
    runs = [future.result(10) for future in futures]
    assert [run is None for run in runs].count(False) == 1


def test_a_scheduled_message_takes_its_turn_behind_what_is_under_way(harness: StoreHarness) -> None:
    """L10: it has a predecessor; and it hangs on the newest reply."""
    thread = harness.thread()
    made(harness, thread, "* * * * *")
    earlier = harness.claimed(thread)
    harness.clock.advance(60_000)
    (run,) = ticked(harness)
    assert run is not None
    assert is_due(harness, run) is False
    assert messages(harness, thread)[-2]["parent_id"] == earlier.run.message_id
    harness.append(earlier, *completed(""), release=True)
    assert is_due(harness, run) is True


def test_what_is_queued_unbegun_stands_for_the_times_that_come_meanwhile(
    harness: StoreHarness,
) -> None:
    """A thread that waits for a person for a day does not gather 1440 messages."""
    thread = harness.thread()
    schedule = made(harness, thread, "* * * * *")
    earlier = harness.claimed(thread)
    for _ in range(5):
        harness.clock.advance(60_000)
        ticked(harness)
    assert len(messages(harness, thread)) == 4
    harness.append(earlier, *completed(""), release=True)
    harness.clock.advance(60_000)
    assert ticked(harness) == [None]
    run_id = read(harness, schedule)["last_run_id"]
    answer(harness, find(harness, thread, run_id))
    harness.clock.advance(60_000)
    assert ticked(harness) != [None]


def test_a_schedule_that_is_deleted_changed_or_paused_meanwhile_sends_nothing(
    harness: StoreHarness,
) -> None:
    thread = harness.thread()
    for change in ({"cron": DAILY}, {"paused": True}, None):
        schedule = made(harness, thread, "* * * * *", content=str(change))
        harness.clock.advance(60_000)
        (found,) = due(harness)
        if change is None:
            harness.do(lambda tx, s=schedule: schedules.delete(tx, "local", s["id"]), thread.pk)
        else:
            harness.do(
                lambda tx, s=schedule, c=change: schedules.change(tx, "local", s["id"], c),
                thread.pk,
            )
        assert tick(harness, found) is None
    assert messages(harness, thread) == []


def test_a_schedule_ends_with_its_thread(harness: StoreHarness) -> None:
    thread = harness.thread()
    schedule = made(harness, thread, "* * * * *")
    harness.clock.advance(60_000)
    (found,) = due(harness)
    harness.do(lambda tx: commands.delete(tx, "local", thread.id), thread.pk)
    assert due(harness) == []
    assert tick(harness, found) is None
    assert harness.scalar("SELECT COUNT(*) FROM schedule") == 0
    with pytest.raises(ScheduleNotFound):
        read(harness, schedule)


def test_a_schedule_whose_zone_is_gone_is_paused_and_harms_nobody(harness: StoreHarness) -> None:
    thread = harness.thread()
    schedule, other = (made(harness, thread, "* * * * *", content=text) for text in "ab")
    harness.sql(
        "UPDATE schedule SET timezone = 'Atlantis/Capital' WHERE id = :id", id=schedule["id"]
    )
    harness.clock.advance(60_000)
    assert [run is None for run in ticked(harness)].count(True) == 1
    now = read(harness, schedule)
    assert (now["paused"], now["next_at"]) == (True, None)
    assert read(harness, other)["paused"] is False


def test_a_damaged_schedule_says_so_and_hides_no_other(harness: StoreHarness) -> None:
    thread = harness.thread()
    whole, damaged = (made(harness, thread, "* * * * *", content=text) for text in "ab")
    harness.sql("UPDATE schedule SET params = '{' WHERE id = :id", id=damaged["id"])
    listed = harness.look(lambda conn: schedules.list_all(conn, "local", None))
    assert listed[0] == whole
    assert (listed[1]["id"], listed[1]["error"]["code"]) == (damaged["id"], "damaged_row")
    with pytest.raises(DamagedRow) as error:
        read(harness, damaged)
    assert (error.value.facts["table"], error.value.facts["row"]) == ("schedule", damaged["id"])
    harness.do(lambda tx: schedules.delete(tx, "local", damaged["id"]), thread.pk)
    assert harness.look(lambda conn: schedules.list_all(conn, "local", None)) == [whole]


# ---------------------------------------------------------------- what people do to it


def test_a_paused_schedule_is_not_due_and_resumes_from_now_on(harness: StoreHarness) -> None:
    at(harness, "2027-03-01T08:00:00Z")
    thread = harness.thread()
    schedule = made(harness, thread)

    def set_paused(paused: bool) -> dict[str, Any]:
        return harness.do(
            lambda tx: schedules.change(tx, "local", schedule["id"], {"paused": paused}), thread.pk
        )

    assert set_paused(True)["next_at"] is None
    at(harness, "2027-03-05T12:00:00Z")
    assert due(harness) == []
    assert harness.look(schedules.next_tick) is None
    assert set_paused(False)["next_at"] == "2027-03-06T09:00:00.000Z"
    assert set_paused(False)["next_at"] == "2027-03-06T09:00:00.000Z"


def test_a_change_keeps_the_rest_and_reckons_anew_only_when_it_must(harness: StoreHarness) -> None:
    at(harness, "2027-03-01T08:00:00Z")
    thread = harness.thread()
    schedule = made(harness, thread, params={"a": 1})

    def change(**changes: Any) -> dict[str, Any]:
        return harness.do(
            lambda tx: schedules.change(tx, "local", schedule["id"], changes), thread.pk
        )

    assert change(content="Hi", params=None) == {**schedule, "content": "Hi", "params": None}
    assert change(timezone="Europe/Berlin")["next_at"] == "2027-03-02T08:00:00.000Z"
    assert change(cron="30 10 * * *")["next_at"] == "2027-03-01T09:30:00.000Z"
    assert change() == read(harness, schedule)
    with pytest.raises(InvalidInput):
        change(cron="61 * * * *", content="never")
    assert read(harness, schedule)["content"] == "Hi"


def test_a_schedule_is_its_owner_s_alone(harness: StoreHarness) -> None:
    thread = harness.thread()
    schedule = made(harness, thread)
    for work in (
        lambda tx: schedules.read(tx.conn, "ben", schedule["id"]),
        lambda tx: schedules.change(tx, "ben", schedule["id"], {"paused": True}),
        lambda tx: schedules.delete(tx, "ben", schedule["id"]),
    ):
        with pytest.raises(ScheduleNotFound):
            harness.do(work, thread.pk)
    assert harness.look(lambda conn: schedules.list_all(conn, "ben", None)) == []


def test_the_same_schedule_is_made_once_in_a_thread(harness: StoreHarness) -> None:
    """A cell that is run again does not send twice."""
    thread = harness.thread()
    first = made(harness, thread, params={"x": 1})
    assert made(harness, thread, params={"x": 1}) == first
    others = [
        made(harness, thread),
        made(harness, thread, params={"x": 1}, timezone="Europe/Zurich"),
        made(harness, thread, "0 10 * * *", params={"x": 1}),
        made(harness, harness.thread(), params={"x": 1}),
    ]
    assert len({schedule["id"] for schedule in (first, *others)}) == 5


def test_schedules_are_listed_of_one_thread_or_of_all(harness: StoreHarness) -> None:
    one, two = harness.thread(), harness.thread()
    first, second = made(harness, one), made(harness, two)
    assert harness.look(lambda conn: schedules.list_all(conn, "local", None)) == [first, second]
    assert harness.look(lambda conn: schedules.list_all(conn, "local", two)) == [second]


def test_a_user_has_at_most_a_hundred(harness: StoreHarness) -> None:
    thread, bens = harness.thread(), harness.thread("ben")
    for number in range(MAX_SCHEDULES):
        made(harness, thread, content=str(number))
    with pytest.raises(TooManySchedules) as refused:
        made(harness, thread)
    assert refused.value.status == 409
    new = NewSchedule(content="x", cron=DAILY)
    assert harness.do(lambda tx: schedules.create(tx, "ben", bens.id, new), bens.pk)
    harness.do(lambda tx: threads.mark_deleted(tx, thread), thread.pk)
    assert made(harness, harness.thread())
