"""Later messages, questions and schedules in an ordinary process, against a real server."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jupyter_chat_stream import Chat, RunFailed
from jupyter_chat_stream.kernel import link, times
from jupyter_chat_stream.shared.errors import (
    InvalidInput,
    NotFound,
    RequestNotOpen,
    ServerUnavailable,
)
from tests.kernel.harness import PATIENCE_S, until

pytestmark = pytest.mark.usefixtures("here")

ECHO = "demo/echo"
ASK: dict[str, Any] = {"model": "demo/ask", "params": {"chars_per_second": 0}}
TOMORROW = timedelta(days=1)


# ------------------------------------------------------------------------------------- later


def test_a_message_for_later_waits_and_others_go_before_it(name: str) -> None:
    chat = Chat(name, model=ECHO)
    before = datetime.now(UTC)
    run = chat.send("Good morning", deliver_at=TOMORROW)
    assert (run.status, run.phase) == ("waiting", "waiting")
    assert run.wake_at is not None
    assert abs(run.wake_at - before - TOMORROW) < timedelta(minutes=1)
    assert (chat.run_id, chat.busy, chat.status) == ("", False, "")
    assert chat.ask("Now").content == "Now"
    assert (chat.value, chat.busy) == ("Now", False)
    shown = run._repr_mimebundle_()["text/markdown"]
    assert shown == "**You**\n\nGood morning\n\n*(to be sent later)*"
    assert run.cancel().status == "cancelled"
    assert chat.messages[0].status == "cancelled"
    assert (chat.value, chat.status) == ("Now", "completed")


def test_a_message_whose_time_is_past_is_sent_at_once(name: str) -> None:
    chat = Chat(name, model=ECHO)
    assert chat.ask("Late", deliver_at="2020-01-01T00:00:00Z").content == "Late"


def test_a_delivered_message_is_the_newest_whatever_was_said_meanwhile(name: str) -> None:
    chat = Chat(name, model=ECHO)
    later = chat.send("Later", deliver_at=timedelta(seconds=1))
    chat.ask("Meanwhile")
    later.wait(PATIENCE_S)
    until(lambda: chat.value == "Later", "the delivery")
    assert (chat.run_id, chat.status) == (later.id, "completed")
    meanwhile = next(message for message in chat.messages if message.content == "Meanwhile")
    assert later.reply is not None
    asked = next(message for message in chat.messages if message.id == later.reply.parent_id)
    assert asked.status == "completed"
    assert asked.parent_id == next(
        message.id for message in chat.messages if message.parent_id == meanwhile.id
    )
    assert [known.id for known in chat.runs if list(known.events())[-1].type != "finalized"] == []


def test_a_key_stands_for_one_time_too_l11(name: str) -> None:
    chat = Chat(name, model=ECHO)
    with pytest.raises(InvalidInput, match="timedelta"):
        chat.send("Later", key="later", deliver_at=TOMORROW)
    at = datetime.now(UTC) + TOMORROW
    runs = [chat.send("Later", key="later", deliver_at=at) for _ in range(2)]
    assert runs[0].id == runs[1].id
    runs[0].cancel()


def test_times_are_local_where_they_have_no_zone() -> None:
    local = datetime(2026, 11, 20, 18, 0)  # noqa: DTZ001 - without a zone, as people give it
    wire = times.to_wire(local, "deliver_at")
    assert times.to_wire("2026-11-20T18:00", "deliver_at") == wire
    assert times.to_wire(local.astimezone(), "deliver_at") == wire
    assert times.to_wire("2026-11-20 18:00+02:00", "deliver_at") == "2026-11-20T16:00:00.000Z"
    assert times.from_wire(wire) == local.astimezone()
    assert times.from_wire(None) is None
    for wrong in ("tomorrow", "", 17, timedelta.max):
        with pytest.raises(InvalidInput, match="deliver_at is no time"):
            times.to_wire(wrong, "deliver_at")  # type: ignore[arg-type]


# --------------------------------------------------------------------------------- questions


def test_a_run_that_asks_goes_on_with_the_first_answer(name: str) -> None:
    chat = Chat(name)
    run = chat.send("A report, please", **ASK)
    assert run.next_question(PATIENCE_S) is not None
    (found,) = Chat(name).runs  # as a kernel that was restarted meanwhile finds it
    question = found.question
    assert question is not None
    assert question.choices == ("spring", "summer", "autumn", "winter")
    assert (question.expires_at, found.status) == (None, "waiting")
    assert "Which season" in repr(question)
    assert found.answer("autumn").question != question
    with pytest.raises(RequestNotOpen) as second:
        given = {"request_id": question.request_id, "value": "spring"}
        link.current().run(link.current().request("POST", f"runs/{run.id}/input", given))
    assert (second.value.facts["value"], second.value.facts["by"]) == ("autumn", "local")
    asked = run.next_question(PATIENCE_S)
    assert asked is not None
    assert asked.choices is None
    run.answer("Ada").wait(PATIENCE_S)
    assert "The autumn report, for Ada" in run.content
    with pytest.raises(RequestNotOpen, match="answered by 'local'") as late:
        run.answer("Bob")
    assert late.value.facts["value"] == "Ada"
    assert run.next_question() is None


def test_an_answer_whose_reply_was_lost_knows_itself(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Chat(name).send("A report, please", **ASK)
    run.next_question(PATIENCE_S)
    request = link.Link.request
    tries = []

    async def lose_first(self: Any, method: str, path: str, *args: Any, **options: Any) -> Any:
        answer = await request(self, method, path, *args, **options)
        tries.append(path)
        if len(tries) == 1:
            raise ServerUnavailable("lost", url="")
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(link.Link, "request", lose_first)
        run.answer("winter")
    assert len(tries) == 1, "the second try was refused, for the first has won"
    run.next_question(PATIENCE_S)
    run.cancel()


def test_a_run_that_asks_nothing_cannot_be_answered(name: str) -> None:
    run = Chat(name, model=ECHO).send("Hello").wait()
    assert run.question is None
    with pytest.raises(RequestNotOpen, match="asked nothing"):
        run.answer("Yes")


def test_ask_waits_for_the_answer_from_wherever_it_comes(name: str) -> None:
    chat = Chat(name)

    def answer_elsewhere() -> None:
        other = Chat(name)
        (run,) = until(lambda: other.runs, "the run")
        for answer in ("summer", "Ada"):
            run.next_question(PATIENCE_S)
            run.answer(answer)

    elsewhere = threading.Thread(target=answer_elsewhere)
    elsewhere.start()
    reply = chat.ask("A report, please", **ASK, timeout=PATIENCE_S)
    elsewhere.join(PATIENCE_S)
    assert "The summer report, for Ada" in reply.content


def test_a_question_that_nobody_answers_expires_and_can_be_asked_again(name: str) -> None:
    params = {"chars_per_second": 0, "expires_in_s": 0.3}
    chat = Chat(name)
    with pytest.raises(RunFailed, match="input_expired") as caught:
        chat.ask("A report, please", model="demo/ask", params=params, timeout=PATIENCE_S)
    run = caught.value.run
    assert run.error["retryable"]
    with pytest.raises(RequestNotOpen, match=r"run\.retry"):
        run.answer("spring")
    again = run.retry()
    assert again.next_question(PATIENCE_S) is not None
    again.cancel()
    assert again.question is None


def test_a_sleeping_run_says_until_when_and_is_stopped(name: str) -> None:
    params = {"chars_per_second": 0, "wait_s": 86_400}
    run = Chat(name).send("Wait", model="demo/wait", params=params)
    until(lambda: run.phase == "waiting", "its sleep")
    assert run.wake_at is not None
    assert run.wake_at.utcoffset() == datetime.now().astimezone().utcoffset()
    assert run.question is None
    assert run.cancel().status == "cancelled"
    assert run.wake_at is None


# --------------------------------------------------------------------------------- schedules


def test_a_schedule_is_made_listed_changed_paused_and_deleted(name: str) -> None:
    chat = Chat(name, model=ECHO)
    daily = chat.schedule("What is new?", cron="0 9 * * 1-5", timezone="Europe/Berlin")
    assert (daily.content, daily.cron, daily.paused) == ("What is new?", "0 9 * * 1-5", False)
    assert daily.next_at is not None
    assert (daily.next_at.hour, daily.next_at.minute) == (9, 0)
    assert daily.next_at.isoweekday() <= 5
    assert repr(daily).startswith("Schedule('What is new?', '0 9 * * 1-5' Europe/Berlin, next ")
    assert daily.pause().paused
    assert repr(daily).endswith("paused)")
    (listed,) = chat.schedules()
    assert (listed.id, listed.paused) == (daily.id, True)
    assert not daily.resume().paused
    assert daily.change(cron="30 18 * * *").cron == "30 18 * * *"
    assert Chat().schedules() == []
    daily.delete()
    assert chat.schedules() == []
    assert repr(daily).endswith("deleted)")
    with pytest.raises(NotFound):
        daily.pause()


def test_a_schedule_is_in_this_machines_zone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    schedule = Chat(name).schedule("x", cron="0 9 * * *")
    assert schedule.timezone == "Asia/Tokyo"
    schedule.delete()


@pytest.mark.parametrize(
    ("wrong", "field"), [({"cron": "every day"}, "cron"), ({"timezone": "Mars/Base"}, "timezone")]
)
def test_a_schedule_that_cannot_be_meant_is_refused(
    name: str, wrong: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        Chat(name).schedule("x", **{"cron": "0 9 * * *", **wrong})
    assert refused.value.facts["field"] == field


# ------------------------------------------------------------------------ asyncio, preferences


async def test_what_waits_has_awaitable_twins(name: str) -> None:
    chat = Chat(name)
    run = await chat.asend("A report, please", **ASK)
    question = await run.anext_question(PATIENCE_S)
    assert question is not None
    await run.aanswer("winter")
    with pytest.raises(TimeoutError):
        await (await chat.asend("Later", deliver_at=TOMORROW)).anext_question(0.01)
    await chat.acancel()
    schedule = await chat.aschedule("x", cron="0 9 * * *", timezone="UTC")
    assert (await schedule.apause()).paused
    assert not (await schedule.aresume()).paused
    assert (await schedule.achange(content="y")).content == "y"
    assert len(await chat.aschedules()) == 1
    await schedule.adelete()
    assert await chat.apreferences() == chat.preferences()


def test_preferences_are_the_users_in_every_chat(name: str) -> None:
    chat = Chat(name)
    assert chat.preferences()["on_crash"] is None
    assert chat.preferences(on_crash="restart")["on_crash"] == "restart"
    assert Chat().preferences(on_crash=None)["on_crash"] is None
    with pytest.raises(InvalidInput):
        chat.preferences(on_crash="explode")


def test_properties_of_what_waits_never_touch_the_network(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Chat(name).send("A report, please", **ASK)
    run.next_question(PATIENCE_S)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a property asked the link")

    with monkeypatch.context() as patch:
        for method in ("start", "run", "arun", "request"):
            patch.setattr(link.Link, method, refuse)
        assert run.question is not None
        assert run.wake_at is None
    run.cancel()
