"""The tools of one thread in this process, and the execution of their calls.

::

    the log shows an open call ──► a job in the inbox of the chat's thread
    the thread is free         ──► claim ──► execute ──► result

A call is claimed only when the chat's thread is free, so until then another kernel may take it.
All chats of a thread share its toolbox. The toolbox follows the thread as long as it offers
functions; if it offers only the tool ``kernel``, it ends with the last chat of the thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import threading
import weakref
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

from ...shared.errors import ChatStreamError, ServerUnavailable
from ..follower import Follower
from ..inbox import Inbox, wait
from ..link import Hold, Link
from .busy import shown_busy
from .claims import AGAIN, KernelCall, OpenCall, claim, is_over, open_calls
from .execution import CallExecution
from .failures import BY_EXIT, BY_PERSON, BY_WAIT, failure_text
from .function import KernelTool
from .labels import label_of_process
from .offers import KernelOffer
from .schema import InputRefused

LOG = logging.getLogger(__name__)
_EXECUTOR = secrets.token_hex(8)  # the process's id is added: a forked child is another executor

ClaimedTool = tuple[KernelTool, KernelCall]  # the tool of a call, and the claim

T = TypeVar("T")


class Toolbox:
    """The tools that this process offers in one thread. Its state belongs to the link's loop."""

    def __init__(self, link: Link, thread_id: str, inbox: Inbox) -> None:
        self.thread_id = thread_id
        self.tools: dict[str, KernelTool] = {}
        self.label = label_of_process()
        self._link = link
        self._inbox = inbox
        self.hold: Hold | None = None  # set while the toolbox offers functions
        self._follower: weakref.ref[Follower] | None = None
        self._offer = KernelOffer(thread_id, f"{_EXECUTOR}-{os.getpid()}", self.label)
        self.under_way: set[str] = set()  # calls that have a job here
        self.claim_seqs: dict[str, int] = {}  # the seq before the claim of a call
        self._tries: dict[str, int] = {}  # failed claims of open calls
        self._change_lock = asyncio.Lock()

    # ------------------------------------------------------------------ the offer

    async def change(
        self,
        add: Iterable[KernelTool] = (),
        remove: Iterable[str] = (),
        *,
        may_be_late: bool = False,
    ) -> None:
        """Replace the offered tools, and wait until the server has accepted them.

        Args:
            may_be_late: whether the offer stays, and is sent again, if no answer comes in time.

        Raises:
            ChatStreamError: the server refused the tools. The old offer stays.
        """
        async with self._change_lock:
            await self._change(add, remove, may_be_late)
        self.look()

    async def _change(
        self, add: Iterable[KernelTool], remove: Iterable[str], may_be_late: bool
    ) -> None:
        old_tools = dict(self.tools)
        self.tools.update({tool.name: tool for tool in add})
        for name in remove:
            self.tools.pop(name, None)
        hold = await self._link.follow(self.thread_id)
        try:
            self.use(hold.follower)
            self._announce()
            await self._wait_for_server()
        except ChatStreamError as error:
            if not (may_be_late and isinstance(error, ServerUnavailable)):
                self.tools = old_tools
                self._announce()
            raise
        finally:
            self._keep(hold)

    def _keep(self, hold: Hold) -> None:
        """Keep ``hold`` if there are functions, and release the earlier hold."""
        has_functions = any(tool.is_function for tool in self.tools.values())
        old_hold, self.hold = self.hold, hold if has_functions else None
        for unused_hold in (old_hold, None if has_functions else hold):
            if unused_hold is not None:
                unused_hold.leave()

    def use(self, follower: Follower) -> None:
        """Watch the calls of a follower; called again when the thread gets a new follower."""
        if self._follower is None or self._follower() is not follower:
            self._follower = weakref.ref(follower)
            follower.listen(self._note_change)  # the follower keeps the toolbox alive
            follower.offer = self._offer

    def _announce(self) -> None:
        self._offer.replace([tool.definition for tool in self.tools.values()])
        follower = self._follower() if self._follower is not None else None
        if follower is not None:
            self._link.offer(follower)

    async def _wait_for_server(self) -> None:
        try:
            await self._offer.wait_for_answer()
        except TimeoutError:
            raise ServerUnavailable(
                "The chat's server does not take the tools of this kernel. Is JupyterLab running, "
                "with the same version of jupyter-chat-stream as in this kernel?",
                thread_id=self.thread_id,
            ) from None

    # ------------------------------------------------------------------ the calls

    def _note_change(self, urgent: bool) -> None:
        if urgent:
            self.look()

    def look(self) -> None:
        """Put a job for each open call into the inbox."""
        follower = self._follower() if self._follower is not None else None
        if follower is None or follower.offer is not self._offer:
            return
        calls = list(open_calls(follower, self.tools))
        open_ids = {call.tool_call_id for call in calls}
        self.claim_seqs = {id_: seq for id_, seq in self.claim_seqs.items() if id_ in open_ids}
        self._tries = {id_: n for id_, n in self._tries.items() if id_ in open_ids}
        for call in calls:
            is_new = self.claim_seqs.get(call.tool_call_id, -1) < follower.seq
            if is_new and call.tool_call_id not in self.under_way:
                self.under_way.add(call.tool_call_id)
                self._inbox.add(CallJob(self, call))

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin work on the link's loop. Any thread may call this."""
        return self._link.start(work)

    async def begin(self, call: OpenCall) -> ClaimedTool | None:
        """Claim a call when the thread is free; None if the claim fails."""
        follower = self._follower() if self._follower is not None else None
        tool = self.tools.get(call.name)
        if follower is None or tool is None or is_over(follower, call):
            self.under_way.discard(call.tool_call_id)
            return None
        self.claim_seqs[call.tool_call_id] = follower.seq
        try:
            claimed = await claim(self._link, self.thread_id, call, self.label)
        except Exception as error:  # noqa: BLE001 - whatever it was, the call may still be open
            LOG.info(call.line("tool.claim_failed", type(error).__name__))
            self._try_again(call)
            return None
        if claimed is None:
            self._note_end(call)
            return None
        return tool, claimed

    def _try_again(self, call: OpenCall) -> None:
        """Make another job for the call after a pause, if the call is still open."""
        self.under_way.discard(call.tool_call_id)
        self.claim_seqs.pop(call.tool_call_id, None)
        tries = self._tries.get(call.tool_call_id, 0)
        self._tries[call.tool_call_id] = tries + 1
        asyncio.get_running_loop().call_later(AGAIN.pause_s(tries), self.look)

    def allow_again(self, call: OpenCall) -> None:
        """Allow another job for the call, if the log opens it again. Any thread may call this."""
        self._link.call_soon(self._note_end, call)

    def _note_end(self, call: OpenCall) -> None:
        # The call may be open again since the claim, for example after its process was stopped.
        self.under_way.discard(call.tool_call_id)
        self.look()


class CallJob:
    """One call, as a job in the inbox of the chat's thread."""

    def __init__(self, toolbox: Toolbox, call: OpenCall) -> None:
        self._toolbox = toolbox
        self._call = call
        self._claim_future: Future[ClaimedTool | None] | None = None
        self._is_taken_over = False  # whether `take_over` has replaced `arun`
        self._in_loop: tuple[KernelCall, CallExecution] | None = None  # set by `arun`

    def run(self) -> None:
        """Claim and execute the call while the thread waits in ``watch``."""
        future = self._claim()
        try:
            result = wait(future)
        except KeyboardInterrupt:
            future.add_done_callback(self._give_up)
            raise
        if result is None:
            return
        tool, claimed = result
        with self._ending_claim(claimed):
            execution = self._execution(tool, claimed)
            outcome = execution.run()
            claimed.finish(outcome.success, outcome.output, execution.files.contents)
        if outcome.is_interrupted:
            raise KeyboardInterrupt  # the person wants to interrupt the cell, too

    async def arun(self) -> None:
        """Claim and execute the call on the thread's running loop."""
        if self._is_taken_over:
            return
        future = self._claim()
        try:
            result = await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            if not self._is_taken_over:
                future.add_done_callback(self._give_up)
            return
        if result is None or self._is_taken_over:
            return
        tool, claimed = result
        try:
            with self._ending_claim(claimed):
                await self._execute_in_loop(tool, claimed)
        except BaseException as error:  # noqa: BLE001 - the model is told; the kernel's loop goes on
            LOG.warning(self._call.line("tool.failed", type(error).__name__))

    def take_over(self, is_long: bool) -> None:
        """Replace ``arun``: execute a call that has not begun, and stop one that needs the loop."""
        if self._is_taken_over:
            return
        if self._in_loop is None:
            self._is_taken_over = True
            self.run()
        elif is_long:
            self._is_taken_over = True
            claimed, execution = self._in_loop
            claimed.finish(False, BY_WAIT)
            execution.stop()  # the function is cancelled when the loop is free

    def _claim(self) -> Future[ClaimedTool | None]:
        if self._claim_future is None:
            self._claim_future = self._toolbox.start(self._toolbox.begin(self._call))
        return self._claim_future

    async def _execute_in_loop(self, tool: KernelTool, claimed: KernelCall) -> None:
        with shown_busy():
            execution = self._execution(tool, claimed)
            self._in_loop = claimed, execution
            outcome = await execution.arun()
            claimed.finish(outcome.success, outcome.output, execution.files.contents)

    @contextmanager
    def _ending_claim(self, claimed: KernelCall) -> Iterator[None]:
        """End the claim with the block; an error of the block becomes a failed result."""
        try:
            yield
        except (KeyboardInterrupt, asyncio.CancelledError, SystemExit) as error:
            is_person = isinstance(error, KeyboardInterrupt)
            claimed.finish(False, BY_PERSON if is_person else BY_EXIT)
            raise
        except BaseException as error:
            claimed.finish(False, failure_text(error, claimed.conceal))
            raise
        finally:
            self._toolbox.allow_again(self._call)

    def _execution(self, tool: KernelTool, claimed: KernelCall) -> CallExecution:
        is_same = claimed.digest in (None, tool.digest)
        if not is_same or tool.effect_of(self._call.input) != self._call.effect:
            tool = replace(tool, prepare=_refuse_changed)
        execution = CallExecution(tool, self._call.input, claimed.write, claimed.conceal)
        claimed.on_lost = execution.stop
        if claimed.is_lost:
            execution.stop()
        return execution

    def _give_up(self, future: Future[ClaimedTool | None]) -> None:
        """Tell the model that the person interrupted a call before it began."""
        result = None if future.cancelled() or future.exception() else future.result()
        if result is not None:
            result[1].finish(False, BY_PERSON)
            self._toolbox.allow_again(self._call)


def _refuse_changed(call_input: Any) -> NoReturn:
    """Refuse a call whose function has changed since the consent (L13)."""
    raise InputRefused(
        "The function was registered again with another effect or definition after this call was "
        "allowed, so it was not called. Call it once more."
    )


_toolboxes: weakref.WeakKeyDictionary[Link, weakref.WeakValueDictionary[str, Toolbox]]
_toolboxes = weakref.WeakKeyDictionary()
_guard = threading.RLock()


def toolbox_of(link: Link, thread_id: str, inbox: Inbox) -> Toolbox:
    """Return the toolbox of a thread, which exists while this process follows the thread."""
    with _guard:
        boxes = _toolboxes.setdefault(link, weakref.WeakValueDictionary())
        box = boxes.get(thread_id)
        if box is None:
            box = boxes[thread_id] = Toolbox(link, thread_id, inbox)
        return box
