"""Operations, which the writer is asked for, and their outcomes, which a commit brings."""

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

# How long a command waits for a database that is away.
PATIENCE_S = 10.0
# How long an append waits: its run stops reading the provider meanwhile, and nothing is lost.
APPEND_PATIENCE_S = 600.0


def resolve(future: Future[Any], result: Any, error: BaseException | None) -> None:
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

    ``settle`` brings the message row up to them; after ``release`` no process holds the run.
    ``done`` is called once, where the store publishes, with this operation and the committed
    events, or with the error (StaleAttempt). It is no future: there are thousands in a second.
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
    """A function that reads and writes in the transaction; the future gets its result."""

    work: Callable[[Transaction], Any]
    places: tuple[Place, ...] = ()  # the threads it changes: their locks are taken first
    future: Future[Any] = field(default_factory=Future)
    patience_s: float = PATIENCE_S
    queued_s: float = field(default_factory=time.monotonic)

    def tell(self, result: Any, error: BaseException | None) -> None:
        """Resolve the future with the outcome."""
        resolve(self.future, result, error)


@dataclass(kw_only=True, eq=False)
class ChangeProbe:
    """Asks whether another connection may have committed since the last time."""

    future: Future[bool] = field(default_factory=Future)


Operation = Append | Command
Outcome = tuple[Operation, Any, BaseException | None]


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The measures of one commit, for the observer of the writer."""

    operations: int
    events: int
    bytes: int  # of text in the events
    seconds: float  # from the begin of its transaction, waits for the database included
    queued: int  # operations that wait for the next one


@dataclass(kw_only=True)
class Committed:
    """The result of one commit: its events, and the outcome of each operation."""

    events: list[Event]
    outcomes: list[Outcome]
    bytes: int = 0  # of text in the events

    def tell(self) -> None:
        """Tell the caller of each operation its outcome."""
        for operation, result, error in self.outcomes:
            try:
                operation.tell(result, error)
            except Exception as own:  # noqa: BLE001  the other callers are still told
                log.error(Line("commit.untold", error=type(own).__name__, at=place_of(own)))
