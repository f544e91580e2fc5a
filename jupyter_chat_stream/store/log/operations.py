"""What the writer is asked for, and what a commit brought: operations and outcomes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from ...shared.events import Body, Event
from ...shared.logs import Line, place_of
from ..sql.driver import Place
from .transaction import RunRef, Transaction

log = logging.getLogger("jupyter_chat_stream.store")

PATIENCE_S = 10.0  # of a command, while the database is away
APPEND_PATIENCE_S = 600.0  # of a run: its provider waits, and nothing is lost


def settle(future: Future[Any], result: Any, error: BaseException | None) -> None:
    """Set a future's result or error, unless it is done or cancelled."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


@dataclass(kw_only=True, eq=False)
class Append:
    """Events of one attempt.

    ``settle`` brings the message row up to them; ``release`` says that the run has no owner after
    them. ``done`` is called once, where the store publishes, with this, and the committed events or
    why there are none (StaleAttempt): no future, because there are thousands a second.
    """

    run: RunRef
    attempt: int
    bodies: Sequence[Body]
    settle: bool = False
    release: bool = False
    done: Callable[[Append, list[Event], BaseException | None], None] | None = None
    patience_s: float = APPEND_PATIENCE_S
    queued_s: float = field(default_factory=time.monotonic)

    def tell(self, events: list[Event] | None, error: BaseException | None) -> None:
        """Call ``done`` with the outcome, once."""
        done, self.done = self.done, None
        if done is not None:
            done(self, events or [], error)


@dataclass(kw_only=True, eq=False)
class Command:
    """A closure that reads and writes in the transaction; its future gives what it returned."""

    work: Callable[[Transaction], Any]
    places: tuple[Place, ...] = ()  # of the threads it changes, whose locks are taken first
    future: Future[Any] = field(default_factory=Future)
    patience_s: float = PATIENCE_S
    queued_s: float = field(default_factory=time.monotonic)

    def tell(self, result: Any, error: BaseException | None) -> None:
        """Resolve the future with the outcome."""
        settle(self.future, result, error)


@dataclass(kw_only=True, eq=False)
class ChangeProbe:
    """Asks whether another connection may have committed since the last time."""

    future: Future[bool] = field(default_factory=Future)


Operation = Append | Command
Outcome = tuple[Operation, Any, BaseException | None]


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What a commit was like, for whoever observes the writer."""

    operations: int
    events: int
    bytes: int  # of text in the events
    seconds: float  # from the begin of its transaction, waits for the database included
    queued: int  # operations that wait for the next one


@dataclass(kw_only=True)
class Committed:
    """What one commit brought: the events, and what to tell whom."""

    events: list[Event]
    outcomes: list[Outcome]
    bytes: int = 0  # of text in the events

    def resolve(self) -> None:
        """Tell everybody who waits."""
        for operation, result, error in self.outcomes:
            try:
                operation.tell(result, error)
            except Exception as own:  # noqa: BLE001  one that cannot be told harms no other
                log.error(Line("commit.untold", error=type(own).__name__, at=place_of(own)))
