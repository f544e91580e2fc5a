"""Operations, which callers give the writer, and the outcomes that a commit brings them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from ...shared.events import Body, Event
from ...shared.logs import Line, place_of
from ...shared.records import Usage
from ..sql.driver import ThreadPlace
from .transaction import RunRef, Transaction
from .upstreams import ProviderData, UpstreamPlace

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

    ``settle`` brings the message row up to the events. ``release`` takes the run from its holder.
    ``upstream`` is the place of the upstream after these events; None leaves it as it is.
    ``spent`` is the usage of all rounds so far, when these events end one: the upstream has ended
    with it. ``live_usage`` are the tokens of the thread's runs that this process works on, by the
    run's id, for those that end with this one. ``on_outcome`` is called once, when the store
    publishes, with this operation and the committed events or the error (StaleAttempt). It is not a
    future: there are thousands of appends in a second.
    """

    run: RunRef
    attempt: int
    bodies: Sequence[Body]
    settle: bool = False
    release: bool = False
    upstream: UpstreamPlace | None = None
    provider_data: Sequence[ProviderData] = ()
    spent: Usage | None = None
    live_usage: Mapping[str, Usage] | None = None
    on_outcome: Callable[[Append, list[Event], BaseException | None], None] | None = None
    patience_s: float = APPEND_PATIENCE_S
    queued_s: float = field(default_factory=time.monotonic)

    def tell(self, events: list[Event] | None, error: BaseException | None) -> None:
        """Call ``on_outcome`` with the outcome, once."""
        on_outcome, self.on_outcome = self.on_outcome, None
        if on_outcome is not None:
            on_outcome(self, events or [], error)


@dataclass(kw_only=True, eq=False)
class Command:
    """A function that reads and writes in the transaction; the future gets its result."""

    work: Callable[[Transaction], Any]
    places: tuple[ThreadPlace, ...] = ()  # the threads that ``work`` changes: they are locked first
    future: Future[Any] = field(default_factory=Future)
    patience_s: float = PATIENCE_S
    queued_s: float = field(default_factory=time.monotonic)

    def tell(self, result: Any, error: BaseException | None) -> None:
        resolve(self.future, result, error)


@dataclass(kw_only=True, eq=False)
class ChangeProbe:
    """A query whether another connection may have committed since the last probe."""

    future: Future[bool] = field(default_factory=Future)


Operation = Append | Command
Outcome = tuple[Operation, Any, BaseException | None]


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The measures of one commit, for the observer of the writer."""

    operations: int
    events: int
    bytes: int  # of text in the events
    seconds: float  # of its transaction, including waits for the database
    queued: int  # operations that wait for the next one


@dataclass(kw_only=True)
class Committed:
    """The result of one commit: its events, and the outcome of each operation."""

    events: list[Event]
    outcomes: list[Outcome]
    bytes: int = 0  # of text in the events
    marked_ids: frozenset[str] = frozenset()  # threads on which a person's mark has changed

    def tell(self) -> None:
        """Call ``tell`` of each operation with its outcome."""
        for operation, result, error in self.outcomes:
            try:
                operation.tell(result, error)
            except Exception as callback_error:  # noqa: BLE001  the other operations still get theirs
                log.error(
                    Line(
                        "commit.untold",
                        error=type(callback_error).__name__,
                        at=place_of(callback_error),
                    )
                )
