"""Whole runs with the tools of an MCP server, asked for by the fake API's real tool blocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.runs.execute import Execution
from jupyter_chat_stream.runs.services import RunServices
from jupyter_chat_stream.runs.tools.registry import make_server_tools
from jupyter_chat_stream.testing import Answer, FakeAnthropic, ToolUse
from tests.fixtures import MakeHarness
from tests.mcp.lab import McpLab, is_running, until
from tests.providers import claude
from tests.run_harness import RunHarness
from tests.runs.calls import Executor, open_question, results

MODEL = "anthropic/claude-haiku-4-5"


@pytest.fixture
def api() -> Iterator[FakeAnthropic]:
    with FakeAnthropic() as made:
        yield made


@pytest.fixture
async def asking(
    lab: McpLab, api: FakeAnthropic, tmp_path: Path, make_harness: MakeHarness
) -> AsyncIterator[RunHarness]:
    """Runs that ask the fake API, on a server with the laboratory's ``mcp.json``."""
    lab.write(lab=lab.entry())
    provider = claude.make_provider(api.url, tmp_path)
    harness = await make_harness()
    tools = make_server_tools(lab.config())
    await tools.list_named(["lab__echo"])  # a busy machine takes long to start it
    harness.services = RunServices(
        store=harness.chat_store,
        registry=Registry([provider]),
        config=harness.config,
        tools=tools,
    )
    yield harness
    await tools.close()
    await provider.close()


def calling(id_: str, name: str, **input_: Any) -> Answer:
    return Answer(text="", tools=(ToolUse(id=id_, name=name, input=input_),))


async def thread_with(harness: RunHarness, *names: str) -> Any:
    thread = await harness.thread()
    chosen = {"mode": "ask", "names": list(names)}
    await harness.chat_store.threads.change("local", thread.id, {"tools": chosen})
    return thread


async def test_a_call_is_made_after_a_consent_that_ends_when_the_tool_changes(
    asking: RunHarness, api: FakeAnthropic, lab: McpLab
) -> None:
    """L12, L13: ``always`` is for the tool as it was; a changed one is asked about again."""
    thread = await thread_with(asking, "lab__echo", "lab__change")
    api.add(calling("c1", "lab__echo", text="hi"), Answer(text="It said hi."))
    run = await asking.send(thread, "Go", model=MODEL)
    await asking.execute()
    assert lab.calls == []
    question = await open_question(asking, run)
    assert question["request_kind"] == "consent"
    sent = api.requests[0].body["tools"]
    assert [tool["name"] for tool in sent] == ["lab__echo", "lab__change"]
    await Executor(asking, run).answer("always")
    await asking.execute()
    assert (await results(asking, run))["c1"]["output"] == "hi"
    assert (await asking.reply(run))["content"] == "It said hi."

    api.add(calling("c1", "lab__echo", text="again"), calling("c2", "lab__change"), Answer())
    run = await asking.send(thread, "Go on", model=MODEL)
    await asking.execute()
    assert lab.calls == ["echo hi", "echo again"]
    await Executor(asking, run).answer("once")
    await asking.execute()
    assert (await asking.reply(run))["status"] == "completed"

    api.add(calling("c1", "lab__echo", text="no"), Answer())
    run = await asking.send(thread, "Go on", model=MODEL)
    await asking.execute()
    assert (await open_question(asking, run))["request_kind"] == "consent"
    assert lab.calls == ["echo hi", "echo again"]


async def test_a_tool_that_changes_in_the_middle_of_an_answer_is_not_called(
    asking: RunHarness, api: FakeAnthropic, lab: McpLab
) -> None:
    """L13: between the consent and the call, the server has changed what it would do."""
    thread = await thread_with(asking, "lab__echo", "lab__change")
    api.add(calling("c1", "lab__change"), calling("c2", "lab__echo", text="x"), Answer())
    run = await asking.send(thread, "Go", model=MODEL)
    await asking.execute()
    await Executor(asking, run).answer("once")
    await asking.execute()
    await Executor(asking, run).answer("once")
    await asking.execute()
    told = (await results(asking, run))["c2"]
    assert (told["success"], "has changed this tool" in told["output"]) == (False, True)
    assert not [line for line in lab.calls if "echo" in line]
    assert (await asking.reply(run))["status"] == "completed"


async def test_a_server_that_dies_in_a_call_fails_it_and_the_answer_goes_on(
    asking: RunHarness, api: FakeAnthropic, lab: McpLab
) -> None:
    """L14"""
    thread = await thread_with(asking, "lab__die", "lab__echo")
    api.add(calling("c1", "lab__die"), Answer(text="It died."))
    run = await asking.send(thread, "Go", model=MODEL)
    await asking.execute()
    await Executor(asking, run).answer("once")
    await asking.execute()
    told = (await results(asking, run))["c1"]
    assert (told["success"], "look before you repeat" in told["output"]) == (False, True)
    assert (await asking.reply(run))["content"] == "It died."
    assert lab.calls == ["die"]


async def test_an_answer_without_its_server_tells_so_and_goes_on(
    asking: RunHarness, api: FakeAnthropic, lab: McpLab
) -> None:
    """Who did not turn a tool of the server on is told nothing."""
    lab.write(lab={"command": "/nowhere"})
    api.set_default(lambda _: Answer(text="Without."))
    thread = await thread_with(asking, "lab__echo")
    run = await asking.send(thread, "Go", model=MODEL)
    await asking.execute()
    reply = await asking.reply(run)
    notes = [part["text"] for part in reply["parts"] if part["kind"] == "note"]
    assert len(notes) == 1
    assert "'/nowhere'" in notes[0]
    assert reply["content"] == "Without."
    other = await thread_with(asking, "files")
    run = await asking.send(other, "Go", model=MODEL)
    await asking.execute()
    assert [part["kind"] for part in (await asking.reply(run))["parts"]] == ["text"]


async def test_a_stop_while_a_server_starts_ends_the_answer(
    asking: RunHarness, lab: McpLab
) -> None:
    """Nobody waits for a command that downloads its server; its process ends with ours."""
    note_and_wait = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid()))"
    code = f"{note_and_wait}; time.sleep(600)"
    lab.write(lab=lab.entry(args=["-c", code, str(lab.folder / "pid")]))
    thread = await thread_with(asking, "lab__echo")
    run = await asking.send(thread, "Go", model=MODEL)
    execution = Execution(asking.services, await asking.claim())
    executing = asyncio.ensure_future(execution.run())

    async def started() -> bool:
        file = lab.folder / "pid"
        return file.exists() and bool(file.read_text())

    await until(started, "the server's process")
    execution.stop("cancelled")
    await asking.bounded(executing)
    assert (await asking.run(run))["status"] == "cancelled"
    await asking.services.tools.close()
    assert not is_running(lab.pid)
