"""Runs that ask a person or sleep: nobody holds them, and no attempt repeats what is there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import AskChunk, Prompt, SleepChunk
from jupyter_chat_stream.runs.execute import Execution
from jupyter_chat_stream.runs.pauses import pause_of
from jupyter_chat_stream.shared.errors import BadRequest, Overloaded, RequestNotOpen
from jupyter_chat_stream.shared.events import ENDS, InputRequested
from jupyter_chat_stream.store.chat import answers, commands, runs
from jupyter_chat_stream.store.chat.threads import write_preferences
from jupyter_chat_stream.store.log.operations import Append
from jupyter_chat_stream.store.log.transaction import RunRef
from jupyter_chat_stream.testing import Gate, ScriptedProvider
from tests.clock import START_MS
from tests.fixtures import MakeHarness
from tests.run_harness import PATIENCE_S, RunHarness, texts

YEAR = AskChunk(prompt="Which year?", choices=("2025", "2026"), expires_in_s=60.0)


def curious(prompt: Prompt) -> list[Any]:
    """Write a text, ask twice, write another text, as far as there are answers."""
    steps: list[Any] = ["One thing first. "]
    for number, question in enumerate((YEAR, AskChunk(prompt="For whom?"))):
        if number == len(prompt.answers):
            return [*_rest(steps, prompt.partial), question]
        steps.append(f"{prompt.answers[number].value}! ")
    return _rest([*steps, "Done."], prompt.partial)


def _rest(steps: list[str], partial: str) -> list[str]:
    whole = "".join(steps)
    assert whole.startswith(partial), (whole, partial)
    return [whole[len(partial) :]]


async def answer(harness: RunHarness, run: RunRef, value: Any, by: str = "local") -> dict[str, Any]:
    parts = (await harness.reply(run))["parts"]
    open_ = [part for part in parts if part["kind"] == "input_request" and part["by"] is None]
    request_id = open_[0]["request_id"] if open_ else "none"
    work = lambda tx: answers.give_input(tx, run, by, request_id, value)  # noqa: E731
    return await harness.store.write(work, run.thread.pk)


async def test_a_run_that_asks_holds_nothing_and_goes_on_with_the_answers(
    make_harness: MakeHarness,
) -> None:
    """L10: text, question and release are there together; each answer makes it due."""
    harness = await make_harness(provider=ScriptedProvider(default=curious))
    await harness.engine.start()
    run = await harness.send(await harness.thread())
    for asked, value in enumerate(("2026", "Ada"), start=1):
        prompts = asked

        def has_asked() -> bool:
            return not harness.engine.active and len(harness.provider.prompts) == prompts  # noqa: B023

        await harness.until(has_asked)
        state = await harness.run(run)
        assert (state["status"], state["phase"]) == ("waiting", "waiting")
        assert await harness.column(run, "owner") is None
        await answer(harness, run, value)
        harness.engine.sweep.nudge()
    state, reply = await harness.ended(run), await harness.reply(run)
    assert (state["status"], state["attempt"]) == ("completed", 3)
    assert texts(reply) == [
        "One thing first. ",
        "input_request",
        "2026! ",
        "input_request",
        "Ada! Done.",
    ]
    assert [prompt.partial for prompt in harness.provider.prompts][1:] == [
        "One thing first. ",
        "One thing first. 2026! ",
    ]
    given = [(a.prompt, a.value, a.by) for a in harness.provider.prompts[-1].answers]
    assert given == [("Which year?", "2026", "local"), ("For whom?", "Ada", "local")]
    assert len({prompt.begun_at_ms for prompt in harness.provider.prompts}) == 1


async def test_a_question_and_its_release_are_one_commit(make_harness: MakeHarness) -> None:
    """L10: nobody ever sees a run that asks and has an owner, or waits and has no question."""
    harness = await make_harness(provider=ScriptedProvider(default=curious))
    seen: list[tuple[Any, ...]] = []

    def look(events: Any) -> None:
        if "input_request" in [event.type for event in events]:
            sql = "SELECT run.status, run.owner, message.parts FROM run JOIN message ON " + (
                "message.pk = run.message"
            )
            seen.append(harness.store.read_now(lambda conn: conn.exec_driver_sql(sql).one()))

    harness.store.listen(look)
    await harness.send(await harness.thread())
    await harness.execute()
    assert [(status, owner) for status, owner, _ in seen] == [("waiting", None)]
    assert "One thing first. " in seen[0][2]


async def test_the_first_answer_wins_and_the_second_is_told(make_harness: MakeHarness) -> None:
    harness = await make_harness(provider=ScriptedProvider(default=curious))
    run = await harness.send(await harness.thread())
    await harness.execute()
    question = (await harness.reply(run))["parts"][-1]
    await answer(harness, run, "2026", by="ada")
    with pytest.raises(RequestNotOpen) as refused:
        await harness.store.write(
            lambda tx: answers.give_input(tx, run, "ben", question["request_id"], "2025"),
            run.thread.pk,
        )
    assert refused.value.facts == {"value": "2026", "by": "ada"}


async def test_a_question_nobody_answers_in_time_ends_its_run(make_harness: MakeHarness) -> None:
    """L10: it has a time to wake; what it said is kept, and a retry asks anew."""
    harness = await make_harness(provider=ScriptedProvider(default=curious))
    await harness.engine.start()
    run = await harness.send(await harness.thread())
    await harness.until(lambda: not harness.engine.active and harness.provider.prompts)
    harness.clock.advance(60_000)
    with pytest.raises(RequestNotOpen):
        await answer(harness, run, "2026")
    harness.engine.sweep.nudge()
    state = await harness.ended(run)
    assert (state["status"], state["error"]["code"]) == ("failed", "input_expired")
    assert state["error"]["retryable"] is True
    assert len(harness.provider.prompts) == 1
    assert (await harness.reply(run))["content"] == "One thing first. "
    again = await harness.store.write(
        lambda tx: runs.make_successor(tx, run, keep_parts=True).ref, run.thread.pk
    )
    harness.engine.sweep.nudge()
    await harness.until(lambda: not harness.engine.active and len(harness.provider.prompts) == 2)
    parts = (await harness.reply(again))["parts"]
    assert [part["kind"] for part in parts] == ["text", "input_request"]
    assert parts[1]["by"] is None


@pytest.mark.parametrize("word", ["cancel", "delete"])
async def test_stop_and_delete_work_while_it_asks(make_harness: MakeHarness, word: str) -> None:
    harness = await make_harness(provider=ScriptedProvider(default=curious))
    thread = await harness.thread()
    run = await harness.send(thread)
    await harness.execute()
    if word == "cancel":
        assert await harness.cancel(run)
    else:
        await harness.store.write(lambda tx: commands.delete(tx, "local", thread.id), thread.pk)
    assert (await harness.run(run))["status"] == "cancelled"
    with pytest.raises(RequestNotOpen):
        await answer(harness, run, "2026")
    assert await harness.column(run, "wake_ms") is None


async def test_stop_before_the_question_is_written_wins(make_harness: MakeHarness) -> None:
    gate = Gate()
    harness = await make_harness(["One thing first. ", gate, YEAR])
    run = await harness.send(await harness.thread())
    execution = Execution(harness.services, await harness.claim())
    task = asyncio.ensure_future(execution.run())
    await harness.bounded(gate.reached())
    execution.stop("cancelled")
    gate.open()
    await harness.bounded(task)
    assert (await harness.run(run))["status"] == "cancelled"
    assert "input_request" not in await harness.types(run)


async def test_wherever_it_dies_nothing_is_asked_or_said_twice(make_harness: MakeHarness) -> None:
    """L5, L10: a crash before each of its commits, and every next attempt goes on from the log."""
    harness = await make_harness(provider=ScriptedProvider(default=curious))
    commits = 0
    while await _dies_before(harness, commits):
        commits += 1
    assert commits >= 6  # three attempts, each with its text and its end


async def _dies_before(harness: RunHarness, commits: int) -> bool:
    """Let the process die once, after so many commits; False where the run ended before that."""
    run = await harness.send(await harness.thread())
    append, left = harness.store.append, commits

    def dying(operation: Append) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            append(operation)
        else:  # nobody is ever told: the process is gone
            asyncio.get_running_loop().call_soon(task.cancel)

    has_died = False
    while (state := await harness.run(run))["status"] not in ENDS:
        if state["status"] == "waiting":
            question = (await harness.reply(run))["parts"][-1]
            await answer(harness, run, "2026" if question["choices"] else "Ada")
        harness.store.append = append if has_died else dying  # type: ignore[method-assign]
        task = asyncio.ensure_future(Execution(harness.services, await harness.claim("01a")).run())
        await asyncio.wait({task}, timeout=PATIENCE_S)
        has_died = has_died or task.cancelled()
    harness.store.append = append  # type: ignore[method-assign]
    reply = await harness.reply(run)
    assert (reply["status"], reply["content"]) == ("completed", "One thing first. 2026! Ada! Done.")
    assert [part["kind"] for part in reply["parts"]].count("input_request") == 2
    return has_died


# ---------------------------------------------------------------- sleeping

LATER = START_MS + 3_600_000


def sleepy(prompt: Prompt) -> list[Any]:
    sleep = SleepChunk(until_ms=prompt.begun_at_ms + 3_600_000, reason="the market opens")
    return [sleep, "Open."] if prompt.partial else ["I wait. ", sleep, "Open."]


async def test_a_run_that_sleeps_holds_nothing_until_its_time(make_harness: MakeHarness) -> None:
    """L10"""
    harness = await make_harness(provider=ScriptedProvider(default=sleepy))
    await harness.engine.start()
    run = await harness.send(await harness.thread())
    await harness.until(lambda: not harness.engine.active and harness.provider.prompts)
    state = await harness.run(run)
    assert (state["status"], state["phase"]) == ("waiting", "waiting")
    assert await harness.column(run, "wake_ms") == LATER
    assert await harness.column(run, "owner") is None
    status = [event for event in await harness.events(run.thread) if event.type == "status"][-1]
    assert (status["detail"], status["until"]) == ("the market opens", state["wake_at"])
    harness.clock.advance(3_600_000)
    harness.engine.sweep.nudge()
    state = await harness.ended(run)
    assert (state["status"], state["attempt"]) == ("completed", 2)
    assert texts(await harness.reply(run)) == ["I wait. ", "Open."]


async def test_a_sleep_whose_time_has_passed_is_none(make_harness: MakeHarness) -> None:
    harness = await make_harness([SleepChunk(until_ms=START_MS, reason="over"), "Open."])
    run = await harness.send(await harness.thread())
    await harness.execute()
    assert (await harness.reply(run))["content"] == "Open."
    assert "waiting" not in await harness.types(run)


# ---------------------------------------------------------------- what may be asked


@pytest.mark.parametrize(
    "chunk",
    [
        AskChunk(prompt=" "),
        AskChunk(prompt="ä" * 2049),
        AskChunk(prompt="?", choices=()),
        AskChunk(prompt="?", choices=tuple("abcdefghijklmnopqrstu")),
        AskChunk(prompt="?", choices=("a", "a")),
        AskChunk(prompt="?", choices=("x" * 201,)),
        AskChunk(prompt="?", choices=("",)),
        AskChunk(prompt="?", expires_in_s=0.0),
        AskChunk(prompt="?", expires_in_s=float("inf")),
        AskChunk(prompt="?", expires_in_s=float("nan")),
        SleepChunk(until_ms=2**62, reason=""),
    ],
)
async def test_what_a_provider_may_not_ask_fails_its_run(
    make_harness: MakeHarness, chunk: Any
) -> None:
    harness = await make_harness(["One thing first. ", chunk])
    run = await harness.send(await harness.thread())
    await harness.execute()
    reply = await harness.reply(run)
    assert (reply["status"], reply["error"]["code"]) == ("failed", "bad_request")
    assert reply["content"] == "One thing first. "


def test_what_may_be_asked_is_asked() -> None:
    most = AskChunk(prompt="ä" * 2048, choices=tuple(f"{n:0200}" for n in range(20)))
    asked = pause_of(most, now_ms=0, request_id="q")
    assert isinstance(asked, InputRequested)
    assert asked.choices == most.choices
    mended = pause_of(AskChunk(prompt="a\x00\ud800"), now_ms=0, request_id="q")
    assert isinstance(mended, InputRequested)
    assert mended.prompt == "a��"
    with pytest.raises(BadRequest):
        pause_of(AskChunk(prompt=""), now_ms=0, request_id="q")


# ---------------------------------------------------------------- what a user prefers


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("preferred", ["restart", "interrupt", None])
async def test_a_user_s_on_crash_is_stronger_than_the_server_s(
    make_harness: MakeHarness, preferred: str | None
) -> None:
    harness = await make_harness(["Prices ", Overloaded("Busy.")], ["Rose."])
    await harness.store.write(
        lambda tx: write_preferences(tx, "local", {"on_crash": preferred, "system": "S"})
    )
    run = await harness.send(await harness.thread())
    await harness.execute()
    expected = {"restart": ["Rose."], "interrupt": ["Prices "], None: ["Prices ", "Rose."]}
    assert texts(await harness.reply(run)) == expected[preferred]
