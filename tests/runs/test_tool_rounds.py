"""Runs that call tools: rounds, consents, executors that die, and the laws that hold meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import AskChunk, SleepChunk, ToolResultChunk
from jupyter_chat_stream.runs.execute import RunServices
from jupyter_chat_stream.runs.tools.base import ServerTools, ToolDone
from jupyter_chat_stream.shared.errors import (
    ConsentNeeded,
    InvalidInput,
    RunNotFound,
    StreamCut,
    ToolCallNotFound,
    ToolCallNotOpen,
    ToolOutputTooLarge,
)
from jupyter_chat_stream.shared.events import iso
from jupyter_chat_stream.shared.parts import NOT_MADE
from jupyter_chat_stream.shared.tool_definitions import digest_of
from jupyter_chat_stream.store.front import Sender
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef
from jupyter_chat_stream.testing import ScriptedProvider
from tests.fixtures import MakeHarness
from tests.run_harness import RunHarness, holds
from tests.runs.calls import (
    ROUND,
    CountingTool,
    Executor,
    call,
    in_rounds,
    offer,
    open_question,
    results,
    tool,
)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Where the harness keeps its threads: both databases obey the same laws."""
    if request.param == "sqlite":
        return {}
    return {"url": request.getfixturevalue("postgres_url")}


async def begun(
    make_harness: MakeHarness, *rounds: list[Any], tools: Any = (), **settings: Any
) -> tuple[RunHarness, ThreadRef, RunRef]:
    """A run whose model has made its first calls; its first attempt has let go."""
    server = settings.pop("server", ())
    thread_tools = settings.pop("thread_tools", None)
    harness = await make_harness(provider=ScriptedProvider(default=in_rounds(*rounds)), **settings)
    harness.services = RunServices(
        store=harness.chat_store,
        registry=harness.services.registry,
        config=harness.config,
        tools=ServerTools(*server),
    )
    thread = await harness.thread()
    if thread_tools is not None:
        await harness.chat_store.threads.change("local", thread.id, {"tools": thread_tools})
    await offer(harness, thread, *tools)
    await harness.send(thread)
    run = await harness.execute()
    return harness, thread, run


async def columns(harness: RunHarness, run: RunRef) -> tuple[Any, ...]:
    return (await harness.run(run))["status"], await harness.column(run, "owner")


async def test_a_call_waits_for_an_executor_and_its_result_makes_the_run_due(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L10, L12: nobody holds the run meanwhile, and the model goes on with the result."""
    harness, _, run = await begun(
        make_harness, ["I look. ", call("c1", "look", at="df")], tools=[tool("look")], **database
    )
    assert await columns(harness, run) == ("waiting", None)
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
    part = reply["parts"][1]
    assert (part["progress"], part["executor"]) == ("half done", "kernel of a.ipynb")
    assert (part["allowed"]["consent"], part["allowed"]["by"]) == ("none", None)
    assert (await results(harness, run))["c1"]["output"] == {"rows": 3}


async def test_nothing_that_runs_or_changes_is_claimed_before_a_consent_stands_in_the_log(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L13: the question names the call; the permission names the person."""
    harness, _, run = await begun(
        make_harness, [call("c1", "run", code="1")], tools=[tool("run", "run")], **database
    )
    kernel = Executor(harness, run)
    with pytest.raises(ConsentNeeded):
        await kernel.claim("c1")
    question = await open_question(harness, run)
    assert (question["tool_call_id"], question["request_kind"]) == ("c1", "consent")
    assert question["choices"] == ["once", "thread", "always", "no"]
    with pytest.raises(InvalidInput):
        await kernel.answer("yes")
    await kernel.answer("once")
    with pytest.raises(ConsentNeeded):  # the word was given; the log does not tell it yet
        await kernel.claim("c1")
    await harness.execute()
    await kernel.make("c1", "1")
    types = await harness.types(run)
    assert types.index("input") < types.index("tool_allowed") < types.index("tool_claimed")
    allowed = (await harness.reply(run))["parts"][0]["allowed"]
    assert (allowed["consent"], allowed["by"]) == ("once", "local")
    assert await harness.chat_store.tools.list_consents("local") == []


async def test_a_no_goes_to_the_model_with_the_persons_words(make_harness: MakeHarness) -> None:
    """L13"""
    harness, _, run = await begun(make_harness, [call("c1", "run")], tools=[tool("run", "run")])
    kernel = Executor(harness, run)
    with pytest.raises(InvalidInput):
        await kernel.answer({"choice": "no", "words": "x" * 5000})
    with pytest.raises(InvalidInput):
        await kernel.answer({"choice": "always", "words": "yes"})
    await kernel.answer({"choice": "no", "words": "Not on my data."})
    await harness.execute()
    refused = (await results(harness, run))["c1"]
    assert (refused["success"], refused["reason"]) == (False, "refused")
    assert "Not on my data." in refused["output"]
    assert (await harness.reply(run))["status"] == "completed"


@pytest.mark.parametrize("word", ["thread", "always"])
async def test_a_standing_consent_opens_the_same_tool_and_no_other(
    database: dict[str, Any], make_harness: MakeHarness, word: str
) -> None:
    """L13: another operation, tool, definition, person or thread is asked about again."""
    operations = {"run": "run", "drop": "run"}
    kernel_tool = tool("kernel", "run", operations=operations)
    harness, thread, run = await begun(
        make_harness,
        [call("c1", "kernel", operation="run")],
        [call("c2", "kernel", operation="run"), call("c3", "kernel", operation="drop")],
        tools=[kernel_tool, tool("other", "run")],
        **database,
    )
    kernel = Executor(harness, run)
    await kernel.answer(word)
    await harness.execute()
    await kernel.make("c1", "1")
    await harness.execute()
    await kernel.claim("c2")  # allowed without a question
    with pytest.raises(ConsentNeeded):
        await kernel.claim("c3")
    find = harness.chat_store.tools.list_consents
    [standing] = await find("local")
    assert (standing["tool"], standing["operation"]) == ("kernel", "run")
    assert standing["thread_id"] == (thread.id if word == "thread" else None)
    assert await find("somebody") == []
    await harness.cancel(run)
    await offer(harness, thread, tool("kernel", "run", operations=operations, description="New"))
    harness.provider.add([call("c4", "kernel", operation="run"), ROUND])
    await harness.send(thread)
    changed = await harness.execute()
    assert (await open_question(harness, changed))["tool_call_id"] == "c4"


async def test_a_claim_tells_which_definition_was_allowed(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L13: an executor with another function of the same name can tell, and makes no call."""
    allowed = tool("run", "run")
    harness, thread, run = await begun(
        make_harness, [call("c1", "run")], tools=[allowed], **database
    )
    kernel = Executor(harness, run)
    await kernel.answer("once")
    await offer(harness, thread, tool("run", "run", description="Another."))
    await harness.execute()
    assert (await kernel.claim("c1"))["digest"] == digest_of(allowed)
    assert "digest" not in await kernel.renew("c1")


async def test_calls_of_one_round_are_settled_one_question_at_a_time(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L10: what needs no question is open meanwhile, and the run is due once all have ended."""
    harness, _, run = await begun(
        make_harness,
        [call("a", "run"), call("b", "look"), call("c", "run")],
        tools=[tool("run", "run"), tool("look")],
        **database,
    )
    kernel = Executor(harness, run)
    await kernel.make("b", "seen")
    assert await columns(harness, run) == ("waiting", None)
    assert (await open_question(harness, run))["tool_call_id"] == "a"
    await kernel.answer("no")
    await harness.execute()
    assert (await open_question(harness, run))["tool_call_id"] == "c"
    await kernel.answer("once")
    await harness.execute()
    await kernel.make("c", "done")
    await harness.execute()
    assert (await harness.reply(run))["status"] == "completed"
    assert {id_: part["success"] for id_, part in (await results(harness, run)).items()} == {
        "a": False,
        "b": True,
        "c": True,
    }


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


async def test_a_schema_whose_check_would_never_end_lets_the_input_pass(
    make_harness: MakeHarness,
) -> None:
    """L10: the tool checks its own input; the process stays free for all other answers."""
    levels = {
        f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]}
        for n in range(40)
    }
    schema = {
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/d0"}},
        "$defs": {**levels, "d40": {"type": "integer"}},
    }
    look = tool("look", input_schema=schema)
    harness, _, run = await begun(make_harness, [call("c1", "look", x="three")], tools=[look])
    await Executor(harness, run).make("c1", "seen")
    await harness.execute()
    assert (await harness.reply(run))["status"] == "completed"


@pytest.mark.parametrize(
    ("chunk", "says"),
    [
        (call("c1", "no_such_tool"), "There is no tool of this name"),
        (call("c1", "<img src=x onerror=alert(1)>"), "There is no tool of this name"),
        (call("c1", "kernel", operation="format_disk"), "'operation' must be one of"),
        (call("c1", "sum", numbers="three"), "does not fit"),
        (call("c1", "secret"), "There is no tool of this name"),
    ],
)
async def test_a_call_that_cannot_be_made_fails_with_a_sentence_for_the_model(
    make_harness: MakeHarness, chunk: Any, says: str
) -> None:
    """L13: nobody is asked about it, and nobody can claim it."""
    schema = {"type": "object", "properties": {"numbers": {"type": "array"}}}
    harness, _, run = await begun(
        make_harness,
        [chunk],
        tools=[
            tool("kernel", "run", operations={"run": "run"}),
            tool("sum", input_schema=schema),
            tool("secret"),
        ],
        denied_tools=["sec*"],
    )
    failed = (await results(harness, run))["c1"]
    assert (failed["success"], failed["reason"]) == (False, "denied")
    assert says in failed["output"]
    assert (await harness.reply(run))["content"] == "Done."
    assert [sent.name for sent in harness.provider.prompts[0].tools] == ["kernel", "sum"]


async def test_an_administrators_list_binds_calls_that_were_asked_about_before(
    make_harness: MakeHarness,
) -> None:
    """L13: a consent opens nothing that the server's settings close."""
    harness, _, run = await begun(make_harness, [call("c1", "run")], tools=[tool("run", "run")])
    await Executor(harness, run).answer("always")
    harness.config.allowed_tools = ["look*"]
    await harness.execute()
    failed = (await results(harness, run))["c1"]
    assert (failed["reason"], failed["success"]) == ("denied", False)
    assert "administrator" in failed["output"]


@pytest.mark.parametrize(
    ("mode", "effect", "outcome"),
    [
        ("read_only", "read", "open"),
        ("read_only", "change", "denied"),
        ("read_only", "run", "denied"),
        ("accept_edits", "change", "open"),
        ("accept_edits", "run", "asked"),
    ],
)
async def test_the_mode_of_a_thread_decides_what_is_asked(
    make_harness: MakeHarness, mode: str, effect: str, outcome: str
) -> None:
    """L13"""
    harness, _, run = await begun(
        make_harness,
        [call("c1", "edit")],
        tools=[tool("edit", effect)],
        thread_tools={"mode": mode, "names": None},
    )
    found = await results(harness, run)
    if outcome == "denied":
        assert found["c1"]["reason"] == "denied"
    elif outcome == "asked":
        assert (await open_question(harness, run))["tool_call_id"] == "c1"
    else:
        await Executor(harness, run).claim("c1")


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


async def test_another_owner_sees_and_makes_no_call(make_harness: MakeHarness) -> None:
    """L16"""
    harness, _, run = await begun(make_harness, [call("c1", "look")], tools=[tool("look")])
    tools = harness.chat_store.tools
    claim = (await Executor(harness, run).claim("c1"))["claim"]
    with pytest.raises(RunNotFound):
        await tools.claim("eve", run.id, "c1", executor="x", claim=claim, lease_s=30.0)
    with pytest.raises(RunNotFound):
        await tools.write_output("eve", run.id, "c1", claim=claim, n=0, text="x")
    with pytest.raises(RunNotFound):
        await tools.give_result("eve", run.id, "c1", claim=claim, success=True, output="x")
    with pytest.raises(ToolCallNotFound):
        await tools.claim("local", run.id, "c9", executor="x", claim=None, lease_s=30.0)


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


# ---------------------------------------------------------------- tools of the server


async def test_calls_in_place_are_made_by_the_attempt_that_holds_the_run(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L12, L13: under the same events; the answer goes on without letting go."""
    look, broken = CountingTool("look"), CountingTool("broken", ValueError("key sk-secret"))
    large = CountingTool("large", ToolDone(output="x" * 2**19))
    harness, _, run = await begun(
        make_harness,
        [call("a", "look", at=1), call("b", "broken"), call("c", "large")],
        server=[look, broken, large],
        thread_tools={"mode": "ask", "names": ["look", "broken", "large"]},
        **database,
    )
    found = await results(harness, run)
    assert found["a"]["output"] == "seen"
    assert found["b"]["output"] == "The tool failed (ValueError)."
    assert "at most" in found["c"]["output"]
    assert [found[id_]["success"] for id_ in "abc"] == [True, False, False]
    reply = await harness.reply(run)
    assert (reply["status"], reply["content"]) == ("completed", "Done.")
    assert (await harness.run(run))["attempt"] == 1
    assert look.calls[0][0] == {"at": 1}
    assert look.calls[0][1].owner == "local"


async def test_a_call_in_place_whose_process_died_is_made_again_only_if_idempotent(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L14: the next attempt finds the claim of an attempt that is no more."""
    calls: list[str] = []

    class Died(BaseException):
        pass

    def die_once(context: Any) -> Any:
        calls.append(context.tool_call_id)
        return ToolDone(output="again") if calls.count(context.tool_call_id) > 1 else Died()

    steady = CountingTool("steady", die_once, idempotent=True)
    once = CountingTool("once", die_once)
    harness = await make_harness(
        provider=ScriptedProvider(default=in_rounds([call("s", "steady"), call("o", "once")])),
        **database,
    )
    harness.services = RunServices(
        store=harness.chat_store,
        registry=harness.services.registry,
        config=harness.config,
        tools=ServerTools(steady, once),
    )
    thread = await harness.thread()
    names = {"mode": "ask", "names": ["steady", "once"]}
    await harness.chat_store.threads.change("local", thread.id, {"tools": names})
    await harness.send(thread)
    with pytest.raises(Died):
        await harness.execute()
    run = await harness.execute()
    found = await results(harness, run)
    assert found["s"]["output"] == "again"
    assert found["o"]["reason"] == "interrupted"
    assert sorted(calls) == ["o", "s", "s"]


async def test_a_tool_may_ask_a_person_and_sleep(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L10: nobody holds the run; the tool is called again with the answer, or at its time."""
    until: list[int] = []

    def nap(context: Any) -> Any:
        until.append(context.started_ms + 60_000)
        if context.now_ms >= until[0]:
            return ToolDone(output="rested")
        return SleepChunk(until_ms=until[0], reason="a nap")

    def ask(context: Any) -> Any:
        if context.answer is None:
            return AskChunk(prompt="Which year?", choices=("2025", "2026"))
        return ToolDone(output=context.answer.value)

    harness, _, run = await begun(
        make_harness,
        [call("n", "nap"), call("q", "ask")],
        server=[CountingTool("nap", nap), CountingTool("ask", ask)],
        thread_tools={"mode": "ask", "names": ["nap", "ask"]},
        **database,
    )
    assert await columns(harness, run) == ("waiting", None)
    assert (await harness.run(run))["wake_at"] == iso(until[0])
    kernel = Executor(harness, run)
    await kernel.answer("2026")
    await harness.execute()
    assert (await results(harness, run))["q"]["output"] == "2026"
    harness.clock.advance(61_000)
    await harness.execute()
    assert (await results(harness, run))["n"]["output"] == "rested"
    assert (await harness.reply(run))["status"] == "completed"


async def test_a_tool_may_sleep_beyond_the_time_in_which_its_call_must_begin(
    make_harness: MakeHarness,
) -> None:
    """L10"""

    def nap(context: Any) -> Any:
        until_ms = context.started_ms + 600_000
        if context.now_ms >= until_ms:
            return ToolDone(output="rested")
        return SleepChunk(until_ms=until_ms, reason="a nap")

    harness, _, run = await begun(
        make_harness,
        [call("n", "nap")],
        server=[CountingTool("nap", nap)],
        thread_tools={"mode": "ask", "names": ["nap"]},
        tool_expires_s=60.0,
    )
    harness.clock.advance(601_000)
    await harness.execute()
    assert (await results(harness, run))["n"]["output"] == "rested"


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


async def test_a_question_is_also_answered_while_the_run_makes_another_call(
    database: dict[str, Any], make_harness: MakeHarness
) -> None:
    """L13: the attempt that holds the run takes the word once its own call has ended."""
    harness: list[RunHarness] = []

    async def answer_meanwhile(context: Any) -> None:
        [made] = harness
        run = await made.chat_store.runs.find("local", context.run_id)
        await Executor(made, run).answer("once")

    class Slow(CountingTool):
        async def call(self, input: Any, context: Any) -> Any:
            await answer_meanwhile(context)
            return await super().call(input, context)

    made = await make_harness(
        provider=ScriptedProvider(default=in_rounds([call("s", "slow"), call("r", "run")])),
        **database,
    )
    harness.append(made)
    made.services = RunServices(
        store=made.chat_store,
        registry=made.services.registry,
        config=made.config,
        tools=ServerTools(Slow("slow"), CountingTool("run", effect="run")),
    )
    thread = await made.thread()
    names = {"mode": "ask", "names": ["slow", "run"]}
    await made.chat_store.threads.change("local", thread.id, {"tools": names})
    await made.send(thread)
    run = await made.execute()
    assert (await made.reply(run))["status"] == "completed"
    assert (await made.run(run))["attempt"] == 1
    assert all(part["success"] for part in (await results(made, run)).values())


async def test_no_text_of_a_call_reaches_the_log_of_the_server(
    make_harness: MakeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="jupyter_chat_stream")
    secret = "xyzzysecretplugh"
    harness, _, run = await begun(
        make_harness,
        [call("c1", "look", key=secret), call("c2", "broken")],
        tools=[tool("look")],
        server=[CountingTool("broken", ValueError(secret))],
        thread_tools={"mode": "ask", "names": ["broken"]},
    )
    kernel = Executor(harness, run)
    await kernel.claim("c1")
    await kernel.write("c1", 0, secret)
    await kernel.result("c1", {"key": secret}, success=False)
    await harness.execute()
    assert "tool.broke" in caplog.text
    assert not holds(caplog.text, secret)
    assert secret not in (await results(harness, run))["c2"]["output"]
