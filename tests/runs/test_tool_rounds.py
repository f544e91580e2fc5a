"""Rounds of tool calls: when they end, what they count, and how an answer goes on after them."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import ToolResultChunk
from jupyter_chat_stream.runs import toolset
from jupyter_chat_stream.runs.tools.base import ServerTools
from jupyter_chat_stream.shared.errors import (
    StreamCut,
    ToolCallNotOpen,
)
from jupyter_chat_stream.shared.parts import NOT_MADE
from jupyter_chat_stream.store.front import Sender
from jupyter_chat_stream.testing import ScriptedProvider
from tests.fixtures import MakeHarness
from tests.runs.calls import (
    ROUND,
    CountingTool,
    Executor,
    begun,
    call,
    offer,
    results,
    tool,
)


async def test_a_stream_that_was_cut_after_a_call_counts_as_a_round(
    make_harness: MakeHarness, no_backoff: None
) -> None:
    """L12: the call is in the log, so it is made, and the model goes on from its result."""
    harness = await make_harness(
        provider=ScriptedProvider(
            ["I look. ", call("c1", "look"), StreamCut("cut")], ["And ", "so."]
        ),
        on_crash="restart",
    )
    thread = await harness.thread()
    await offer(harness, thread, tool("look"))
    await harness.send(thread)
    run = await harness.execute()
    await Executor(harness, run).make("c1", "seen")
    await harness.execute()
    reply = await harness.reply(run)
    assert (reply["status"], reply["content"]) == ("completed", "I look. \n\nAnd so.")
    assert len(harness.provider.prompts) == 2


async def test_a_call_that_the_provider_makes_itself_is_none_of_ours_whatever_its_name(
    make_harness: MakeHarness,
) -> None:
    """L12: beside tools of ours, and even under the name of one."""
    hosted = [
        replace(call(f"h{n}", name), is_hosted=True) for n, name in enumerate(("web", "look"))
    ]
    found = [ToolResultChunk(tool_call_id="h0", name="web", success=True, output="news")]
    harness, _, run = await begun(make_harness, [*hosted, *found, "So."], tools=[tool("look")])
    reply = await harness.reply(run)
    assert (reply["status"], reply["content"]) == ("completed", "So.")
    calls = [part for part in reply["parts"] if part["kind"] == "tool_call"]
    assert [part["name"] for part in calls] == ["web", "look"]
    assert not any("where" in part for part in calls)
    assert len(harness.provider.prompts) == 1


@pytest.mark.parametrize("where", ["server", "kernel"])
async def test_failures_of_one_round_do_not_count_in_the_next(
    make_harness: MakeHarness, no_backoff: None, where: str
) -> None:
    """L10: each round has its own retries, in the same attempt and in a later one."""
    cut = [StreamCut("cut")]
    harness = await make_harness(
        provider=ScriptedProvider(cut, [call("c1", "look"), ROUND], cut, ["Done."]),
        max_retries=1,
    )
    look = (CountingTool("look"),) if where == "server" else ()
    harness.services = replace(harness.services, tools=ServerTools(*look))
    thread = await harness.thread()
    names = {"mode": "ask", "names": ["look"]}
    await harness.chat_store.threads.change("local", thread.id, {"tools": names})
    if where == "kernel":
        await offer(harness, thread, tool("look"))
    await harness.send(thread)
    run = await harness.execute()
    if where == "kernel":
        assert await harness.column(run, "retries") == 0
        await Executor(harness, run).make("c1", "seen")
        await harness.execute()
    reply = await harness.reply(run)
    assert (reply["status"], reply["content"]) == ("completed", "Done.")


async def test_usage_is_the_sum_of_all_rounds_also_of_a_stopped_answer(
    make_harness: MakeHarness,
) -> None:
    harness, thread, run = await begun(
        make_harness, [call("c1", "look")], [call("c2", "look")], tools=[tool("look")]
    )
    kernel = Executor(harness, run)
    await kernel.make("c1", 1)
    await harness.execute()
    await kernel.make("c2", 2)
    await harness.execute()
    assert (await harness.reply(run))["usage"]["input_tokens"] == 10 + 10 + 1
    harness.provider.add([call("d1", "look"), ROUND])
    await harness.send(thread)
    stopped = await harness.execute()
    await harness.cancel(stopped)
    assert (await harness.reply(stopped))["usage"]["output_tokens"] == 4


async def test_an_answer_ends_with_a_note_after_too_many_rounds(make_harness: MakeHarness) -> None:
    rounds = [[call(f"c{n}", "look")] for n in range(9)]
    look = CountingTool("look")
    harness, _, run = await begun(
        make_harness,
        *rounds,
        server=[look],
        thread_tools={"mode": "ask", "names": ["look"]},
        max_tool_rounds=3,
    )
    reply = await harness.reply(run)
    assert reply["status"] == "completed"
    assert "3 times in a row" in reply["parts"][-1]["text"]
    assert len(look.calls) == 3


async def test_an_answer_that_had_too_many_rounds_can_be_continued(
    make_harness: MakeHarness,
) -> None:
    """L14: the model is told that the call beyond the bound was not made."""
    look = CountingTool("look")
    harness, _, run = await begun(
        make_harness,
        *([call(f"c{n}", "look")] for n in range(4)),
        server=[look],
        thread_tools={"mode": "ask", "names": ["look"]},
        max_tool_rounds=2,
    )
    assert len(look.calls) == 2
    await harness.chat_store.runs.succeed(Sender(owner="local"), run.id, keep_parts=True)
    continued = await harness.execute()
    reply = await harness.reply(continued)
    assert (reply["status"], reply["content"]) == ("completed", "Done.")
    assert [part["kind"] for part in reply["parts"]].count("note") == 1
    found = await results(harness, continued)
    assert (found["c2"]["success"], found["c2"]["output"]) == (False, NOT_MADE)
    assert found["c3"]["output"] == "seen"
    assert len(look.calls) == 3


async def test_inputs_are_checked_beside_the_event_loop(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schema of an executor may take a while; other answers go on meanwhile."""
    checked_in: list[int] = []
    check = toolset.schema_misfit

    def noted(*given: Any) -> str | None:
        checked_in.append(threading.get_ident())
        return check(*given)

    monkeypatch.setattr(toolset, "schema_misfit", noted)
    await begun(make_harness, [call("c1", "look")], tools=[tool("look")])
    assert checked_in
    assert threading.get_ident() not in checked_in


async def test_a_run_that_continues_another_makes_none_of_its_open_calls(
    make_harness: MakeHarness,
) -> None:
    """L14: the other's call may have begun; the model is told so, and answers on."""
    harness, _, run = await begun(make_harness, [call("c1", "train")], tools=[tool("train", "run")])
    kernel = Executor(harness, run)
    await kernel.answer("once")
    await harness.execute()
    await kernel.claim("c1")
    await harness.cancel(run)
    with pytest.raises(ToolCallNotOpen) as refused:
        await kernel.result("c1", "too late")
    assert refused.value.facts["state"] == "ended"
    sender = Sender(owner="local")
    await harness.chat_store.runs.succeed(sender, run.id, keep_parts=True)
    continued = await harness.execute()
    assert (await harness.reply(continued))["status"] == "completed"
    assert (await results(harness, continued))["c1"]["reason"] == "interrupted"
    with pytest.raises(ToolCallNotOpen):
        await Executor(harness, continued).claim("c1")
