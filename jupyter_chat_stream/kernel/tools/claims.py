"""The open calls in a thread's log, and one call that this process has claimed.

Everything runs on the link's loop, except ``write`` and ``finish``, which the call's own thread
uses. A claim is lost only if the server answers that the call is not open any more; other
failures may be temporary.

::

    open ──claim──► claimed ──finish──► output sent ──► result sent
                       │ └─ the run ends, or the claim is lost: `on_lost` is called, no result sent
                       └─ renewed every third of the lease, however long the function takes
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from ...shared import parts
from ...shared.backoff import Backoff
from ...shared.errors import (
    AttachmentNotFound,
    AttachmentTooLarge,
    ChatStreamError,
    ConsentNeeded,
    InvalidInput,
    NotFound,
    StoreError,
    ToolCallNotOpen,
)
from ...shared.events import ENDS
from ...shared.json_objects import JsonObject, JsonView
from ...shared.logs import Line
from ...shared.tool_outputs import with_notes
from ...shared.tool_records import ToolEffect
from ..attachments.content import Content
from ..attachments.transfer import upload
from ..follower import Follower
from ..link import Hold, Link, path_of
from ..times import from_wire
from .keys import Concealer

LOG = logging.getLogger(__name__)
OUTPUT_EVERY_S = 0.2
OUTPUT_CHARS = 16_000  # in one request
MAX_OUTPUT_CHARS = 200_000  # of one call; the server takes 256 kB
MORE_OUTPUT = "\n… (more output is left out)\n"
RENEW_AT_MOST_EVERY_S = 10.0
RENEW_AT_LEAST_EVERY_S = 0.5
PATIENCE_S = 600.0  # how long a result is sent again while the server or database is away
T = TypeVar("T")
AGAIN = Backoff(first_s=0.2, max_s=10.0, jitter=(0.5, 1.0))


@dataclass(frozen=True, kw_only=True)
class OpenCall:
    """A call in the log that an executor may claim."""

    run_id: str
    tool_call_id: str
    name: str
    input: Any
    effect: ToolEffect | None
    """The effect that the consent has allowed."""

    @property
    def path(self) -> str:
        return path_of("runs", self.run_id, "tools", self.tool_call_id)

    def line(self, event: str, code: str) -> Line:
        """Return a line for the log, without any text of the call."""
        return Line(event, run=self.run_id, call=self.tool_call_id, code=code)


def open_calls(follower: Follower, names: Collection[str]) -> Iterator[OpenCall]:
    """List the allowed calls of these tools that no executor has claimed."""
    for run in follower.runs():
        if run["status"] in ENDS:
            continue
        message = follower.message(run["message_id"])
        for call in parts.open_calls(message["parts"] if message else ()):
            is_allowed = call["where"] == "kernel" and call.get("allowed")
            if is_allowed and not call.get("executor") and call["name"] in names:
                yield OpenCall(
                    run_id=run["id"],
                    tool_call_id=call["tool_call_id"],
                    name=call["name"],
                    input=call.get("input"),
                    effect=call.get("effect"),
                )


def is_over(follower: Follower, call: OpenCall) -> bool:
    """Return whether the log has a result of a call, or the end of its run."""
    run = follower.run(call.run_id)
    if run is None:
        return False
    if run["status"] in ENDS:
        return True
    message = follower.message(run["message_id"])
    return message is not None and parts.result_of(message["parts"], call.tool_call_id) is not None


async def claim(link: Link, thread_id: str, call: OpenCall, executor: str) -> KernelCall | None:
    """Claim a call for this process; None if the call is not open any more.

    Raises:
        ChatStreamError: the claim failed, but the call may still be open for another try.
    """
    hold = await link.follow(thread_id)
    try:
        # The request is not repeated: if its answer is lost, the claim expires (L14).
        answer = await link.request(
            "POST", f"{call.path}/claim", {"executor": executor}, repeatable=False
        )
        return KernelCall(link, hold, call, executor, answer)
    except ChatStreamError as error:
        hold.leave()
        LOG.info(call.line("tool.not_claimed", error.code))
        if isinstance(error, ToolCallNotOpen | ConsentNeeded | NotFound):
            return None
        raise


class KernelCall:
    """A call that this process executes."""

    def __init__(
        self, link: Link, hold: Hold, call: OpenCall, executor: str, answer: JsonView
    ) -> None:
        self.call = call
        self.is_lost = False
        self.on_lost: Callable[[], None] = lambda: None
        self._link = link
        self._hold = hold
        self._executor = executor
        self._claim = answer["claim"]
        self.digest: str | None = answer.get("digest")
        """The digest of the definition that the consent has allowed."""
        self._every_s = _renewal_s(answer.get("until"))
        self._concealer = Concealer()
        self._lock = threading.Lock()
        self._text = ""  # output that is not sent yet
        self._remaining_chars = MAX_OUTPUT_CHARS
        self._output_count = 0  # requests with output
        self._is_finished = asyncio.Event()
        self._outcome: tuple[bool, Any] | None = None
        self._files: tuple[Content, ...] = ()
        self._hold.follower.listen(self._look)
        self._task = asyncio.get_running_loop().create_task(self._keep())
        self._task.add_done_callback(self._note_end)

    # ------------------------------------------------------------------ called by the call's thread

    def conceal(self, text: str) -> str:
        return self._concealer.concealed(text)

    def write(self, text: str) -> None:
        """Add output. Output beyond ``MAX_OUTPUT_CHARS`` is replaced by one sentence."""
        with self._lock:
            if self._remaining_chars <= 0:
                return
            part = text[: self._remaining_chars]
            self._remaining_chars -= len(part)
            self._text += part
            if self._remaining_chars <= 0:
                self._text += MORE_OUTPUT

    def finish(self, success: bool, output: Any, files: Sequence[Content] = ()) -> None:
        """Send the result after all output, without waiting. Only the first result counts."""
        if self._outcome is None:
            self._outcome, self._files = (success, output), tuple(files)
        self._link.call_soon(self._is_finished.set)

    # ------------------------------------------------------------------ on the link's loop

    def _look(self, urgent: bool) -> None:
        if urgent and not self._is_finished.is_set() and is_over(self._hold.follower, self.call):
            self._lose("over")

    def _lose(self, code: str) -> None:
        if not self.is_lost:
            self.is_lost = True
            LOG.info(self.call.line("tool.claim_lost", code))
            self.on_lost()

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._hold.follower.ignore(self._look)
        self._hold.leave()
        if not task.cancelled() and task.exception() is not None:
            self._lose(type(task.exception()).__name__)

    async def _keep(self) -> None:
        """Renew the claim and send output until the call is finished, then send the result."""
        loop = asyncio.get_running_loop()
        renewal = loop.create_task(self._renew())
        try:
            while not self._is_finished.is_set():
                try:
                    await asyncio.wait_for(self._is_finished.wait(), OUTPUT_EVERY_S)
                except TimeoutError:
                    pass
                await self._send_output(is_last=self._is_finished.is_set())
            await self._send_result()
        finally:
            renewal.cancel()

    async def _renew(self) -> None:
        while not self.is_lost:
            await asyncio.sleep(self._every_s)
            body = {"executor": self._executor, "claim": self._claim}
            try:
                answer = await self._link.request("POST", f"{self.call.path}/claim", body)
                self._every_s = _renewal_s(answer.get("until"))
            except ChatStreamError as error:
                if _is_claim_lost(error):
                    self._lose(error.code)
                # Otherwise the claim stays valid until its lease ends.

    async def _send_output(self, *, is_last: bool) -> None:
        while not self.is_lost:
            text = self._take(is_last)
            if not text:
                return
            body = {"claim": self._claim, "n": self._output_count, "text": text}
            try:
                await self._send("output", body)
                self._output_count += 1
            except ChatStreamError as error:
                if _is_claim_lost(error):
                    self._lose(error.code)
                else:
                    LOG.info(self.call.line("tool.output_refused", error.code))

    async def _send(self, action: str, body: JsonView) -> None:
        path = f"{self.call.path}/{action}"
        await self._patiently(lambda: self._link.request("POST", path, body, patience_s=PATIENCE_S))

    async def _upload(self, content: Content) -> str:
        record = await self._patiently(lambda: upload(self._link, content, patience_s=PATIENCE_S))
        return str(record["id"])

    async def _patiently(self, request: Callable[[], Awaitable[T]]) -> T:
        """Send a request; repeat it while the server or its database is away."""
        start, tries = time.monotonic(), 0
        while True:
            try:
                return await request()
            except StoreError:
                if self.is_lost or time.monotonic() - start > PATIENCE_S:
                    raise
            await asyncio.sleep(AGAIN.pause_s(tries))
            tries += 1

    def _take(self, is_last: bool) -> str:
        with self._lock:
            text, self._text = self._text, ""
            held_back_chars = 0 if is_last else self._concealer.held_back(text)
            concealed_text = self._concealer.concealed(text[: len(text) - held_back_chars])
            self._text = concealed_text[OUTPUT_CHARS:] + text[len(text) - held_back_chars :]
        return (
            concealed_text[:OUTPUT_CHARS].encode(errors="replace").decode().replace("\0", "\ufffd")
        )

    async def _send_result(self) -> None:
        if self.is_lost or self._outcome is None:
            return
        success, output = self._outcome
        ids: list[str] = []
        try:
            notes = await self._send_files(ids)
            body = {"claim": self._claim, "success": success, "output": with_notes(output, notes)}
            if ids:
                body["attachments"] = ids
            try:
                await self._send("result", body)
            except (InvalidInput, AttachmentNotFound) as error:  # the call still needs a result
                await self._send("result", self._without_files(body, error))
                await self._delete_files(ids)
        except ChatStreamError as error:
            # The claim is stale, or an earlier request has arrived but its answer was lost (L12).
            LOG.info(self.call.line("tool.result_refused", error.code))
            await self._delete_files(ids)

    def _without_files(self, body: JsonView, error: ChatStreamError) -> JsonObject:
        """Return the second try of a refused result: without files, or as a failed result."""
        of_files = isinstance(error, AttachmentNotFound | AttachmentTooLarge)
        plain = {name: value for name, value in body.items() if name != "attachments"}
        if of_files or error.facts.get("field") == "attachments":
            return {**plain, "output": with_notes(body["output"], [f"No file was kept: {error}"])}
        return {**plain, "success": False, "output": str(error)}

    async def _send_files(self, ids: list[str]) -> list[str]:
        """Upload the files of the result. Returns a sentence for each refused file."""
        notes = []
        for content in () if self.is_lost else self._files:
            try:
                ids.append(await self._upload(content))
            except ChatStreamError as error:
                notes.append(f"The file {content.name!r} was not kept: {error}")
        return notes

    async def _delete_files(self, ids: Collection[str]) -> None:
        """Delete uploads that no result names. After a failure they expire on the server (L12)."""
        for each in ids:
            try:
                await self._link.request("DELETE", f"attachments/{path_of(each)}")
            except ChatStreamError as error:  # a result names the file, or the server is away
                LOG.info(self.call.line("tool.file_left", error.code))


def _is_claim_lost(error: ChatStreamError) -> bool:
    """Return whether a server's error means that the claim is lost."""
    return isinstance(error, ToolCallNotOpen | NotFound)


def _renewal_s(until: object) -> float:
    """Return the wait before the claim is renewed: a third of its lease."""
    ends = from_wire(until if isinstance(until, str) else None)
    if ends is None:
        return RENEW_AT_MOST_EVERY_S
    remaining_s = (ends - datetime.now(UTC)).total_seconds()
    return min(max(remaining_s / 3, RENEW_AT_LEAST_EVERY_S), RENEW_AT_MOST_EVERY_S)
