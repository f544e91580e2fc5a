"""Executors of tool calls: claims, leases, expiry, and processes that die or freeze (L12, L14)."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Any

import pytest

from jupyter_chat_stream.shared.errors import (
    ConsentNeeded,
    InvalidInput,
    ToolCallNotOpen,
    ToolOutputTooLarge,
)
from jupyter_chat_stream.shared.events import iso
from jupyter_chat_stream.store.audit import verify
from tests.fixtures import MakeHarness
from tests.runs.calls import (
    Executor,
    begun,
    call,
    columns,
    offer,
    results,
    tool,
)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Where the harness keeps its threads: both databases obey the same laws."""
    if request.param == "sqlite":
        return {}
    return {"url": request.getfixturevalue("postgres_url")}


@pytest.mark.parametrize(
    ("tampering", "told"),
    [
        ("UPDATE tool_call SET state = 'claimed'", "L12: the state of a tool call differs"),
        ("UPDATE tool_call SET state = 'ended'", "L12: the state of a tool call differs"),
        ("UPDATE tool_call SET expires_ms = 5", "the expiry of a tool call differs"),
        ("UPDATE tool_call SET tool_call_id = 'c2'", "L12: no event of the log made"),
        ("DELETE FROM tool_call", "L10: the row of an open tool call is gone"),
    ],
)
async def test_check_finds_a_row_of_a_call_that_differs_from_the_log(
    make_harness: MakeHarness, tampering: str, told: str
) -> None:
    """L12: the row fences the call, so a wrong row could let it be made twice, or never."""
    harness, thread, _ = await begun(make_harness, [call("c1", "look")], tools=[tool("look")])
    await harness.store.write(lambda tx: tx.execute(tampering))
    found = await harness.store.read(lambda conn: [str(each) for each in verify(conn)])
    assert any(told in each for each in found), found
    assert all(thread.id in each for each in found)
    harness.expected_damage = found


async def test_check_finds_rows_of_calls_whose_run_has_ended(make_harness: MakeHarness) -> None:
    """L12: the end of a run takes them along."""
    harness, _, run = await begun(make_harness, [call("c1", "look")], tools=[tool("look")])
    row = await harness.store.read(
        lambda conn: dict(conn.exec_driver_sql("SELECT * FROM tool_call").mappings().one())
    )
    await harness.cancel(run)
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    sql = f"INSERT INTO tool_call ({columns}) VALUES ({values})"
    await harness.store.write(lambda tx: tx.execute(sql, row))
    found = await harness.store.read(lambda conn: [str(each) for each in verify(conn)])
    assert [each.split(": ", 2)[2] for each in found] == ["L12: rows of its tool calls are left"]
    harness.expected_damage = found


async def test_a_call_waits_for_an_executor_and_its_result_makes_the_run_due(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L10, L12: nobody holds the run meanwhile, and the model goes on with the result."""
    harness, _, run = await begun(
        make_harness, ["I look. ", call("c1", "look", at="df")], tools=[tool("look")], **database
    )
    assert await columns(harness, run) == ("waiting", None)
    rows = f"(SELECT COUNT(*) FROM tool_call WHERE run = {run.pk})"
    assert await harness.column(run, rows) == 1
    assert (await harness.run(run))["wake_at"] == iso(harness.clock() + 86_400_000)
    kernel = Executor(harness, run)
    await kernel.claim("c1")
    await kernel.write("c1", 0, "half ")
    await kernel.write("c1", 0, "half ")  # sent again: its answer was lost
    await kernel.write("c1", 1, "done")
    ended = await kernel.result("c1", {"rows": 3})
    assert ended["status"] == "pending"
    assert await harness.execute() == run
    reply = await harness.reply(run)
    assert reply["status"] == "completed"
    assert reply["content"] == "I look. \n\nDone."
    assert await harness.column(run, rows) == 0  # they go with the run's end
    part = reply["parts"][1]
    assert (part["progress"], part["executor"]) == ("half done", "kernel of a.ipynb")
    assert (part["allowed"]["consent"], part["allowed"]["by"]) == ("none", None)
    assert (await results(harness, run))["c1"]["output"] == {"rows": 3}


async def test_of_two_executors_one_makes_the_call(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L12: the other is told who was first."""
    harness, _, run = await begun(
        make_harness, [call("c1", "look")], tools=[tool("look")], **database
    )
    first, second = Executor(harness, run), Executor(harness, run, "kernel of b.ipynb")
    await first.claim("c1")
    with pytest.raises(ToolCallNotOpen) as refused:
        await second.claim("c1")
    assert refused.value.facts["state"] == "claimed"
    assert refused.value.facts["executor"] == "kernel of a.ipynb"
    await first.result("c1", "seen")
    with pytest.raises(ToolCallNotOpen) as refused:
        await second.claim("c1")
    assert refused.value.facts["result"] == {"success": True, "output": "seen"}


async def test_an_executor_that_froze_can_write_nothing_after_it_thawed(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L12, L14: its lease is over, so the model is told that the call was interrupted."""
    harness, _, run = await begun(
        make_harness, [call("c1", "look")], tools=[tool("look")], **database
    )
    frozen = Executor(harness, run)
    await frozen.claim("c1")
    harness.clock.advance(20_000)
    await frozen.renew("c1")
    harness.clock.advance(31_000)
    for late in (frozen.renew("c1"), frozen.write("c1", 0, "x"), frozen.result("c1", "late")):
        with pytest.raises(ToolCallNotOpen):
            await late
    await harness.execute()  # the lease made the run due
    ended = (await results(harness, run))["c1"]
    assert (ended["success"], ended["reason"]) == (False, "interrupted")
    with pytest.raises(ToolCallNotOpen) as refused:
        await frozen.result("c1", "later")
    assert refused.value.facts["state"] == "ended"


async def test_an_idempotent_call_is_open_again_when_its_executor_has_died(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L14"""
    harness, _, run = await begun(
        make_harness, [call("c1", "look")], tools=[tool("look", idempotent=True)], **database
    )
    dead, alive = Executor(harness, run), Executor(harness, run, "kernel of b.ipynb")
    await dead.claim("c1")
    harness.clock.advance(31_000)
    await harness.execute()
    assert (await harness.reply(run))["parts"][0]["executor"] is None
    await alive.claim("c1")
    with pytest.raises(ToolCallNotOpen):
        await dead.result("c1", "from the dead")
    await alive.result("c1", "alive")
    await harness.execute()
    assert (await results(harness, run))["c1"]["output"] == "alive"


@pytest.mark.parametrize("effect", ["read", "run"])
async def test_a_call_that_nobody_allows_or_makes_expires_and_the_answer_goes_on(
    make_harness: MakeHarness, effect: str
) -> None:
    """L10: the run wakes by itself; an unanswered consent fails the call, not the run."""
    harness, _, run = await begun(
        make_harness, [call("c1", "slow")], tools=[tool("slow", effect)], tool_expires_s=60.0
    )
    harness.clock.advance(61_000)
    with pytest.raises((ToolCallNotOpen, ConsentNeeded)):
        await Executor(harness, run).claim("c1")
    await harness.execute()
    ended = (await results(harness, run))["c1"]
    assert (ended["success"], ended["reason"]) == (False, "expired")
    assert (await harness.reply(run))["status"] == "completed"


@pytest.mark.parametrize("idempotent", [False, True])
async def test_a_call_that_is_still_being_made_expires_and_its_late_result_is_refused(
    database: dict[str, Any], make_harness: MakeHarness, idempotent: bool
) -> None:
    """L10, L12: an executor that renews its claim for ever does not hold the answer for ever."""
    harness, _, run = await begun(
        make_harness,
        [call("c1", "slow")],
        tools=[tool("slow", idempotent=idempotent)],
        tool_expires_s=60.0,
        **database,
    )
    kernel = Executor(harness, run)
    expires_at = (await harness.reply(run))["parts"][0]["expires_at"]
    await kernel.claim("c1")
    for _ in range(2):
        harness.clock.advance(25_000)
        renewed = await kernel.renew("c1")
    assert renewed["until"] == expires_at
    harness.clock.advance(10_000)
    for late in (kernel.renew("c1"), kernel.write("c1", 0, "x"), kernel.result("c1", "late")):
        with pytest.raises(ToolCallNotOpen):
            await late
    assert await harness.execute() == run
    ended = (await results(harness, run))["c1"]
    assert (ended["success"], ended["reason"]) == (False, "expired")
    assert "may have been made" in ended["output"]
    assert (await harness.reply(run))["status"] == "completed"


async def test_output_and_results_are_bounded(make_harness: MakeHarness) -> None:
    """A megabyte of output is cut with a sentence; such a result is refused with its code."""
    harness, _, run = await begun(make_harness, [call("c1", "look")], tools=[tool("look")])
    kernel = Executor(harness, run)
    await kernel.claim("c1")
    for n in range(4):
        await kernel.write("c1", n, "é" * 131_000)
    with pytest.raises(InvalidInput):
        await kernel.write("c1", 9, "a piece is missing before")
    progress = (await harness.reply(run))["parts"][0]["progress"]
    assert progress.endswith("[The rest of the output is not kept.]")
    assert len(progress.encode()) < 257 * 1024
    with pytest.raises(ToolOutputTooLarge) as refused:
        await kernel.result("c1", "x" * 2**20)
    assert refused.value.code == "tool_output_too_large"
    await kernel.result("c1", "<script>alert(1)</script>")
    assert (await results(harness, run))["c1"]["output"] == "<script>alert(1)</script>"


# What two kernels with one tool do before the call expires, after 60 s: whether the call may be
# made again, the steps by their seconds, and the one result. A step with "refused" is a 409.
STORIES = {
    "a holds its claim": (
        False,
        {0: "a claims", 28: "a renews", 55: "b claims: refused"},
        "expired",
    ),
    "a is given up": (
        False,
        {0: "a claims", 31: "review", 40: "b claims: refused", 41: "a ends: refused"},
        "interrupted",
    ),
    "b takes over and freezes, too": (
        True,
        {0: "a claims", 31: "review", 40: "b claims", 41: "a ends: refused"},
        "expired",
    ),
    "nobody looks before": (True, {0: "a claims", 31: "a ends: refused"}, "expired"),
    "b takes over and makes the call": (
        True,
        {0: "a claims", 31: "review", 40: "b claims", 50: "b ends"},
        "b",
    ),
}


@pytest.mark.parametrize("story", STORIES)
async def test_of_two_kernels_with_one_tool_none_counts_after_the_call_has_expired(
    database: dict[str, Any], make_harness: MakeHarness, story: str
) -> None:
    """L10, L12: one has frozen with its claim; the call has one result, and the run goes on."""
    idempotent, steps, end = STORIES[story]
    look = tool("look", idempotent=idempotent)
    harness, thread, run = await begun(
        make_harness, [call("c1", "look")], tools=[look], tool_expires_s=60.0, **database
    )
    await offer(harness, thread, look, executor="k2")
    kernels = {"a": Executor(harness, run), "b": Executor(harness, run, "kernel of b.ipynb")}
    began_ms, claimed = harness.clock(), set()
    for at_s, step in steps.items():
        harness.clock.advance(began_ms + at_s * 1000 - harness.clock())
        if step == "review":
            await harness.execute()
            continue
        words, _, refusal = step.partition(": ")
        name, verb = words.split()
        with pytest.raises(ToolCallNotOpen) if refusal else nullcontext():
            await act(kernels[name], verb)
        claimed |= {name} if verb == "claims" and not refusal else set()
    harness.clock.advance(began_ms + 61_000 - harness.clock())
    late = [act(kernels[name], "ends") for name in claimed]
    late += [act(kernel, "claims") for kernel in kernels.values()]
    has_ended = (await harness.run(run))["status"] == "completed"
    going_on = [] if has_ended else [harness.execute()]
    found = await asyncio.gather(*late, *going_on, return_exceptions=True)
    assert [type(each) for each in found[: len(late)]] == [ToolCallNotOpen] * len(late)
    result = (await results(harness, run))["c1"]
    assert end in (result.get("reason"), result["output"])
    reply = await harness.reply(run)
    assert (reply["status"], reply["content"]) == ("completed", "Done.")


async def act(kernel: Executor, verb: str) -> None:
    if verb == "claims":
        await kernel.claim("c1")
    elif verb == "renews":
        await kernel.renew("c1")
    else:
        await kernel.result("c1", "b")
