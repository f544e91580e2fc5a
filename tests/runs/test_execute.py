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
from jupyter_chat_stream.runs import retries as retries_module
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
from tests.fixtures import MakeHarness
from tests.run_harness import RunHarness, holds, texts

CUT = EndChunk(stop_reason="end_turn", model="m", usage={})

LONG_BACKOFF = Backoff(first_s=4.5, max_s=4.5)  # waited in place, and long for a test


def cut() -> StreamCut:
    return StreamCut("The stream ended without its end.")


async def test_an_answer_streams_and_completes(make_harness: MakeHarness) -> None:
    harness = await make_harness([ReasoningChunk(text="Hm."), "Prices ", "rose."])
    run = await harness.send(await harness.thread())
    await harness.execute()
    reply = await harness.reply(run)
    assert texts(reply) == ["Hm.", "Prices rose."]
    assert reply["content"] == "Prices rose."
    assert (reply["status"], reply["stop_reason"]) == ("completed", "end_turn")
    assert reply["usage"]["output_tokens"] == 1
    state = await harness.run(run)
    assert (state["status"], state["phase"], state["attempt"]) == ("completed", None, 1)
    types = await harness.types(run)
    assert types[:2] == ["message", "thinking"]
    assert types[-2:] == ["complete", "finalized"]
    assert "building" in types


async def test_the_end_is_one_transaction(make_harness: MakeHarness) -> None:
    """L4: complete, finalized, status and row together; no reader sees one without the others."""
    harness = await make_harness(["Prices rose."])
    seen: list[tuple[list[str], str, str]] = []

    def look(events: Any) -> None:
        types = [event.type for event in events]
        if {"complete", "finalized"} & set(types):
            row = harness.store.read_now(
                lambda conn: conn.exec_driver_sql(
                    "SELECT run.status, message.status FROM run JOIN message ON "
                    "message.pk = run.message"
                ).one()
            )
            seen.append((types, row[0], row[1]))

    harness.store.listen(look)
    run = await harness.send(await harness.thread())
    await harness.execute()
    assert seen == [(["complete", "finalized"], "completed", "completed")]
    assert (await harness.column(run, "owner")) is None


async def test_the_run_keeps_its_owner_until_its_end(make_harness: MakeHarness) -> None:
    """L5, L10: between its last text and its end nobody else may take it for left behind."""
    harness = await make_harness(["Prices ", "rose."])
    released: list[bool] = []
    append = harness.store.append

    def watch(operation: Append) -> None:
        released.append(operation.release)
        append(operation)

    harness.store.append = watch  # type: ignore[method-assign]
    run = await harness.send(await harness.thread())
    await harness.execute()
    assert released[-1] is True
    assert not any(released[:-1])
    assert await harness.column(run, "owner") is None


async def test_tools_pass_through_as_events(make_harness: MakeHarness) -> None:
    harness = await make_harness(
        [
            "Look: ",
            ToolInputChunk(tool_call_id="c", name="sql", text='{"q":'),
            ToolInputChunk(tool_call_id="c", name="sql", text="1}"),
            ToolCallChunk(tool_call_id="c", name="sql", input={"q": 1}),
            EndChunk(stop_reason="tool_use", model="m", usage={}),
        ]
    )
    run = await harness.send(await harness.thread())
    await harness.execute()
    reply = await harness.reply(run)
    assert reply["stop_reason"] == "tool_use"
    assert reply["parts"] == [
        {"kind": "text", "text": "Look: "},
        {"kind": "tool_call", "tool_call_id": "c", "name": "sql", "input": {"q": 1}},
    ]


async def test_an_empty_answer_completes(make_harness: MakeHarness) -> None:
    harness = await make_harness([CUT])
    run = await harness.send(await harness.thread())
    await harness.execute()
    reply = await harness.reply(run)
    assert (reply["status"], reply["parts"], reply["content"]) == ("completed", [], "")


# ---------------------------------------------------------------- failures of the provider


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("failure", [Overloaded, ProviderDown, RateLimited, StreamCut])
async def test_a_failure_before_any_text_is_tried_again(
    make_harness: MakeHarness, failure: Any
) -> None:
    harness = await make_harness([failure("Not now.")], [failure("Not now.")], ["Prices rose."])
    run = await harness.send(await harness.thread())
    await harness.execute()
    reply, state = await harness.reply(run), await harness.run(run)
    assert texts(reply) == ["Prices rose."]
    assert (state["status"], state["attempt"], state["error"]) == ("completed", 3, None)
    assert await harness.column(run, "retries") == 2
    assert (await harness.types(run))[:6] == [
        "message",
        "thinking",
        "retrying",
        "thinking",
        "retrying",
        "thinking",
    ]


@pytest.mark.usefixtures("no_backoff")
async def test_after_a_cut_the_answer_goes_on_in_a_new_part(make_harness: MakeHarness) -> None:
    """on_crash=continue: the model is given what is there, and says the rest."""
    harness = await make_harness(["Prices ", cut()], ["rose."])
    run = await harness.send(await harness.thread())
    await harness.execute()
    reply = await harness.reply(run)
    assert texts(reply) == ["Prices ", "rose."]
    assert reply["content"] == "Prices rose."
    assert [prompt.partial for prompt in harness.provider.prompts] == ["", "Prices "]
    assert "continuing" in await harness.types(run)
    complete = next(e for e in await harness.events(run.thread) if e.type == "complete")
    assert getattr(complete.body, "content", None) == "Prices rose."


@pytest.mark.usefixtures("no_backoff")
async def test_a_stream_that_just_ends_was_cut(make_harness: MakeHarness) -> None:
    """An SDK may end silently where the answer did not: only an EndChunk is an end."""

    harness = await make_harness()

    async def stream(prompt: Any) -> Any:
        harness.provider.prompts.append(prompt)
        yield TextChunk(text="Prices ")
        if len(harness.provider.prompts) == 2:
            yield CUT

    harness.provider.stream = stream  # type: ignore[method-assign]
    run = await harness.send(await harness.thread())
    await harness.execute()
    assert texts(await harness.reply(run)) == ["Prices ", "Prices "]
    retrying = [e.body for e in await harness.events(run.thread) if e.type == "status"]
    assert [s.detail for s in retrying if isinstance(s, StatusChanged) and s.until] == [
        "stream_cut"
    ]


@pytest.mark.usefixtures("no_backoff")
async def test_on_crash_restart_empties_the_answer_first(make_harness: MakeHarness) -> None:
    harness = await make_harness(["Prices ", cut()], ["Rose."], on_crash="restart")
    run = await harness.send(await harness.thread())
    await harness.execute()
    reply = await harness.reply(run)
    assert texts(reply) == ["Rose."]
    assert [prompt.partial for prompt in harness.provider.prompts] == ["", ""]
    assert (await harness.types(run)).count("message") == 2


@pytest.mark.usefixtures("no_backoff")
async def test_on_crash_interrupt_keeps_the_text_and_says_so(make_harness: MakeHarness) -> None:
    harness = await make_harness(["Prices ", cut()], on_crash="interrupt")
    run = await harness.send(await harness.thread())
    await harness.execute()
    reply, state = await harness.reply(run), await harness.run(run)
    assert texts(reply) == ["Prices "]
    assert (reply["status"], state["status"]) == ("interrupted", "interrupted")
    assert reply["error"]["code"] == "stream_cut"
    assert len(harness.provider.prompts) == 1


@pytest.mark.usefixtures("no_backoff")
async def test_on_crash_interrupt_still_retries_before_any_text(make_harness: MakeHarness) -> None:
    harness = await make_harness([cut()], ["Prices rose."], on_crash="interrupt")
    run = await harness.send(await harness.thread())
    await harness.execute()
    assert (await harness.run(run))["status"] == "completed"


@pytest.mark.usefixtures("no_backoff")
async def test_retries_end_after_max_retries(make_harness: MakeHarness) -> None:
    harness = await make_harness(*[[Overloaded("Busy.")]] * 9, max_retries=2)
    run = await harness.send(await harness.thread())
    await harness.execute()
    reply, state = await harness.reply(run), await harness.run(run)
    assert len(harness.provider.prompts) == 3
    assert (state["status"], state["attempt"]) == ("failed", 3)
    assert state["error"] == {"code": "overloaded", "message": "Busy.", "retryable": True}
    assert reply["error"] == state["error"]


@pytest.mark.parametrize("failure", [BadKey, Refusal, PromptTooLong])
@pytest.mark.parametrize("said", [(), ("Prices ",)])
async def test_what_cannot_be_retried_fails_at_once_and_keeps_the_text(
    make_harness: MakeHarness, failure: Any, said: tuple[str, ...]
) -> None:
    harness = await make_harness([*said, failure("No.")])
    run = await harness.send(await harness.thread())
    await harness.execute()
    reply = await harness.reply(run)
    assert texts(reply) == list(said)
    assert (reply["status"], reply["error"]["code"]) == ("failed", failure.code)
    assert reply["error"]["retryable"] is False
    assert len(harness.provider.prompts) == 1


@pytest.mark.usefixtures("no_backoff")
async def test_silence_counts_as_a_failed_attempt(make_harness: MakeHarness) -> None:
    harness = await make_harness(["Prices ", STALL], ["rose."], stall_timeout_s=0.05)
    run = await harness.send(await harness.thread())
    await harness.execute()
    assert texts(await harness.reply(run)) == ["Prices ", "rose."]
    assert harness.provider.active == 0  # the silent stream was left
    details = [getattr(e.body, "detail", None) for e in await harness.events(run.thread)]
    assert "stalled" in details


async def test_a_long_wait_holds_nothing_and_the_sweep_comes_back(
    make_harness: MakeHarness,
) -> None:
    """L10: a waiting run has a time to wake, and no owner, task or memory."""
    harness = await make_harness([RateLimited("Later.", retry_after_s=60.0)], ["Prices rose."])
    await harness.engine.start()
    run = await harness.send(await harness.thread())
    await harness.until(lambda: not harness.engine.active and harness.provider.prompts)
    state = await harness.run(run)
    assert (state["status"], state["phase"]) == ("waiting", "retrying")
    assert state["wake_at"] == "2027-01-15T08:01:00.000Z"
    assert await harness.column(run, "owner") is None
    harness.clock.advance(59_000)
    await harness.engine.sweep.sweep()
    assert harness.engine.active == 0
    harness.clock.advance(2_000)
    harness.engine.sweep.nudge()
    state = await harness.ended(run)
    assert (state["status"], state["attempt"], state["wake_at"]) == ("completed", 2, None)
    assert await harness.column(run, "crashes") == 0
    assert await harness.column(run, "retries") == 1


# ---------------------------------------------------------------- stopping


async def start(harness: RunHarness) -> tuple[Execution, asyncio.Task[None]]:
    execution = Execution(harness.services, await harness.claim())
    return execution, asyncio.ensure_future(execution.run())


async def test_stop_before_the_first_token(make_harness: MakeHarness) -> None:
    gate = Gate()
    harness = await make_harness([gate, "never"])
    run = await harness.send(await harness.thread())
    execution, task = await start(harness)
    await harness.bounded(gate.reached())
    execution.stop("cancelled")
    await harness.bounded(task)
    reply = await harness.reply(run)
    assert (reply["status"], reply["parts"], reply["error"]) == ("cancelled", [], None)
    assert harness.provider.unfinished == 1
    assert harness.provider.active == 0


async def test_stop_before_the_provider_was_asked(make_harness: MakeHarness) -> None:
    harness = await make_harness(["never"])
    run = await harness.send(await harness.thread())
    execution, task = await start(harness)
    execution.stop("cancelled")
    await harness.bounded(task)
    assert (await harness.run(run))["status"] == "cancelled"
    assert harness.provider.active == 0


async def test_stop_while_the_provider_is_asked_for_its_model(make_harness: MakeHarness) -> None:
    """A server that does not answer must not hold a Stop back."""
    harness = await make_harness(["never"])
    asked = asyncio.Event()

    async def look_up(model_id: str) -> Any:
        asked.set()
        await asyncio.get_running_loop().create_future()

    harness.services.registry.look_up = look_up  # type: ignore[method-assign]
    run = await harness.send(await harness.thread())
    execution, task = await start(harness)
    await harness.bounded(asked.wait())
    execution.stop("cancelled")
    await harness.bounded(task)
    assert (await harness.run(run))["status"] == "cancelled"


async def test_stop_in_the_middle_keeps_every_character_received(make_harness: MakeHarness) -> None:
    gate = Gate()
    harness = await make_harness(["Prices ", "ro", gate, "never"])
    run = await harness.send(await harness.thread())
    execution, task = await start(harness)
    await harness.bounded(gate.reached())
    execution.stop("cancelled")
    execution.stop("shutdown")  # the first word holds
    await harness.bounded(task)
    reply = await harness.reply(run)
    assert (reply["status"], reply["content"]) == ("cancelled", "Prices ro")


async def test_a_server_that_ends_leaves_its_run_due(make_harness: MakeHarness) -> None:
    """L10: pending, without an owner, and no crash is counted when the next one takes it."""
    gate = Gate()
    harness = await make_harness(["Prices ", gate, "never"], ["rose."])
    run = await harness.send(await harness.thread())
    execution, task = await start(harness)
    await harness.bounded(gate.reached())
    execution.stop("shutdown")
    await harness.bounded(task)
    state = await harness.run(run)
    assert (state["status"], state["phase"]) == ("pending", "queued")
    assert await harness.column(run, "owner") is None
    await harness.execute()
    assert texts(await harness.reply(run)) == ["Prices ", "rose."]
    assert await harness.column(run, "crashes") == 0


async def test_stop_while_it_waits_for_a_retry(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries_module, "PROVIDER_BACKOFF", LONG_BACKOFF)
    harness = await make_harness(["Prices ", cut()], max_retries=5)
    run = await harness.send(await harness.thread())
    execution, task = await start(harness)
    await harness.until(lambda: any(getattr(e.body, "until", None) for e in harness.published))
    execution.stop("cancelled")
    await harness.bounded(task)
    reply = await harness.reply(run)
    assert (reply["status"], reply["content"]) == ("cancelled", "Prices ")


# ---------------------------------------------------------------- fencing


async def test_an_attempt_that_is_taken_away_while_it_waits_leaves_no_timer(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries_module, "PROVIDER_BACKOFF", LONG_BACKOFF)
    harness = await make_harness([Overloaded("Busy.")])
    await harness.send(await harness.thread())
    others = asyncio.all_tasks()
    _, task = await start(harness)
    await harness.until(lambda: any(getattr(e.body, "until", None) for e in harness.published))
    for _ in range(100):  # iterations of the event loop, until it waits
        await asyncio.sleep(0)
    assert asyncio.all_tasks() - others > {task}
    task.cancel()
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert asyncio.all_tasks() - others == set()


async def test_an_attempt_that_was_fenced_ends_without_a_word(
    make_harness: MakeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """L4, L5: after a Stop from elsewhere not one event of the run follows."""
    gate = Gate()
    harness = await make_harness(["Prices ", gate, "never", "again"])
    run = await harness.send(await harness.thread())
    _, task = await start(harness)
    await harness.bounded(gate.reached())
    await harness.until(lambda: any(e.type == "delta" for e in harness.published))
    assert await harness.cancel(run)
    gate.open()
    await harness.bounded(task)
    assert (await harness.types(run))[-1] == "finalized"
    assert (await harness.reply(run))["content"] == "Prices "
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert harness.provider.active == 0  # and the provider is not read on


async def test_a_fenced_attempt_that_fails_writes_nothing_either(make_harness: MakeHarness) -> None:
    """L5: a retry is a write like any other."""
    gate = Gate()
    harness = await make_harness([gate, Overloaded("Busy.")])
    run = await harness.send(await harness.thread())
    _, task = await start(harness)
    await harness.bounded(gate.reached())
    await harness.cancel(run)
    gate.open()
    await harness.bounded(task)
    assert (await harness.types(run))[-1] == "finalized"
    assert (await harness.run(run))["status"] == "cancelled"


# ---------------------------------------------------------------- inside

SECRET = "the patient is called Rumpelstiltskin"


async def test_an_unknown_exception_fails_the_run_and_logs_no_prompt(
    make_harness: MakeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    strange = ValueError(f"cannot do {SECRET!r}")
    strange.code = 17  # type: ignore[attr-defined]
    harness = await make_harness(["Prices ", strange])
    run = await harness.send(await harness.thread(), SECRET)
    await harness.execute()
    reply = await harness.reply(run)
    assert (reply["status"], reply["content"]) == ("failed", "Prices ")
    assert reply["error"]["code"] == "internal"
    assert reply["error"]["retryable"] is False
    assert not holds(str(reply["error"]), "Rumpelstiltskin")
    assert run.id in caplog.text
    assert "ValueError" in caplog.text
    assert "scripted.py" in caplog.text  # where it was raised
    assert not holds(caplog.text, "Rumpelstiltskin")


async def test_what_the_database_cannot_take_fails_its_own_run(
    make_harness: MakeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """The batch is given up, the run's end is still written."""
    call = ToolCallChunk(tool_call_id="c", name="sql", input={SECRET: {1, 2}})  # a set: no JSON
    harness = await make_harness(["Prices ", call, "more"])
    run = await harness.send(await harness.thread())
    await harness.execute()
    reply = await harness.reply(run)
    assert (reply["status"], reply["error"]["code"]) == ("failed", "internal")
    assert not holds(caplog.text, "Rumpelstiltskin")


async def test_a_model_that_is_gone_fails_the_run(make_harness: MakeHarness) -> None:
    harness = await make_harness()
    run = await harness.send(await harness.thread(), model="elsewhere/model")
    await harness.execute()
    assert (await harness.run(run))["error"]["code"] == "no_such_model"
