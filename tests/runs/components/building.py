"""A model that writes components, and kernels that try them, for the tests of builds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyter_chat_stream.providers.base import EndChunk, Prompt, ToolCallChunk
from jupyter_chat_stream.runs.components.reports import CellReport
from jupyter_chat_stream.runs.services import RunServices
from jupyter_chat_stream.runs.tools.base import ServerTools
from jupyter_chat_stream.runs.tools.build_component import BuildComponent
from jupyter_chat_stream.shared.building import COMPONENT_SYSTEM
from jupyter_chat_stream.store.chat import runs
from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef
from jupyter_chat_stream.testing import ScriptedProvider
from tests.fixtures import MakeHarness
from tests.run_harness import RunHarness
from tests.runs.calls import ROUND, USAGE

WORKS = "import ipywidgets as widgets\nwidgets.IntSlider()\n"
BROKEN = "import ipywidgets as widgets\nwidgets.IntSlide()\n"
TRACEBACK = "AttributeError: module 'ipywidgets' has no attribute 'IntSlide'"
END = EndChunk(stop_reason="end_turn", model="model", usage=USAGE)


def fenced(code: str) -> str:
    return f"Here it is.\n\n```python\n{code}```\n"


class TriedKernels:
    """Scratch kernels that run nothing: a cell works unless it is the broken one."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.before: Callable[[], Any] = lambda: None

    async def try_cell(self, code: str) -> CellReport:
        self.tried.append(code)
        found = self.before()
        if found is not None:
            await found
        error = "" if code.strip() == WORKS.strip() else TRACEBACK
        return CellReport(error=error, printed_text="", widgets=("IntSlider",), seconds=0.1)


class ComponentModel:
    """The scripts of a model that has a component built, and writes its versions in turn."""

    def __init__(self, *versions: str, **build: Any) -> None:
        self.versions = [fenced(version) for version in versions]
        self.written = 0
        self._build = {"operation": "build", "description": "a slider", **build}
        self._has_called = False

    def __call__(self, prompt: Prompt) -> list[Any]:
        if prompt.system == COMPONENT_SYSTEM:
            self.written += 1
            return [self.versions.pop(0), END]
        if self._has_called:
            return ["Done."]
        self._has_called = True
        made = ToolCallChunk(tool_call_id="a", name="build_component", input=self._build)
        return [made, ROUND]


async def building(
    make_harness: MakeHarness, model: ComponentModel, kernels: Any = None, **settings: Any
) -> tuple[RunHarness, ThreadRef, RunRef, Any]:
    """An answer that has begun a build and has let go."""
    kernels = kernels or TriedKernels()
    mode = settings.pop("mode", "ask")
    provider = settings.pop("provider", None) or ScriptedProvider(default=model)
    harness = await make_harness(provider=provider, **settings)
    harness.services = RunServices(
        store=harness.chat_store,
        registry=harness.services.registry,
        config=harness.config,
        tools=ServerTools(BuildComponent(kernels)),
    )
    thread = await harness.thread()
    tools = {"mode": mode, "names": ["build_component"]}
    await harness.chat_store.threads.change("local", thread.id, {"tools": tools})
    await harness.send(thread)
    run = await harness.execute()
    return harness, thread, run, kernels


async def build_of(harness: RunHarness, run: RunRef) -> RunRef:
    """The run that builds for an answer."""
    parts = (await harness.reply(run))["parts"]
    job_id = next(part["job_id"] for part in parts if "job_id" in part)
    return await harness.store.read(lambda conn: runs.find_in_thread(conn, run.thread, job_id))
