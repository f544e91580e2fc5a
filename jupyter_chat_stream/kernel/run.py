"""``Run``: the state, the events, the end and the view of one answer.

Properties read the follower's state and never touch the network. Every method that uses the network
is a coroutine on the link's loop; ``cancel`` waits for it, ``acancel`` awaits it. Leaving a wait or
an iteration does not stop the run; only ``cancel`` does (L8).
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Generator, Iterator
from datetime import datetime
from typing import Any

from ..shared.endings import is_refused
from ..shared.errors import RequestNotOpen, ServerUnavailable
from ..shared.events import ENDS, Event, MessageWritten, parse
from ..shared.records import Failure, MessageRecord, RunRecord, Usage
from .failure import RunFailed
from .follower import GIVE_UP_S, Follower, wait_briefly
from .link import Hold, Link, current, path_of
from .messages import Message
from .output import MimeBundle, bundle
from .questions import Question, not_open, open_question
from .rest import TIMEOUT_S
from .times import from_wire

PAGE_WAIT_S = 20


class ThreadMember:
    """An object of one thread that uses the thread's follower, also after a fork."""

    _thread_id: str

    def _follow_with(self, hold: Hold) -> None:
        self._pid = os.getpid()
        self._hold = hold

    @property
    def _follower(self) -> Follower:
        if self._pid != os.getpid():
            link = current()
            self._follow_with(link.run(link.follow(self._thread_id)))
        return self._hold.follower


async def read_page(thread_id: str, after: int, wait_s: int) -> list[Event]:
    """Read the events after a cursor; wait at most ``wait_s`` for the first one.

    A slow caller reads the later events from the store; nothing is buffered here (L8).
    """
    wait = f"&wait={wait_s}" if wait_s else ""
    path = f"threads/{path_of(thread_id)}/events?after={after}&raw=1{wait}"
    page = await current().request("GET", path, timeout_s=wait_s + TIMEOUT_S, patience_s=GIVE_UP_S)
    events = []
    for wire in page["events"]:
        event = parse(wire)
        if event.seq == after + 1:
            events.append(event)
            after = event.seq
    return events


class EventPages:
    """The events of a thread after a cursor, page by page; with a run, up to the run's end."""

    def __init__(self, follower: Follower, after: int, run: Run | None = None) -> None:
        self._follower = follower
        self._run = run
        self._after = after
        self._wait_s = 0

    async def next(self) -> list[Event] | None:
        """Return the next events in order, none twice; None after the last one."""
        while True:
            events = await read_page(self._follower.thread_id, self._after, self._wait_s)
            # After the run's end no event of it can come: later ones belong to other runs.
            has_ended = self._run is not None and self._run.is_ended
            self._wait_s = 0 if has_ended else PAGE_WAIT_S
            if events:
                self._after = events[-1].seq
                return events if self._run is None else [*filter(self._run._owns, events)]
            if self._run is not None:
                await self._follower.until(lambda: self._follower.seq >= self._after or None)
                if self._run.is_ended and self._after >= self._run.seq:
                    return None


class Run(ThreadMember):
    """The making of one answer, in the background of the server."""

    def __init__(
        self,
        hold: Hold,
        run: RunRecord,
        reply: MessageRecord | None = None,
        user_message: MessageRecord | None = None,
    ) -> None:
        self._thread_id: str = run["thread_id"]
        self.id: str = run["id"]
        self._run, self._reply = run.copy(), reply
        parent = hold.follower.message(reply["parent_id"]) if reply else None
        self._user_message = user_message or (
            parent if parent and parent["role"] == "user" else None
        )
        # The last event of the question: its sending or its delivery. All events of its answers
        # come later. The seq of a reply is no bound, because it grows.
        self._start_cursor = self._user_message["seq"] - 1 if self._user_message else 0
        self._follow_with(hold)

    # ------------------------------------------------------------------ state

    def _state(self) -> RunRecord:
        self._run = self._follower.run(self.id) or self._run
        return self._run

    def _message(self) -> MessageRecord | None:
        self._reply = self._follower.message(self._run["message_id"]) or self._reply
        return self._reply

    @property
    def thread(self) -> str:
        """The id of the thread this run belongs to."""
        return self._thread_id

    @property
    def status(self) -> str:
        """One of pending, processing, waiting, completed, failed, cancelled, interrupted."""
        return str(self._state()["status"])

    @property
    def phase(self) -> str | None:
        """The present step of the run; None after its end."""
        return self._state()["phase"]

    @property
    def wake_at(self) -> datetime | None:
        """The time until which the run waits, in local time; None if it waits for no time."""
        return from_wire(self._state()["wake_at"])

    @property
    def question(self) -> Question | None:
        """The open question to a person; None if there is none."""
        return open_question(self._state(), self._message())

    @property
    def is_ended(self) -> bool:
        return self.status in ENDS

    @property
    def is_refused(self) -> bool:
        """Whether the model or its provider declined to answer."""
        message = self._message()
        return message is not None and is_refused(message)

    @property
    def model(self) -> str | None:
        return self._state()["model"]

    @property
    def error(self) -> Failure | None:
        """Why the run failed: ``{code, message, retryable}``."""
        return self._state()["error"]

    @property
    def content(self) -> str:
        """The text so far."""
        message = self._message()
        return str(message["content"]) if message else ""

    @property
    def usage(self) -> Usage | None:
        """The tokens of the run, once the provider has reported them."""
        message = self._message()
        return message["usage"] if message else None

    @property
    def seq(self) -> int:
        """The last event of this run that has arrived here."""
        message = self._message()
        return int(message["seq"]) if message else 0

    @property
    def reply(self) -> Message | None:
        """The answer as it is now."""
        message = self._message()
        return Message.from_wire(message) if message else None

    def __repr__(self) -> str:
        return f"Run({self.status})"

    def _repr_mimebundle_(self, **_: Any) -> MimeBundle:
        reply = self._message()
        exchange = [message for message in (self._user_message, reply) if message]
        return bundle(self._thread_id, exchange, self.id)

    def _owns(self, event: Event) -> bool:
        """Return whether an event belongs to this run, or to the message that the run answers."""
        if event.run_id is not None:
            return event.run_id == self.id
        body = event.body
        return isinstance(body, MessageWritten) and bool(
            self._user_message and body.message["id"] == self._user_message["id"]
        )

    # ------------------------------------------------------------------ its end

    def wait(self, timeout: float | None = None) -> Run:
        """Wait for the end of the run, whatever its status, and return the run.

        Raises:
            TimeoutError: the run has not ended within ``timeout`` seconds. It continues.
        """
        current().watch(self._until_ended(timeout))
        return self

    def __await__(self) -> Generator[Any, None, Run]:
        yield from current().arun(self._until_ended(None)).__await__()
        return self

    async def _until_ended(self, timeout: float | None) -> None:
        try:
            self._run = await asyncio.wait_for(self._follower.wait_for_end(self.id), timeout)
        except TimeoutError:
            raise TimeoutError(
                f"Run {self.id!r} has not ended within {timeout} s; it goes on. "
                "Wait again with run.wait(), or stop it with run.cancel()."
            ) from None

    def _completed_reply(self, shown_in: str | None = None) -> Message:
        """Return the whole answer of a run that has ended; raises RunFailed if it is not whole."""
        message = self._message()
        if message is not None and self.status == "completed":
            return Message.from_wire(message, shown_in)
        raise RunFailed(run=self)

    # ------------------------------------------------------------------ its question

    def next_question(self, timeout: float | None = None) -> Question | None:
        """Wait for a question of the run and return it; None if the run ends without one.

        Raises:
            TimeoutError: neither happened within ``timeout`` seconds. The run continues.
        """
        return current().watch(self._until_asked(timeout))

    async def anext_question(self, timeout: float | None = None) -> Question | None:
        """Wait for a question of the run and return it. See ``next_question``."""
        return await current().arun(self._until_asked(timeout))

    async def _until_asked(self, timeout: float | None) -> Question | None:
        def ready() -> tuple[Question | None] | None:
            question = self.question
            return (question,) if question is not None or self.is_ended else None

        try:
            return (await asyncio.wait_for(self._follower.until(ready), timeout))[0]
        except TimeoutError:
            raise TimeoutError(
                f"Run {self.id!r} ({self.status}) has asked nothing within {timeout} s; it goes on."
            ) from None

    def answer(self, value: Any) -> Run:
        """Answer the open question, so that the run continues. The first answer counts.

        Raises:
            RequestNotOpen: there is no open question, or another person answered first. Then
                ``error.facts`` has that ``value`` and, as ``by``, the person.
        """
        return current().command(self._answer(value))

    async def aanswer(self, value: Any) -> Run:
        """Answer the open question, so that the run continues. The first answer counts."""
        return await current().acommand(self._answer(value))

    async def _answer(self, value: Any) -> Run:
        question = self.question
        if question is None:
            raise not_open(self._state(), self._message())
        try:
            await self._give(question, value)
        except RequestNotOpen:
            await self._until_closed(question)
            raise
        await self._until_closed(question)
        return self

    async def _until_closed(self, question: Question) -> None:
        await wait_briefly(self._follower.until(lambda: self.question != question or None))

    async def _give(self, question: Question, value: Any) -> None:
        path = f"runs/{path_of(self.id)}/input"
        body = {"request_id": question.request_id, "value": value}
        try:
            await current().request("POST", path, body, repeatable=False)
        except ServerUnavailable:
            # The first request may have arrived. Then the second is refused with the same value.
            try:
                await current().request("POST", path, body)
            except RequestNotOpen as error:
                if error.facts.get("value") != value:
                    raise

    # ------------------------------------------------------------------ its events

    def events(self, after: int = 0) -> Iterator[Event]:
        """Iterate over this run's events after a cursor, then over new ones, to the end."""
        pages = EventPages(self._follower, max(after, self._start_cursor), self)
        while (events := current().watch(pages.next())) is not None:
            yield from events
            if events and events[-1].type == "finalized":
                return

    async def aevents(self, after: int = 0) -> AsyncIterator[Event]:
        """Iterate over this run's events after a cursor, then over new ones, to the end."""
        pages = EventPages(self._follower, max(after, self._start_cursor), self)
        while (events := await current().arun(pages.next())) is not None:
            for event in events:
                yield event
            if events and events[-1].type == "finalized":
                return

    # ------------------------------------------------------------------ commands

    def cancel(self) -> Run:
        """Stop the run and keep its text. A run that has ended does not change."""
        return current().command(self._cancel())

    async def acancel(self) -> Run:
        """Stop the run and keep its text. A run that has ended does not change."""
        return await current().acommand(self._cancel())

    async def _cancel(self) -> Run:
        self._run = await current().request("POST", f"runs/{path_of(self.id)}/cancel", {})
        await wait_briefly(self._follower.wait_for_end(self.id))
        return self

    def retry(self, *, model: str | None = None) -> Run:
        """Make another answer to the same message, beside this one.

        Args:
            model: the model of the new answer, as ``provider/model``. None: the same model.

        Raises:
            RunNotEnded: this run has not ended.
        """
        return current().command(self._again("retry", model))

    async def aretry(self, *, model: str | None = None) -> Run:
        """Make another answer to the same message, beside this one."""
        return await current().acommand(self._again("retry", model))

    def continue_(self) -> Run:
        """Continue the text of this answer.

        Raises:
            RunNotEnded: this run has not ended.
            RunRefused: the model declined to answer.
        """
        return current().command(self._again("continue"))

    async def acontinue(self) -> Run:
        """Continue the text of this answer."""
        return await current().acommand(self._again("continue"))

    async def _again(self, action: str, model: str | None = None) -> Run:
        link: Link = current()
        path = f"runs/{path_of(self.id)}/{action}"
        headers = {"Idempotency-Key": secrets.token_urlsafe(16)}
        body = {} if model is None else {"model": model}
        answer = await link.request("POST", path, body, headers=headers)
        hold = await link.follow(self._thread_id, answer["reply"]["id"])
        return Run(hold, answer["run"], answer["reply"])
