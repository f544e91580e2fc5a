"""Tools, executors and scripts of models for the tests of tool calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_chat_stream.providers.base import EndChunk, Prompt, ToolCallChunk
from jupyter_chat_stream.runs.services import RunServices
from jupyter_chat_stream.runs.tools.base import CallContext, ServerTools, ToolDone, ToolOutcome
from jupyter_chat_stream.shared.tool_definitions import check_definition
from jupyter_chat_stream.shared.tool_records import ToolRecord
from jupyter_chat_stream.store.front import ClaimedCall
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef
from jupyter_chat_stream.testing import ScriptedProvider
from tests.fixtures import MakeHarness
from tests.run_harness import RunHarness

USAGE = {"input_tokens": 10, "output_tokens": 4, "cache_read_tokens": 0, "cache_write_tokens": 0}
ROUND = EndChunk(stop_reason="tool_use", model="model", usage=USAGE)


def tool(name: str, effect: str = "read", **fields: Any) -> ToolRecord:
    """A tool of a kernel that takes any object."""
    return check_definition(
        {
            "name": name,
            "description": f"The tool {name}.",
            "input_schema": {"type": "object"},
            "where": "kernel",
            "effect": effect,
            "source": "function",
            **fields,
        }
    )


def call_context(**changes: Any) -> CallContext:
    """Return the context of a call that writes nothing, with these fields instead."""

    async def write(_: str) -> None:
        raise AssertionError("the call writes nothing")

    usual: dict[str, Any] = {
        "owner": "ada",
        "thread_id": "t",
        "run_id": "r",
        "tool_call_id": "c",
        "started_ms": 0,
        "now_ms": 0,
        "answer": None,
        "write": write,
        "builds": None,  # no tool here asks for one
    }
    return CallContext(**(usual | changes))


def call(id_: str, name: str, **input_: Any) -> ToolCallChunk:
    return ToolCallChunk(tool_call_id=id_, name=name, input=input_)


async def offer(
    harness: RunHarness, thread: ThreadRef, *tools: ToolRecord, executor: str = "k1"
) -> None:
    await harness.chat_store.tools.offer(
        "local",
        thread.id,
        executor=executor,
        label="kernel of a.ipynb",
        socket=executor,
        tools=tools,
    )


class Executor:
    """A kernel that makes calls: each step is a command that an HTTP client sends."""

    def __init__(self, harness: RunHarness, run: RunRef, name: str = "kernel of a.ipynb") -> None:
        self._tools = harness.chat_store.tools
        self._harness = harness
        self._run = run
        self._name = name
        self._claims: dict[str, str] = {}

    async def claim(self, call_id: str, lease_s: float = 30.0) -> ClaimedCall:
        taken = await self._tools.claim(
            "local", self._run.id, call_id, executor=self._name, claim=None, lease_s=lease_s
        )
        self._claims[call_id] = taken["claim"]
        return taken

    async def renew(self, call_id: str, lease_s: float = 30.0) -> ClaimedCall:
        return await self._tools.claim(
            "local",
            self._run.id,
            call_id,
            executor=self._name,
            claim=self._claims[call_id],
            lease_s=lease_s,
        )

    async def write(self, call_id: str, n: int, text: str) -> None:
        await self._tools.write_output(
            "local", self._run.id, call_id, claim=self._claims[call_id], n=n, text=text
        )

    async def result(
        self, call_id: str, output: Any, *, success: bool = True, files: Sequence[str] = ()
    ) -> dict[str, Any]:
        return await self._tools.give_result(
            "local",
            self._run.id,
            call_id,
            claim=self._claims[call_id],
            success=success,
            output=output,
            attachment_ids=files,
        )

    async def make(self, call_id: str, output: Any) -> None:
        await self.claim(call_id)
        await self.result(call_id, output)

    async def answer(self, value: Any) -> dict[str, Any]:
        """Answer the run's open question."""
        question = await open_question(self._harness, self._run)
        return await self._harness.chat_store.runs.give_input(
            "local", self._run.id, question["request_id"], value
        )


async def open_question(harness: RunHarness, run: RunRef) -> dict[str, Any]:
    """The newest question without an answer, about a call without a result."""
    parts = (await harness.reply(run))["parts"]
    done = {part["tool_call_id"] for part in parts if part["kind"] == "tool_result"}
    return next(
        part
        for part in reversed(parts)
        if part["kind"] == "input_request"
        and part["by"] is None
        and part.get("tool_call_id") not in done
    )


async def results(harness: RunHarness, run: RunRef) -> dict[str, dict[str, Any]]:
    """The results of a run's calls, by the id of the call; a second one of a call fails (L12)."""
    found: dict[str, dict[str, Any]] = {}
    for part in (await harness.reply(run))["parts"]:
        if part["kind"] == "tool_result":
            assert part["tool_call_id"] not in found
            found[part["tool_call_id"]] = part
    return found


class CountingTool:
    """A tool of the server that notes its calls and returns what it is told."""

    def __init__(self, name: str = "look", outcome: Any = None, **fields: Any) -> None:
        self.definition = tool(name, where="server", source="builtin", **fields)
        self.calls: list[tuple[Any, CallContext]] = []
        self._outcome = outcome or ToolDone(output="seen")

    async def call(self, input: Any, context: CallContext) -> ToolOutcome:
        self.calls.append((input, context))
        outcome = self._outcome(context) if callable(self._outcome) else self._outcome
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def in_rounds(*rounds: list[Any], end: str = "Done.") -> Any:
    """Make the scripts of a model that makes these calls, one round after the other."""
    left = list(rounds)

    def script(prompt: Prompt) -> list[Any]:
        return [*left.pop(0), ROUND] if left else [end]

    return script


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
