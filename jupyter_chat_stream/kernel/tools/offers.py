"""The offer in one thread: the tools that this process executes there.

The offer is sent over each new WebSocket, because the server forgets the offer when a socket
closes. The server answers the frames in their order. Everything runs on the link's loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from ...shared.errors import ChatStreamError
from ...shared.records import WireFrame
from ...shared.tool_records import ToolRecord
from ..wire import error_from_wire

ANSWERED_WITHIN_S = 10.0


class KernelOffer:
    """The tools that this process offers in a thread, and whether the server knows them."""

    def __init__(self, thread_id: str, executor: str, label: str) -> None:
        self._thread_id = thread_id
        self._executor = executor
        self._label = label
        self._tools: Sequence[ToolRecord] = ()
        self._version = 0
        self._pending_versions: deque[int] = deque()  # versions of the frames without an answer
        self._answered_version = 0
        self._error: ChatStreamError | None = None
        self._answer_event = asyncio.Event()  # another one after each answer

    def replace(self, tools: Sequence[ToolRecord]) -> None:
        self._tools = tools
        self._version += 1

    @property
    def is_empty(self) -> bool:
        return not self._tools

    def note_new_socket(self) -> None:
        """Note that the socket is new, so that frames of the old socket get no answer any more."""
        self._pending_versions.clear()

    def request(self) -> WireFrame:
        """Return the frame that makes the offer."""
        self._pending_versions.append(self._version)
        return self._frame(self._tools)

    def withdrawal(self) -> WireFrame:
        """Return the frame that withdraws the offer. Nobody waits for its answer."""
        self._pending_versions.append(0)
        return self._frame(())

    def _frame(self, tools: Sequence[ToolRecord]) -> WireFrame:
        return {
            "op": "offer",
            "thread": self._thread_id,
            "executor": self._executor,
            "label": self._label,
            "where": "kernel",
            "tools": list(tools),
        }

    def take_answer(self, frame: WireFrame) -> None:
        """Take the server's answer to the oldest unanswered frame."""
        if not self._pending_versions:
            return
        self._answered_version = max(self._answered_version, self._pending_versions.popleft())
        is_refused = frame.get("op") == "error"
        self._error = error_from_wire(frame.get("error") or {}) if is_refused else None
        answer_event, self._answer_event = self._answer_event, asyncio.Event()
        answer_event.set()

    async def wait_for_answer(self) -> None:
        """Wait until the server has answered the current offer.

        Raises:
            ChatStreamError: the server refused the offer.
            TimeoutError: no answer came within ``ANSWERED_WITHIN_S``.
        """
        version = self._version
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            while self._answered_version < version:
                await self._answer_event.wait()
        if self._error is not None:
            raise self._error


def is_answer(frame: WireFrame) -> bool:
    """Return whether a frame answers an offer; other frames belong to the subscription."""
    return frame.get("op") == "offered" or frame.get("to") == "offer"
