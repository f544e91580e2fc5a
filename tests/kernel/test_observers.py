"""Functions of the user's own run in the chat's middle: they may raise, block and call the chat.

Between "sent" and "returned" runs none of them; elsewhere, what one raises is shown, and nobody
else misses anything.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from ipywidgets import IntText, Text
from traitlets import All, directional_link, observe

from jupyter_chat_stream import Chat, Run
from jupyter_chat_stream.kernel import inbox, rest
from jupyter_chat_stream.kernel import link as links
from jupyter_chat_stream.kernel.messages import Message
from jupyter_chat_stream.shared.errors import ChatStreamError
from tests.kernel.harness import ECHO, SLOW, until

pytestmark = pytest.mark.usefixtures("here")

TRAITS = ("run_id", "value", "status", "busy", "seq", "model")
Shown = Callable[[], str]


class Mistake(Exception):
    """What the user's functions raise here."""


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    """Read what was shown until now."""
    return lambda: capsys.readouterr().err


def fail(*_: Any) -> Any:
    raise Mistake("a mistake in the user's own function")


# ------------------------------------------------------------------------------- what raises


@pytest.mark.parametrize("trait", [*TRAITS, All])
def test_an_observer_that_raises_is_shown_and_costs_nobody_a_handle(
    name: str, trait: Any, shown: Shown
) -> None:
    chat = Chat(name, model=ECHO)
    chat.observe(fail, trait)
    run = chat.send("One", model="demo/fast")
    reply = chat.ask("Two")
    assert isinstance(run, Run)
    assert isinstance(reply, Message)
    assert (reply.content, run.wait().status) == ("Two", "completed")
    assert [m.content for m in chat.messages if m.role == "user"] == ["One", "Two"]
    if trait != "model":  # which did not change
        assert "a mistake in the user's own function" in shown()


async def test_the_awaited_calls_give_their_handles_too(name: str, shown: Shown) -> None:
    chat = Chat(name, model=ECHO)
    chat.observe(fail)
    run = await chat.asend("One")
    reply = await chat.aask("Two")
    again = await (await run).aretry()
    assert (await again).status == "completed"
    schedule = await chat.aschedule("Three", cron="0 9 * * *")
    await schedule.adelete()
    assert (run.content, reply.content) == ("One", "Two")
    assert "Mistake" in shown()


def test_every_other_command_gives_what_it_promises(name: str) -> None:
    chat = Chat(name)
    chat.observe(fail)
    run = chat.send("Which?", model="demo/ask")
    question = run.next_question()
    assert question is not None
    assert question.choices is not None
    assert run.answer(question.choices[0]) is run
    assert run.cancel() is run
    assert isinstance(run.retry().cancel(), Run)
    assert isinstance(run.continue_().cancel(), Run)
    assert [event.type for event in run.events()][-1] == "finalized"
    schedule = chat.schedule("Again", cron="0 9 * * *")
    assert schedule.pause().paused
    assert not schedule.resume().paused
    schedule.delete()
    chat.cancel()
    assert len(chat.runs) == 3


def test_the_observers_after_one_that_raises_hear_of_everything(name: str) -> None:
    chat = Chat(name, model=ECHO)
    heard: dict[str, list[Any]] = {trait: [] for trait in TRAITS}
    for trait in TRAITS:
        chat.observe(fail, trait)
        chat.observe(lambda change: heard[change.name].append(change.new), trait)
    chat.ask("Hello")
    assert heard["status"][-1] == "completed"
    assert heard["value"][-1] == "Hello"
    assert heard["busy"][-1] is False


def test_another_chat_does_not_pay_for_an_observer(name: str) -> None:
    speaking, watching = Chat(name, model=ECHO), Chat(name)
    speaking.observe(fail)
    values: list[str] = []
    watching.observe(lambda change: values.append(change.new), "value")
    speaking.ask("Hello")
    until(lambda: watching.value == "Hello", "the other chat")
    assert values[-1] == "Hello"


def test_observers_that_a_class_declares_are_no_other(name: str, shown: Shown) -> None:
    class Mine(Chat):
        heard = ""

        @observe("status")
        def _fail(self, change: Any) -> None:
            raise Mistake("in a class")

        @observe("status")
        def _note(self, change: Any) -> None:
            self.heard = change.new

    chat = Mine(name, model=ECHO)
    assert chat.ask("Hello").content == "Hello"
    assert chat.heard == "completed"
    assert "in a class" in shown()


def test_links_whose_other_end_refuses_are_shown(name: str, shown: Shown) -> None:
    chat, text, number = Chat(name, model=ECHO), Text(), IntText()
    chat.ask("0")
    directional_link((chat, "value"), (number, "value"), int)
    directional_link((chat, "value"), (text, "value"))
    assert chat.ask("no number").content == "no number"
    assert text.value == "no number"
    assert "ValueError" in shown()


def test_an_observer_is_found_again_and_taken_away(name: str, shown: Shown) -> None:
    chat = Chat(name, model=ECHO)
    seen: list[Any] = []
    chat.observe(seen.append, "value")
    chat.observe(seen.append, "value")  # the same: heard once
    chat.ask("One")
    assert [change.new for change in seen][-1] == "One"
    assert len({change.new for change in seen}) == len(seen)
    chat.unobserve(seen.append, "value")
    seen.clear()
    text = Text()
    one = directional_link((chat, "value"), (text, "value"))
    one.unlink()
    chat.ask("Two")
    assert (seen, text.value) == ([], "One")
    assert shown() == ""


def test_what_the_user_sets_raises_as_everywhere_in_traitlets(name: str) -> None:
    chat = Chat(name)
    chat.observe(fail, "disabled")
    with pytest.raises(Mistake):
        chat.disabled = True


def test_a_chat_that_nobody_holds_ends_whatever_its_observers_do(name: str, shown: Shown) -> None:
    chat = Chat(name)
    chat.observe(fail)
    chat.close()  # as the collector does; an error there would be "ignored", and the rest left open
    assert chat.comm is None
    assert "Mistake" in shown()


# ------------------------------------------------------------------- what blocks, what re-enters


def test_no_observer_runs_between_sent_and_returned(name: str) -> None:
    chat, other = Chat(name, model=ECHO), Chat(name)
    calls: list[str] = []
    for each in (chat, other):
        each.observe(lambda change: calls.append(change.name))
    chat.ask("Before")
    heard = len(calls)
    run = chat.send("Now")
    until(lambda: run.is_ended, "its end")  # a run's own properties run nobody's code either
    run.cancel()
    run.retry()
    assert len(calls) == heard
    assert chat.status  # reading a trait does
    assert len(calls) > heard


def test_an_observer_may_send_and_ask(name: str) -> None:
    chat = Chat(name, model=ECHO)
    got: list[Any] = []

    def go_on(change: Any) -> None:
        if change.new == "completed" and not got:
            got.append(None)  # once: what it sends ends as well
            got[:] = [chat.send("Sent inside"), chat.ask("Asked inside")]

    chat.observe(go_on, "status")
    assert chat.ask("Outside").content == "Outside"
    run, reply = got
    assert isinstance(run, Run)
    assert reply.content == "Asked inside"
    asked = [message.content for message in chat.messages if message.role == "user"]
    assert asked == ["Outside", "Sent inside", "Asked inside"]
    until(lambda: chat.value == "Asked inside", "the traits follow")


def test_an_observer_that_sends_at_every_change_does_not_hold_ask_for_ever(name: str) -> None:
    chat = Chat(name, model=ECHO)
    sent: list[Run] = []
    chat.observe(lambda _: sent.append(chat.send("And again")), "seq")
    assert chat.ask("Hello").content == "Hello"
    chat.unobserve_all()
    chat.cancel()
    assert len({run.id for run in sent}) == len(sent) > 0


def test_an_observer_may_choose_the_model(name: str) -> None:
    chat = Chat(name, model="demo/fast")

    def choose(change: Any) -> None:
        if change.new == "completed":
            chat.model = ECHO

    chat.observe(choose, "status")
    chat.ask("Hello")
    assert Chat(name).model == ECHO


def test_what_runs_in_the_chats_own_thread_cannot_wait_there_and_is_told(name: str) -> None:
    chat = Chat(name)

    async def inside() -> None:
        with pytest.raises(ChatStreamError, match="own thread"):
            chat.send("From a __del__")

    links.current().run(inside())


def test_a_del_that_reads_the_chat_does_not_stop_it(name: str) -> None:
    """The collector runs it anywhere, also where the chat holds a lock."""
    chat = Chat(name, model=ECHO)
    follower = links.current().followers[chat.thread]
    with follower.lock, inbox.here().lock, links.guard:
        assert chat.messages == []
        assert chat.status == ""


# ---------------------------------------------------------------------------------- interrupts


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], threading.Event]:
    """Interrupt this thread when the server has answered to a path and its sender does not know."""
    done = threading.Event()
    wanted: list[str] = []
    real = rest.fetch

    async def fetch(to: Any, method: str, path: str, *args: Any, **options: Any) -> Any:
        answer = await real(to, method, path, *args, **options)
        if method != "GET" and wanted and path.endswith(wanted[0]):
            wanted.clear()
            done.set()
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGINT)
            await asyncio.sleep(0)
        return answer

    def at(path: str) -> threading.Event:
        wanted[:] = [path]
        return done

    monkeypatch.setattr(rest, "fetch", fetch)
    return at


@pytest.mark.parametrize("way", ["send", "ask", "retry", "continue_"])
def test_an_interrupt_loses_no_run_and_sends_nothing_twice_l11(
    name: str, way: str, interrupted: Callable[[str], threading.Event]
) -> None:
    chat = Chat(name, model=ECHO)
    before = [] if way in ("send", "ask") else [chat.send("First", **SLOW).cancel()]
    interrupted("messages" if not before else way.strip("_"))
    with pytest.raises(KeyboardInterrupt):
        getattr(chat, way)("Hello") if not before else getattr(before[0], way)()
    until(lambda: len(chat.runs) == len(before) + 1, "the run")
    last = chat.runs[-1]
    assert last.cancel().is_ended
    assert chat.run_id == last.id
    assert len(chat.messages) == (2 if not before else 3)


def test_an_interrupt_keeps_a_schedule_and_a_stop(
    name: str, interrupted: Callable[[str], threading.Event]
) -> None:
    chat = Chat(name)
    interrupted("schedules")
    with pytest.raises(KeyboardInterrupt):
        chat.schedule("Again", cron="0 9 * * *", timezone="UTC")
    kept = chat.schedules()
    assert [one.content for one in kept] == ["Again"]
    assert chat.schedule("Again", cron="0 9 * * *", timezone="UTC").id == kept[0].id
    run = chat.send("Go", **SLOW)
    interrupted("cancel")
    with pytest.raises(KeyboardInterrupt):
        run.cancel()
    assert run.wait().status == "cancelled"


async def test_cancelling_asend_loses_no_run_and_sends_once_l11(name: str) -> None:
    chat = Chat(name, model=ECHO)
    sending = asyncio.ensure_future(chat.asend("Hello"))
    await asyncio.sleep(0)  # it has begun
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    runs = await asyncio.to_thread(until, lambda: chat.runs, "the run")
    await runs[0]
    assert len(chat.messages) == 2


def test_an_interrupt_in_an_observer_stops_ask_and_the_traits_still_follow(name: str) -> None:
    chat = Chat(name)
    calls: list[str] = []

    def interrupt(change: Any) -> None:
        calls.append(change.new)
        if len(calls) == 2:
            raise KeyboardInterrupt

    chat.observe(interrupt, "value")
    with pytest.raises(KeyboardInterrupt):
        chat.ask("Go", **SLOW)
    assert chat.runs[0].wait().status == "cancelled"
    until(lambda: chat.status == "cancelled", "the trait")
    assert len(chat.messages) == 2
