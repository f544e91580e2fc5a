"""A whole build by the real SDK, with real scratch kernels: the first version fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.runs.components.scratch_kernel import KernelLimits, ScratchKernels
from jupyter_chat_stream.runs.execute import Execution
from jupyter_chat_stream.runs.services import RunServices
from jupyter_chat_stream.runs.tools.base import ServerTools
from jupyter_chat_stream.runs.tools.build_component import BuildComponent
from jupyter_chat_stream.shared.building import COMPONENT_SYSTEM
from jupyter_chat_stream.testing import Answer, FakeAnthropic, Request, ToolUse, results_of
from tests.fixtures import MakeHarness
from tests.providers import claude
from tests.runs.calls import Executor, results
from tests.runs.components.building import BROKEN, WORKS, build_of, fenced

pytestmark = pytest.mark.slow


class WritingClaude:
    """Claude: it has a component built, writes a version that fails, then one that works."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def __call__(self, request: Request) -> Answer:
        body = request.body
        if COMPONENT_SYSTEM in str(body.get("system")):
            self.asked.append(body)
            return Answer(text=fenced(WORKS if "AttributeError" in str(body) else BROKEN))
        if results_of(body):
            return Answer(text="It is ready.")
        input_ = {"operation": "build", "description": "a slider"}
        return Answer(text="", tools=(ToolUse(id="b1", name="build_component", input=input_),))


async def test_claude_repairs_a_version_by_the_traceback_of_a_real_kernel(
    make_harness: MakeHarness, tmp_path: Path
) -> None:
    """L13; and the prompt of a later message holds the build as the API takes it."""
    with FakeAnthropic() as server:
        writer = WritingClaude()
        server.set_default(writer)
        provider = claude.make_provider(server.url, tmp_path)
        harness = await make_harness()
        harness.services = RunServices(
            store=harness.chat_store,
            registry=Registry([provider]),
            config=harness.config,
            tools=ServerTools(BuildComponent(ScratchKernels(KernelLimits()))),
        )
        thread = await harness.thread()
        tools = {"mode": "ask", "names": ["build_component"]}
        await harness.chat_store.threads.change("local", thread.id, {"tools": tools})
        reply = {"model": "anthropic/claude-haiku-4-5"}
        run = await harness.send(thread, "A slider, please", **reply)
        await harness.execute()
        build = await harness.execute()
        assert build.id == (await build_of(harness, run)).id
        await Executor(harness, build).answer("thread")
        await Execution(harness.services, await harness.claim()).run()
        await harness.execute()
        assert (await harness.reply(run))["content"] == "It is ready."
        tried = list((await results(harness, build)).values())
        assert [each["success"] for each in tried] == [False, True]
        assert "has no attribute 'IntSlide'" in tried[0]["output"]["error"]
        assert tried[1]["output"]["widgets"] == ["IntSlider"]
        assert [file["name"] for file in tried[1]["attachments"]] == ["a_slider.py"]
        assert len(writer.asked) == 2
        assert not any(body.get("tools") for body in writer.asked)
        await harness.send(thread, "And now?", **reply)
        await harness.execute()
        wrong = [request for request in server.requests if request.state not in ("done", "failed")]
        assert not wrong
        assert "IntSlide()" in str(server.requests[-1].body)
        await provider.close()
