"""Builds beside their answer: they begin at once; what ends early is counted, and costs no more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.runs.execute import Execution
from jupyter_chat_stream.runs.tools.base import CallContext, ServerTools, ToolOutcome
from jupyter_chat_stream.runs.tools.build_component import BuildComponent
from jupyter_chat_stream.service import Service, subsystems
from jupyter_chat_stream.shared.building import COMPONENT_SYSTEM
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.errors import Overloaded
from jupyter_chat_stream.store.chat.commands import SendRequest
from jupyter_chat_stream.testing import (
    Answer,
    FakeAnthropic,
    FakeOpenAI,
    Request,
    ToolUse,
    results_of,
)
from tests.fixtures import MakeHarness
from tests.providers import claude, responses
from tests.runs.calls import USAGE, Executor, tool
from tests.runs.components.building import (
    END,
    WORKS,
    ComponentModel,
    TriedKernels,
    building,
    fenced,
)
from tests.runs.test_upstreams import Upstreams, text

pytestmark = pytest.mark.slow

PATIENCE_S = 20.0


class HeldWriter:
    """A model that has a component built, and stops in the middle of its first version.

    The word ``cancel`` in a message makes it cancel the build of the result before.

    Args:
        wait: whether its answer waits for the build.
        beside: calls of the same round.
    """

    def __init__(self, *, wait: bool, beside: Sequence[ToolUse] = ()) -> None:
        self._build = {"operation": "build", "description": "a slider", "wait": wait}
        self._beside = tuple(beside)
        self.job_id = ""

    def __call__(self, request: Request) -> Answer:
        if COMPONENT_SYSTEM in str(request.body):
            return Answer(text=fenced(WORKS), hold_after_chunks=2)
        is_first = "cancel" not in request.user_text
        if len(results_of(request.body)) > (0 if is_first else 1):
            return Answer(text="Done.")
        cancels = {"operation": "cancel", "job_id": self.job_id}
        id_, input_ = ("b", self._build) if is_first else ("c", cancels)
        made = ToolUse(id=id_, name="build_component", input=input_)
        return Answer(text="", tools=(made, *self._beside))


class EndlessTool:
    """A tool of the server whose calls do not end."""

    definition = tool("endless", where="server", source="builtin")

    async def call(self, input: Any, context: CallContext) -> ToolOutcome:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("the call has ended")


@dataclass(kw_only=True)
class Lab:
    """A service, and the fake API of its model."""

    service: Service
    fake: Any
    thread_id: str
    writer: HeldWriter

    async def begin(self) -> tuple[str, str]:
        """Ask for a component, until some of its first version is there: the answer, the build."""
        sent = await self.service.send("local", self.thread_id, SendRequest(content="A slider"))

        async def find() -> str:
            for run in (await self.service.runs("local", self.thread_id))["runs"][1:]:
                if (await self.message(run["id"]))["content"]:
                    return str(run["id"])
            return ""

        self.writer.job_id = await until(find)
        return sent["run"]["id"], self.writer.job_id

    async def message(self, run_id: str) -> dict[str, Any]:
        state = json.loads(await self.service.state_text("local", self.thread_id))
        found = [each for each in state["messages"] if each["run_id"] == run_id]
        return dict(found[0])

    async def end(self, run_id: str) -> dict[str, Any]:
        return dict(await self.service.wait_ended("local", run_id, PATIENCE_S))

    async def assert_at_rest(self) -> None:
        """Nothing is under way at the provider."""

        async def is_at_rest() -> bool:
            responses = self.fake.responses.all if isinstance(self.fake, FakeOpenAI) else {}
            kept = [one.value["status"] for one in responses.values()]
            open_ = [one for one in self.fake.requests if one.state == "open"]
            return not open_ and "in_progress" not in kept and "queued" not in kept

        await until(is_at_rest)


async def until(find: Callable[[], Any]) -> Any:
    async def look() -> Any:
        while not (found := await find()):  # noqa: ASYNC110  another process's state
            await asyncio.sleep(0.005)
        return found

    return await asyncio.wait_for(look(), PATIENCE_S)


@pytest.fixture(params=["messages", "responses"])
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, Any, str]]:
    """A fake API, its provider, and a model: one that streams, and one in the background."""
    if request.param == "messages":
        with FakeAnthropic() as streaming:
            provider = claude.make_provider(streaming.url, tmp_path)
            yield streaming, provider, "anthropic/claude-haiku-4-5"
    else:
        with FakeOpenAI() as fake:
            yield fake, responses.make_provider(f"{fake.url}/v1"), "lab/tiny"


@asynccontextmanager
async def lab(
    api: tuple[Any, Any, str], folder: Path, *, wait: bool = True, beside: Sequence[ToolUse] = ()
) -> AsyncIterator[Lab]:
    fake, provider, model = api
    writer = HeldWriter(wait=wait, beside=beside)
    fake.set_default(writer)
    # No sweep helps: what ends here is known here.
    config = ChatStream(database_url=f"sqlite:///{folder / 'chat.db'}", sweep_interval_s=60.0)
    service = Service(config, registry=Registry([provider]))
    await service.start()
    try:
        thread, _ = await service.create_thread("local", model=model)
        names = ["build_component", *(each.name for each in beside)]
        tools = {"mode": "ask", "names": names}
        await service.change_thread("local", thread["id"], {"tools": tools})
        made = Lab(service=service, fake=fake, thread_id=thread["id"], writer=writer)
        yield made
    finally:
        fake.release()
        await service.stop()


def is_counted(message: dict[str, Any], api: tuple[Any, Any, str]) -> bool:
    """Whether a stopped stream's tokens are there: in the background, nobody tells them before."""
    usage = message["usage"]
    if isinstance(api[0], FakeOpenAI):
        return usage is None
    return bool(usage) and usage["input_tokens"] > 0


async def test_a_build_begins_at_once_while_its_answer_goes_on(
    api: tuple[Any, Any, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L9: the next sweep is a minute away, and the answer makes a call that does not end."""
    tools = ServerTools(BuildComponent(TriedKernels()), EndlessTool())
    monkeypatch.setattr(subsystems, "make_server_tools", lambda config: tools)
    beside = [ToolUse(id="e", name="endless", input={})]
    async with lab(api, tmp_path, wait=False, beside=beside) as made:
        answer, build = await made.begin()
        for run in (answer, build):
            assert (await made.service.run("local", run))["status"] == "processing"
            await made.service.cancel("local", run)


@pytest.mark.parametrize("stopped", ["answer", "build"])
async def test_stop_counts_the_tokens_of_a_build_and_ends_its_work_at_the_provider(
    api: tuple[Any, Any, str], tmp_path: Path, stopped: str
) -> None:
    """L9, L15: with the answer that waits for it, and alone."""
    async with lab(api, tmp_path) as made:
        answer, build = await made.begin()
        await made.service.cancel("local", answer if stopped == "answer" else build)
        message = await made.message(build)
        assert message["status"] == "cancelled"
        assert is_counted(message, api)
        await made.assert_at_rest()
        if stopped == "build":
            assert (await made.end(answer))["content"] == "Done."


async def test_stop_counts_the_tokens_of_a_build_while_its_answer_makes_another_call(
    api: tuple[Any, Any, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L9: the answer is held, so its own attempt ends it, and the build with it."""
    tools = ServerTools(BuildComponent(TriedKernels()), EndlessTool())
    monkeypatch.setattr(subsystems, "make_server_tools", lambda config: tools)
    async with lab(api, tmp_path, beside=[ToolUse(id="e", name="endless", input={})]) as made:
        answer, build = await made.begin()
        assert (await made.service.run("local", answer))["status"] == "processing"
        await made.service.cancel("local", answer)
        assert (await made.message(answer))["status"] == "cancelled"
        message = await made.message(build)
        assert (message["status"], is_counted(message, api)) == ("cancelled", True)
        await made.assert_at_rest()


async def test_a_model_that_cancels_a_build_ends_its_work_at_the_provider(
    api: tuple[Any, Any, str], tmp_path: Path
) -> None:
    async with lab(api, tmp_path, wait=False) as made:
        answer, build = await made.begin()
        await made.end(answer)
        asked = SendRequest(content="Please cancel it")
        sent = await made.service.send("local", made.thread_id, asked)
        await made.end(sent["run"]["id"])
        message = await made.message(build)
        assert (message["status"], is_counted(message, api)) == ("cancelled", True)
        await made.assert_at_rest()


async def test_a_deleted_thread_ends_the_work_of_its_builds_and_counts_their_tokens(
    api: tuple[Any, Any, str], tmp_path: Path
) -> None:
    async with lab(api, tmp_path) as made:
        await made.begin()
        before = await answers_in_ledger(made)
        await made.service.delete_thread("local", made.thread_id)
        await made.assert_at_rest()
        # The answer's first round, and the build.
        counted = 1 if isinstance(made.fake, FakeOpenAI) else 2
        assert await answers_in_ledger(made) - before == counted


async def answers_in_ledger(made: Lab) -> int:
    def count(conn: Any) -> int:
        return int(conn.exec_driver_sql("SELECT COUNT(*) FROM usage").scalar())

    return int(await made.service.store.core.read(count))


@pytest.mark.parametrize("by", ["answer", "build", "attempt"])
async def test_the_versions_of_a_build_that_waits_for_a_consent_are_counted(
    make_harness: MakeHarness, by: str
) -> None:
    """L7: whoever ends it from outside, and in the first moment of its next attempt."""
    harness, _, run, _ = await building(make_harness, ComponentModel(WORKS))
    build = await harness.execute()
    assert (await harness.run(build))["status"] == "waiting"
    if by == "attempt":
        await Executor(harness, build).answer("once")
        execution = Execution(harness.services, await harness.claim())
        execution.stop("cancelled")
        await harness.bounded(execution.run())
    else:
        await harness.cancel(run if by == "answer" else build)
    message = await harness.reply(build)
    assert (message["status"], message["usage"]) == ("cancelled", USAGE)


@pytest.mark.parametrize("by", ["answer", "build"])
@pytest.mark.parametrize("rounds", [0, 1, 2])
async def test_of_two_counts_of_a_build_the_larger_one_stands(
    make_harness: MakeHarness, by: str, rounds: int
) -> None:
    """L7: a process may have counted before a round ended, or while another one worked on it."""
    harness, _, run, _ = await building(make_harness, ComponentModel(WORKS))
    build = await harness.execute()
    told = {build.id: {name: rounds * count for name, count in USAGE.items()}}
    await harness.chat_store.runs.cancel(run if by == "answer" else build, told)
    message = await harness.reply(build)
    larger = told[build.id] if rounds else USAGE
    assert (message["status"], message["usage"]) == ("cancelled", larger)


async def test_the_upstream_of_a_build_between_two_attempts_is_stopped_with_its_answer(
    make_harness: MakeHarness,
) -> None:
    """L15: no process works on the build, and its provider does."""
    provider = BuildingUpstreams(answer=((text("Here "),), (text("it is."),)))
    provider.failures = [(1, Overloaded("Busy.", retry_after_s=3600.0))]
    harness, _, run, _ = await building(make_harness, provider.script, provider=provider)
    build = await harness.execute()
    assert (await harness.run(build))["phase"] == "retrying"
    await harness.engine.start()
    try:
        await harness.cancel(run)
        assert await harness.bounded(provider.stops.get()) == {"number": 1}
    finally:
        await harness.engine.stop()
    assert (await harness.run(build))["status"] == "cancelled"


class BuildingUpstreams(Upstreams):
    """A model that has a component built, and whose versions run by themselves."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.script = ComponentModel(WORKS)

    async def stream(self, prompt: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        if prompt.system == COMPONENT_SYSTEM:
            async for chunk in super().stream(prompt):
                yield chunk
            return
        for chunk in self.script(prompt):
            yield chunk if not isinstance(chunk, str) else text(chunk)
        yield END
