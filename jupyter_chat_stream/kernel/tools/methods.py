"""A chat's methods for tools: ``tool``, ``tools`` and ``offer_kernel``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, overload

from ...shared.errors import ChatStreamError
from ...shared.logs import Line
from ...shared.records import ThreadRecord
from ...shared.tool_records import ThreadTools, ToolEffect
from ..inbox import Inbox
from ..link import current, path_of
from ..shell import shell_of_kernel
from .busy import watch_cells
from .function import KernelTool, function_tool
from .kernel_tool import KERNEL, kernel_tool
from .toolbox import Toolbox, toolbox_of

LOG = logging.getLogger(__name__)
OFFERED_WITHIN_S = 1.0  # how long a chat waits, so that its first message has the tool `kernel`

Function = TypeVar("Function", bound=Callable[..., Any])


def names_kernel(thread: ThreadRecord) -> bool:
    """Return whether a thread's messages have the tool ``kernel``."""
    tools = thread.get("tools")
    return tools is not None and KERNEL in (tools["names"] or ())


class OfferedTools(Mapping[str, KernelTool]):
    """The functions of this kernel that the models of a thread may call, by name."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox

    def _functions(self) -> dict[str, KernelTool]:
        return {name: tool for name, tool in self._toolbox.tools.items() if tool.is_function}

    def __getitem__(self, name: str) -> KernelTool:
        return self._functions()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions())

    def __len__(self) -> int:
        return len(self._functions())

    def __repr__(self) -> str:
        functions = (f"{name} ({tool.effect})" for name, tool in self.items())
        return f"<tools: {', '.join(functions) or 'none'}>"

    def remove(self, name: str) -> None:
        """Stop offering a function. Its open calls then wait for another kernel.

        Raises:
            KeyError: no function of this name is offered.
        """
        if name not in self._functions():
            raise KeyError(name)
        current().command(self._toolbox.change(remove=[name]))


class ToolMethods:
    """The methods of a chat for the tools of its kernel."""

    _thread_id: str
    _inbox: Inbox

    @overload
    def tool(self, function: Function, /) -> Function: ...

    @overload
    def tool(
        self,
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        effect: ToolEffect = "run",
        idempotent: bool = False,
    ) -> Callable[[Function], Function]: ...

    def tool(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        description: str | None = None,
        effect: ToolEffect = "run",
        idempotent: bool = False,
    ) -> Any:
        """Let the models of this thread call a function. Use it as a decorator.

        The function runs in this kernel, between two cells or while ``ask`` waits, one call at a
        time. Registering the same name again replaces the function.

        Args:
            name: the tool's name; None: the function's name.
            description: the description for models; None: the docstring's first paragraph.
            effect: ``"run"`` and ``"change"`` ask you before each call; ``"read"`` does not ask.
            idempotent: whether a second execution does no harm. If the kernel dies during a
                call, only a call of an idempotent function is repeated.

        Raises:
            WrongCall: a model cannot call this function; the error tells why.
        """

        def register(function: Function) -> Function:
            tool = function_tool(
                function, name=name, description=description, effect=effect, idempotent=idempotent
            )
            watch_cells()
            current().command(self._toolbox().change([tool]))
            return function

        return register if function is None else register(function)

    @property
    def tools(self) -> OfferedTools:
        """The functions that this kernel offers to the models of this thread."""
        return OfferedTools(self._toolbox())

    def offer_kernel(self) -> None:
        """Let the models of this thread read the kernel's variables and, with consent, run code.

        The operations ``variables`` and ``inspect`` of the tool ``kernel`` read without asking.
        ``evaluate`` and ``run`` execute code, and ask before each call.
        """
        watch_cells()
        current().command(self._switch_kernel_on())

    async def _switch_kernel_on(self) -> None:
        link = current()
        await self._toolbox().change([kernel_tool()])
        path = f"threads/{path_of(self._thread_id)}"
        thread: ThreadRecord = await link.request("GET", path)
        if not names_kernel(thread):
            old_tools: ThreadTools = thread.get("tools") or {"mode": "ask", "names": None}
            new_tools: ThreadTools = {**old_tools, "names": [*(old_tools["names"] or ()), KERNEL]}
            await link.request("PATCH", path, {"tools": new_tools})

    def _toolbox(self) -> Toolbox:
        return toolbox_of(current(), self._thread_id, self._inbox)

    def _offer_kernel_here(self, is_used: bool) -> None:
        """Offer the tool ``kernel``. A thread uses it only if the thread's list names it.

        Failures are ignored, so that the chat is made anyway; ``offer_kernel`` reports them.
        """
        if shell_of_kernel() is None:
            return
        watch_cells()
        current().command(_offer_soon(self._toolbox(), OFFERED_WITHIN_S if is_used else 0))


async def _offer_soon(toolbox: Toolbox, within_s: float) -> None:
    """Begin to offer the tool ``kernel``, and wait ``within_s`` for the server's answer."""
    task = asyncio.ensure_future(toolbox.change([kernel_tool()], may_be_late=True))
    task.add_done_callback(_note_refusal)
    await asyncio.wait([task], timeout=within_s)


def _note_refusal(task: asyncio.Future[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        code = error.code if isinstance(error, ChatStreamError) else type(error).__name__
        LOG.info(Line("tool.kernel_not_offered", code=code))
