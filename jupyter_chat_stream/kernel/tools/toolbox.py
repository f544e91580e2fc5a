"""The tools of one thread in this process, and the execution of their calls.

::

    the log shows an open call ──► a job in the inbox of the chat's thread
    the thread is free         ──► claim ──► execute ──► result

A call is claimed only when the thread is free to begin it: meanwhile another kernel may take it.
All chats of a thread share its toolbox. It keeps following the thread while it has functions; the
tool ``kernel`` alone is offered only as long as a chat follows the thread.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import weakref
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

from ...shared.errors import ChatStreamError, ServerUnavailable
from ..follower import Follower
from ..inbox import Inbox, wait
from ..link import Hold, Link
from .busy import shown_busy
from .claims import KernelCall, OpenCall, claim, is_over, open_calls
from .execution import CallExecution
from .failures import BY_PERSON
from .function import KernelTool
from .labels import label_of_process
from .offers import KernelOffer
from .schema import InputRefused

_EXECUTOR = secrets.token_hex(8)  # with the process's id: a forked child is another executor

T = TypeVar("T")


class Toolbox:
    """What this process offers in one thread. Its state belongs to the link's loop."""

    def __init__(self, link: Link, thread_id: str, inbox: Inbox) -> None:
        self.thread_id = thread_id
        self.tools: dict[str, KernelTool] = {}
        self.label = label_of_process()
        self._link = link
        self._inbox = inbox
        self._hold: Hold | None = None  # while there are functions
        self._follower: weakref.ref[Follower] | None = None
        self._offer = KernelOffer(thread_id, f"{_EXECUTOR}-{os.getpid()}", self.label)
        self._under_way: set[str] = set()  # calls that have a job here
        self._seen: dict[str, int] = {}  # calls that had a job, with the seq at its end

    # ------------------------------------------------------------------ the offer

    async def change(
        self, add: Iterable[KernelTool] = (), remove: Iterable[str] = (), *, is_awaited: bool = True
    ) -> None:
        """Offer other tools, and wait until the server knows that.

        Raises:
            ChatStreamError: the server refused them. The offer is then as it was before.
        """
        before = dict(self.tools)
        self.tools.update({tool.name: tool for tool in add})
        for name in remove:
            self.tools.pop(name, None)
        hold = await self._link.follow(self.thread_id)
        try:
            self._use(hold.follower)
            await self._announce(is_awaited)
        except ChatStreamError:
            self.tools = before
            await self._announce(False)
            raise
        finally:
            self._keep(hold)
        self._look()

    def _keep(self, hold: Hold) -> None:
        """Hold the follower if there are functions; release the hold before this one."""
        has_functions = any(tool.is_function for tool in self.tools.values())
        before, self._hold = self._hold, hold if has_functions else None
        for released in (before, None if has_functions else hold):
            if released is not None:
                released.leave()

    def _use(self, follower: Follower) -> None:
        """See the calls of a follower, which is another one after a thread was followed anew."""
        if self._follower is None or self._follower() is not follower:
            self._follower = weakref.ref(follower)
            follower.listen(self._changed)  # the follower keeps the toolbox alive
            follower.offer = self._offer

    async def _announce(self, is_awaited: bool) -> None:
        self._offer.replace([tool.definition for tool in self.tools.values()])
        follower = self._follower() if self._follower is not None else None
        if follower is None:
            return
        self._link.offer(follower)
        if not is_awaited:
            return
        try:
            await self._offer.known()
        except TimeoutError:
            raise ServerUnavailable(
                "The chat's server does not take the tools of this kernel. Is JupyterLab running, "
                "with the same version of jupyter-chat-stream as in this kernel?",
                thread_id=self.thread_id,
            ) from None

    # ------------------------------------------------------------------ the calls

    def _changed(self, urgent: bool) -> None:
        if urgent:
            self._look()

    def _look(self) -> None:
        """Put a job for each open call into the inbox."""
        follower = self._follower() if self._follower is not None else None
        if follower is None or follower.offer is not self._offer:
            return
        found = list(open_calls(follower, self.tools))
        open_ids = {call.tool_call_id for call in found}
        self._seen = {id_: seq for id_, seq in self._seen.items() if id_ in open_ids}
        for call in found:
            is_new = self._seen.get(call.tool_call_id, -1) < follower.seq
            if is_new and call.tool_call_id not in self._under_way:
                self._under_way.add(call.tool_call_id)
                self._inbox.add(CallJob(self, call))

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin work on the link's loop. Any thread may call this."""
        return self._link.start(work)

    async def begin(self, call: OpenCall) -> KernelCall | None:
        """Claim a call whose turn has come; None if it is not open any more."""
        follower = self._follower() if self._follower is not None else None
        claimed = None
        if follower is not None and call.name in self.tools and not is_over(follower, call):
            claimed = await claim(self._link, self.thread_id, call, self.label)
        if claimed is None:
            self._note_end(call)
        return claimed

    def ended(self, call: OpenCall) -> None:
        """Allow the call to be taken again, if the log opens it again. Any thread may call this."""
        self._link.call_soon(self._note_end, call)

    def _note_end(self, call: OpenCall) -> None:
        # An event after this one may open the call again; the events up to here do not.
        follower = self._follower() if self._follower is not None else None
        self._under_way.discard(call.tool_call_id)
        self._seen[call.tool_call_id] = -1 if follower is None else follower.seq


class CallJob:
    """One call, as a job in the inbox of the chat's thread."""

    def __init__(self, toolbox: Toolbox, call: OpenCall) -> None:
        self._toolbox = toolbox
        self._call = call

    def run(self) -> None:
        """Claim and execute the call while the thread waits in ``watch``."""
        claiming = self._toolbox.start(self._toolbox.begin(self._call))
        try:
            claimed = wait(claiming)
        except KeyboardInterrupt:
            claiming.add_done_callback(self._give_up)
            raise
        if claimed is not None:
            outcome = self._execution(claimed).run()
            claimed.finish(outcome.success, outcome.output)
            self._toolbox.ended(self._call)
            if outcome.is_interrupted:
                raise KeyboardInterrupt  # the person means the cell, too

    async def arun(self) -> None:
        """Claim and execute the call on the thread's running loop."""
        claiming = self._toolbox.start(self._toolbox.begin(self._call))
        try:
            claimed = await asyncio.shield(asyncio.wrap_future(claiming))
        except asyncio.CancelledError:
            claiming.add_done_callback(self._give_up)
            return
        if claimed is not None:
            with shown_busy():
                outcome = await self._execution(claimed).arun()
            claimed.finish(outcome.success, outcome.output)
            self._toolbox.ended(self._call)

    def _execution(self, claimed: KernelCall) -> CallExecution:
        tool = self._toolbox.tools[self._call.name]
        if tool.effect_of(self._call.input) != self._call.effect:
            tool = replace(tool, prepare=_refuse_changed)
        execution = CallExecution(tool, self._call.input, claimed.write, claimed.conceal)
        claimed.lost = execution.stop
        if claimed.is_lost:
            execution.stop()
        return execution

    def _give_up(self, claiming: Future[KernelCall | None]) -> None:
        """Tell the model that the person interrupted a call before it began."""
        claimed = None if claiming.cancelled() or claiming.exception() else claiming.result()
        if claimed is not None:
            claimed.finish(False, BY_PERSON)
        self._toolbox.ended(self._call)


def _refuse_changed(given: Any) -> NoReturn:
    """Refuse a call that was allowed as another one: what it does now, nobody allowed (L13)."""
    raise InputRefused(
        "The function was registered again with another effect after this call was allowed, so it "
        "was not called. Call it once more."
    )


_toolboxes: weakref.WeakKeyDictionary[Link, weakref.WeakValueDictionary[str, Toolbox]]
_toolboxes = weakref.WeakKeyDictionary()
_guard = threading.RLock()


def toolbox_of(link: Link, thread_id: str, inbox: Inbox) -> Toolbox:
    """Return the toolbox of a thread in this process; it lives while the thread is followed."""
    with _guard:
        known = _toolboxes.setdefault(link, weakref.WeakValueDictionary())
        box = known.get(thread_id)
        if box is None:
            box = known[thread_id] = Toolbox(link, thread_id, inbox)
        return box
