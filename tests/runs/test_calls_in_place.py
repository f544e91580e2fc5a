"""Tools of the server: calls that the attempt itself makes, and their waits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import AskChunk, SleepChunk
from jupyter_chat_stream.runs.services import RunServices
from jupyter_chat_stream.runs.tools.ask_person import AskPerson
from jupyter_chat_stream.runs.tools.base import NOT_YOURS, ServerTools, ToolDone
from jupyter_chat_stream.shared.events import iso
from jupyter_chat_stream.testing import ScriptedProvider
from tests.fixtures import MakeHarness
from tests.run_harness import RunHarness, holds
from tests.runs.calls import (
    CountingTool,
    Executor,
    begun,
    call,
    columns,
    in_rounds,
    results,
    tool,
)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Where the harness keeps its threads: both databases obey the same laws."""
    if request.param == "sqlite":
        return {}
    return {"url": request.getfixturevalue("postgres_url")}


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
    assert found["c"]["output"].startswith("xxx")
    assert found["c"]["output"].endswith("is in 'output.txt'.]")
    (whole,) = found["c"]["attachments"]
    assert (whole["name"], whole["type"], whole["size"]) == ("output.txt", "text/plain", 2**19)
    read = await harness.chat_store.attachments.content("local", whole["id"])
    assert read == b"x" * 2**19
    assert [found[id_]["success"] for id_ in "abc"] == [True, False, True]
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


async def test_a_run_of_another_person_uses_nothing_that_belongs_to_the_server(
    make_harness: MakeHarness,
) -> None:
    """L16: several servers on one database; the one with a free slot is somebody else's."""
    own = CountingTool("files", effect="run")
    chosen = {"mode": "ask", "names": ["files", "ask_person"]}
    harness, thread, run = await begun(
        make_harness, [call("c1", "files")], server=(own, AskPerson()), thread_tools=chosen
    )
    tools = ServerTools(own, AskPerson(), owners=["bob"])
    harness.services = replace(harness.services, tools=tools)
    await Executor(harness, run).answer("once")
    await harness.execute()
    told = (await results(harness, run))["c1"]
    assert (told["success"], NOT_YOURS in told["output"], own.calls) == (False, True, [])

    other = await harness.send(thread)
    await harness.execute()
    parts = (await harness.reply(other))["parts"]
    assert [part["text"] for part in parts if part["kind"] == "note"] == [NOT_YOURS]
    assert [tool.name for tool in harness.provider.prompts[-1].tools] == ["ask_person"]
    assert await tools.of("bob").find("files") is own
