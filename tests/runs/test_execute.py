"""Executing runs with a scripted provider: every way an answer goes well or fails."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import (
    EndChunk,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    ToolInputChunk,
)
from jupyter_chat_stream.runs import execute as execute_module
from jupyter_chat_stream.runs.execute import Execution
from jupyter_chat_stream.shared.backoff import Backoff
from jupyter_chat_stream.shared.errors import (
    BadKey,
    Overloaded,
    PromptTooLong,
    ProviderDown,
    RateLimited,
    Refusal,
    StreamCut,
)
from jupyter_chat_stream.shared.events import StatusChanged
from jupyter_chat_stream.store.log.operations import Append
from jupyter_chat_stream.testing import STALL, Gate
from tests.fixtures import MakeRig
from tests.rig import Rig, holds, texts

CUT = EndChunk(stop_reason="end_turn", model="m", usage={})

LONG_BACKOFF = Backoff(first_s=4.5, most_s=4.5)  # waited in place, and long for a test


def cut() -> StreamCut:
    return StreamCut("The stream ended without its end.")


async def test_an_answer_streams_and_completes(make_rig: MakeRig) -> None:
    rig = await make_rig([ReasoningChunk(text="Hm."), "Prices ", "rose."])
    run = await rig.send(await rig.thread())
    await rig.execute()
    reply = await rig.reply(run)
    assert texts(reply) == ["Hm.", "Prices rose."]
    assert reply["content"] == "Prices rose."
    assert (reply["status"], reply["stop_reason"]) == ("completed", "end_turn")
    assert reply["usage"]["output_tokens"] == 1
    state = await rig.run(run)
    assert (state["status"], state["phase"], state["attempt"]) == ("completed", None, 1)
    types = await rig.types(run)
    assert types[:2] == ["message", "thinking"]
    assert types[-2:] == ["complete", "finalized"]
    assert "building" in types


async def test_the_end_is_one_transaction(make_rig: MakeRig) -> None:
    """L4: complete, finalized, status and row together; no reader sees one without the others."""
    rig = await make_rig(["Prices rose."])
    seen: list[tuple[list[str], str, str]] = []

    def look(events: Any) -> None:
        types = [event.type for event in events]
        if {"complete", "finalized"} & set(types):
            row = rig.store.read_now(
                lambda conn: conn.exec_driver_sql(
                    "SELECT run.status, message.status FROM run JOIN message ON "
                    "message.pk = run.message"
                ).one()
            )
            seen.append((types, row[0], row[1]))

    rig.store.listen(look)
    run = await rig.send(await rig.thread())
    await rig.execute()
    assert seen == [(["complete", "finalized"], "completed", "completed")]
    assert (await rig.column(run, "owner")) is None


async def test_the_run_keeps_its_owner_until_its_end(make_rig: MakeRig) -> None:
    """L5, L10: between its last text and its end nobody else may take it for left behind."""
    rig = await make_rig(["Prices ", "rose."])
    released: list[bool] = []
    append = rig.store.append

    def watch(operation: Append) -> None:
        released.append(operation.release)
        append(operation)

    rig.store.append = watch  # type: ignore[method-assign]
    run = await rig.send(await rig.thread())
    await rig.execute()
    assert released[-1] is True
    assert not any(released[:-1])
    assert await rig.column(run, "owner") is None


async def test_tools_pass_through_as_events(make_rig: MakeRig) -> None:
    rig = await make_rig(
        [
            "Look: ",
            ToolInputChunk(tool_call_id="c", name="sql", text='{"q":'),
            ToolInputChunk(tool_call_id="c", name="sql", text="1}"),
            ToolCallChunk(tool_call_id="c", name="sql", input={"q": 1}),
            EndChunk(stop_reason="tool_use", model="m", usage={}),
        ]
    )
    run = await rig.send(await rig.thread())
    await rig.execute()
    reply = await rig.reply(run)
    assert reply["stop_reason"] == "tool_use"
    assert reply["parts"] == [
        {"kind": "text", "text": "Look: "},
        {"kind": "tool_call", "tool_call_id": "c", "name": "sql", "input": {"q": 1}},
    ]


async def test_an_empty_answer_completes(make_rig: MakeRig) -> None:
    rig = await make_rig([CUT])
    run = await rig.send(await rig.thread())
    await rig.execute()
    reply = await rig.reply(run)
    assert (reply["status"], reply["parts"], reply["content"]) == ("completed", [], "")


# ---------------------------------------------------------------- failures of the provider


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("failure", [Overloaded, ProviderDown, RateLimited, StreamCut])
async def test_a_failure_before_any_text_is_tried_again(make_rig: MakeRig, failure: Any) -> None:
    rig = await make_rig([failure("Not now.")], [failure("Not now.")], ["Prices rose."])
    run = await rig.send(await rig.thread())
    await rig.execute()
    reply, state = await rig.reply(run), await rig.run(run)
    assert texts(reply) == ["Prices rose."]
    assert (state["status"], state["attempt"], state["error"]) == ("completed", 3, None)
    assert await rig.column(run, "retries") == 2
    assert (await rig.types(run))[:6] == [
        "message",
        "thinking",
        "retrying",
        "thinking",
        "retrying",
        "thinking",
    ]


@pytest.mark.usefixtures("no_backoff")
async def test_after_a_cut_the_answer_goes_on_in_a_new_part(make_rig: MakeRig) -> None:
    """on_crash=continue: the model is given what is there, and says the rest."""
    rig = await make_rig(["Prices ", cut()], ["rose."])
    run = await rig.send(await rig.thread())
    await rig.execute()
    reply = await rig.reply(run)
    assert texts(reply) == ["Prices ", "rose."]
    assert reply["content"] == "Prices rose."
    assert [prompt.partial for prompt in rig.provider.prompts] == ["", "Prices "]
    assert "continuing" in await rig.types(run)
    complete = next(e for e in await rig.events(run.thread) if e.type == "complete")
    assert getattr(complete.body, "content", None) == "Prices rose."


@pytest.mark.usefixtures("no_backoff")
async def test_a_stream_that_just_ends_was_cut(make_rig: MakeRig) -> None:
    """An SDK may end silently where the answer did not: only an EndChunk is an end."""

    rig = await make_rig()

    async def stream(prompt: Any) -> Any:
        rig.provider.prompts.append(prompt)
        yield TextChunk(text="Prices ")
        if len(rig.provider.prompts) == 2:
            yield CUT

    rig.provider.stream = stream  # type: ignore[method-assign]
    run = await rig.send(await rig.thread())
    await rig.execute()
    assert texts(await rig.reply(run)) == ["Prices ", "Prices "]
    retrying = [e.body for e in await rig.events(run.thread) if e.type == "status"]
    assert [s.detail for s in retrying if isinstance(s, StatusChanged) and s.until] == [
        "stream_cut"
    ]


@pytest.mark.usefixtures("no_backoff")
async def test_on_crash_restart_empties_the_answer_first(make_rig: MakeRig) -> None:
    rig = await make_rig(["Prices ", cut()], ["Rose."], on_crash="restart")
    run = await rig.send(await rig.thread())
    await rig.execute()
    reply = await rig.reply(run)
    assert texts(reply) == ["Rose."]
    assert [prompt.partial for prompt in rig.provider.prompts] == ["", ""]
    assert (await rig.types(run)).count("message") == 2


@pytest.mark.usefixtures("no_backoff")
async def test_on_crash_interrupt_keeps_the_text_and_says_so(make_rig: MakeRig) -> None:
    rig = await make_rig(["Prices ", cut()], on_crash="interrupt")
    run = await rig.send(await rig.thread())
    await rig.execute()
    reply, state = await rig.reply(run), await rig.run(run)
    assert texts(reply) == ["Prices "]
    assert (reply["status"], state["status"]) == ("interrupted", "interrupted")
    assert reply["error"]["code"] == "stream_cut"
    assert len(rig.provider.prompts) == 1


@pytest.mark.usefixtures("no_backoff")
async def test_on_crash_interrupt_still_retries_before_any_text(make_rig: MakeRig) -> None:
    rig = await make_rig([cut()], ["Prices rose."], on_crash="interrupt")
    run = await rig.send(await rig.thread())
    await rig.execute()
    assert (await rig.run(run))["status"] == "completed"


@pytest.mark.usefixtures("no_backoff")
async def test_retries_end_after_max_retries(make_rig: MakeRig) -> None:
    rig = await make_rig(*[[Overloaded("Busy.")]] * 9, max_retries=2)
    run = await rig.send(await rig.thread())
    await rig.execute()
    reply, state = await rig.reply(run), await rig.run(run)
    assert len(rig.provider.prompts) == 3
    assert (state["status"], state["attempt"]) == ("failed", 3)
    assert state["error"] == {"code": "overloaded", "message": "Busy.", "retryable": True}
    assert reply["error"] == state["error"]


@pytest.mark.parametrize("failure", [BadKey, Refusal, PromptTooLong])
@pytest.mark.parametrize("said", [(), ("Prices ",)])
async def test_what_cannot_be_retried_fails_at_once_and_keeps_the_text(
    make_rig: MakeRig, failure: Any, said: tuple[str, ...]
) -> None:
    rig = await make_rig([*said, failure("No.")])
    run = await rig.send(await rig.thread())
    await rig.execute()
    reply = await rig.reply(run)
    assert texts(reply) == list(said)
    assert (reply["status"], reply["error"]["code"]) == ("failed", failure.code)
    assert reply["error"]["retryable"] is False
    assert len(rig.provider.prompts) == 1


@pytest.mark.usefixtures("no_backoff")
async def test_silence_counts_as_a_failed_attempt(make_rig: MakeRig) -> None:
    rig = await make_rig(["Prices ", STALL], ["rose."], stall_timeout_s=0.05)
    run = await rig.send(await rig.thread())
    await rig.execute()
    assert texts(await rig.reply(run)) == ["Prices ", "rose."]
    assert rig.provider.active == 0  # the silent stream was left
    details = [getattr(e.body, "detail", None) for e in await rig.events(run.thread)]
    assert "stalled" in details


async def test_a_long_wait_holds_nothing_and_the_sweep_comes_back(make_rig: MakeRig) -> None:
    """L10: a waiting run has a time to wake, and no owner, task or memory."""
    rig = await make_rig([RateLimited("Later.", retry_after_s=60.0)], ["Prices rose."])
    await rig.engine.start()
    run = await rig.send(await rig.thread())
    await rig.until(lambda: not rig.engine.active and rig.provider.prompts)
    state = await rig.run(run)
    assert (state["status"], state["phase"]) == ("waiting", "retrying")
    assert state["wake_at"] == "2027-01-15T08:01:00.000Z"
    assert await rig.column(run, "owner") is None
    rig.clock.advance(59_000)
    await rig.engine.sweep.sweep()
    assert rig.engine.active == 0
    rig.clock.advance(2_000)
    rig.engine.sweep.nudge()
    state = await rig.ended(run)
    assert (state["status"], state["attempt"], state["wake_at"]) == ("completed", 2, None)
    assert await rig.column(run, "crashes") == 0
    assert await rig.column(run, "retries") == 1


# ---------------------------------------------------------------- stopping


async def start(rig: Rig) -> tuple[Execution, asyncio.Task[None]]:
    execution = Execution(rig.services, await rig.claim())
    return execution, asyncio.ensure_future(execution.run())


async def test_stop_before_the_first_token(make_rig: MakeRig) -> None:
    gate = Gate()
    rig = await make_rig([gate, "never"])
    run = await rig.send(await rig.thread())
    execution, task = await start(rig)
    await rig.bounded(gate.reached())
    execution.stop("cancelled")
    await rig.bounded(task)
    reply = await rig.reply(run)
    assert (reply["status"], reply["parts"], reply["error"]) == ("cancelled", [], None)
    assert rig.provider.left == 1
    assert rig.provider.active == 0


async def test_stop_before_the_provider_was_asked(make_rig: MakeRig) -> None:
    rig = await make_rig(["never"])
    run = await rig.send(await rig.thread())
    execution, task = await start(rig)
    execution.stop("cancelled")
    await rig.bounded(task)
    assert (await rig.run(run))["status"] == "cancelled"
    assert rig.provider.active == 0


async def test_stop_in_the_middle_keeps_every_character_received(make_rig: MakeRig) -> None:
    gate = Gate()
    rig = await make_rig(["Prices ", "ro", gate, "never"])
    run = await rig.send(await rig.thread())
    execution, task = await start(rig)
    await rig.bounded(gate.reached())
    execution.stop("cancelled")
    execution.stop("shutdown")  # the first word holds
    await rig.bounded(task)
    reply = await rig.reply(run)
    assert (reply["status"], reply["content"]) == ("cancelled", "Prices ro")


async def test_a_server_that_ends_leaves_its_run_due(make_rig: MakeRig) -> None:
    """L10: pending, without an owner, and no crash is counted when the next one takes it."""
    gate = Gate()
    rig = await make_rig(["Prices ", gate, "never"], ["rose."])
    run = await rig.send(await rig.thread())
    execution, task = await start(rig)
    await rig.bounded(gate.reached())
    execution.stop("shutdown")
    await rig.bounded(task)
    state = await rig.run(run)
    assert (state["status"], state["phase"]) == ("pending", "queued")
    assert await rig.column(run, "owner") is None
    await rig.execute()
    assert texts(await rig.reply(run)) == ["Prices ", "rose."]
    assert await rig.column(run, "crashes") == 0


async def test_stop_while_it_waits_for_a_retry(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute_module, "PROVIDER_BACKOFF", LONG_BACKOFF)
    rig = await make_rig(["Prices ", cut()], max_retries=5)
    run = await rig.send(await rig.thread())
    execution, task = await start(rig)
    await rig.until(lambda: any(getattr(e.body, "until", None) for e in rig.published))
    execution.stop("cancelled")
    await rig.bounded(task)
    reply = await rig.reply(run)
    assert (reply["status"], reply["content"]) == ("cancelled", "Prices ")


# ---------------------------------------------------------------- fencing


async def test_an_attempt_that_is_taken_away_while_it_waits_leaves_no_timer(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute_module, "PROVIDER_BACKOFF", LONG_BACKOFF)
    rig = await make_rig([Overloaded("Busy.")])
    await rig.send(await rig.thread())
    others = asyncio.all_tasks()
    _, task = await start(rig)
    await rig.until(lambda: any(getattr(e.body, "until", None) for e in rig.published))
    for _ in range(100):  # turns of the loop, until it waits
        await asyncio.sleep(0)
    assert asyncio.all_tasks() - others > {task}
    task.cancel()
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert asyncio.all_tasks() - others == set()


async def test_an_attempt_that_was_fenced_ends_without_a_word(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    """L4, L5: after a Stop from elsewhere not one event of the run follows."""
    gate = Gate()
    rig = await make_rig(["Prices ", gate, "never", "again"])
    run = await rig.send(await rig.thread())
    _, task = await start(rig)
    await rig.bounded(gate.reached())
    await rig.until(lambda: any(e.type == "delta" for e in rig.published))
    assert await rig.cancel(run)
    gate.open()
    await rig.bounded(task)
    assert (await rig.types(run))[-1] == "finalized"
    assert (await rig.reply(run))["content"] == "Prices "
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert rig.provider.active == 0  # and the provider is not read on


async def test_a_fenced_attempt_that_fails_writes_nothing_either(make_rig: MakeRig) -> None:
    """L5: a retry is a write like any other."""
    gate = Gate()
    rig = await make_rig([gate, Overloaded("Busy.")])
    run = await rig.send(await rig.thread())
    _, task = await start(rig)
    await rig.bounded(gate.reached())
    await rig.cancel(run)
    gate.open()
    await rig.bounded(task)
    assert (await rig.types(run))[-1] == "finalized"
    assert (await rig.run(run))["status"] == "cancelled"


# ---------------------------------------------------------------- inside

SECRET = "the patient is called Rumpelstiltskin"


async def test_an_unknown_exception_fails_the_run_and_logs_no_prompt(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    strange = ValueError(f"cannot do {SECRET!r}")
    strange.code = 17  # type: ignore[attr-defined]
    rig = await make_rig(["Prices ", strange])
    run = await rig.send(await rig.thread(), SECRET)
    await rig.execute()
    reply = await rig.reply(run)
    assert (reply["status"], reply["content"]) == ("failed", "Prices ")
    assert reply["error"]["code"] == "internal"
    assert reply["error"]["retryable"] is False
    assert not holds(str(reply["error"]), "Rumpelstiltskin")
    assert run.id in caplog.text
    assert "ValueError" in caplog.text
    assert "scripted.py" in caplog.text  # where it was raised
    assert not holds(caplog.text, "Rumpelstiltskin")


async def test_what_the_database_cannot_take_fails_its_own_run(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    """The batch is given up, the run's end is still written."""
    call = ToolCallChunk(tool_call_id="c", name="sql", input={SECRET: {1, 2}})  # a set: no JSON
    rig = await make_rig(["Prices ", call, "more"])
    run = await rig.send(await rig.thread())
    await rig.execute()
    reply = await rig.reply(run)
    assert (reply["status"], reply["error"]["code"]) == ("failed", "internal")
    assert not holds(caplog.text, "Rumpelstiltskin")


async def test_a_model_that_is_gone_fails_the_run(make_rig: MakeRig) -> None:
    rig = await make_rig()
    run = await rig.send(await rig.thread(), model="elsewhere/model")
    await rig.execute()
    assert (await rig.run(run))["error"]["code"] == "no_such_model"
