"""Work in small steps: a generator says what it reads and writes next, a driver does it.

So the same work can go on in the background beside live commits, at once for a command, or within
one transaction. A step that reads may be done twice, where the connection was lost; one that
writes looks first whether things are still as they were read, for others may have come between.
``Budget`` is how long one step may keep the writer: what it would do beyond that is the next one's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection

from ..log.transaction import Transaction

T = TypeVar("T")

STEP_S = 0.002  # of work; with its commit a step stays well below 10 ms


@dataclass(frozen=True, kw_only=True)
class Read:
    """Something to read, in a read transaction of its own."""

    work: Callable[[Connection], Any]


@dataclass(frozen=True, kw_only=True)
class Write:
    """Something to write in one transaction, under the locks of these threads."""

    work: Callable[[Transaction], Any]
    threads: tuple[int, ...] = ()


Step = Read | Write
Steps = Generator[Step, Any, T]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long one step may take, in seconds; at least one piece of work is done in each."""

    step_s: float = STEP_S
    clock: Callable[[], float] = field(default=time.perf_counter)

    def start(self) -> Callable[[], bool]:
        """Begin a step; what is given says whether its time is over."""
        end = self.clock() + self.step_s
        return lambda: self.clock() >= end


def drive(steps: Steps[T], do: Callable[[Step], Any]) -> T:
    """Do step after step on this thread; an error of one is the generator's to handle first."""
    act: Callable[[], Step] = lambda: next(steps)  # noqa: E731
    while True:
        try:
            step = act()
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            done = do(step)
        except Exception as error:  # noqa: BLE001  the generator's, which raises what it leaves
            act = _later(steps.throw, error)
        else:
            act = _later(steps.send, done)


def within(tx: Transaction, steps: Steps[T]) -> T:
    """Do all of it in one transaction, for what is known to be small."""

    def do(step: Step) -> Any:
        tx.flush()
        return step.work(tx.conn) if isinstance(step, Read) else step.work(tx)

    return drive(steps, do)


def _later(act: Callable[[Any], Step], argument: Any) -> Callable[[], Step]:
    return lambda: act(argument)
