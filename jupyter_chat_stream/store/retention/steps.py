"""Work in small steps: a generator yields its next reading or writing, and a driver does it.

So the same work can be done in the background beside live commits, or at once for a command. A
reading step may be repeated if the connection is lost. A writing step first checks that the rows
are as they were read, because other transactions may have come between.
``Budget`` bounds the time of one step in the writer; the next step does the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection

from ..log.transaction import Transaction

T = TypeVar("T")

STEP_S = 0.002  # of work in one step: with its commit, a step stays well below 10 ms


@dataclass(frozen=True, kw_only=True)
class Read:
    """A step that reads, in a read transaction of its own."""

    work: Callable[[Connection], Any]


@dataclass(frozen=True, kw_only=True)
class Write:
    """A step that writes in one transaction, under the locks of these threads."""

    work: Callable[[Transaction], Any]
    threads: tuple[int, ...] = ()


Step = Read | Write
Steps = Generator[Step, Any, T]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How many seconds one step may take; each step does at least one piece of work."""

    step_s: float = STEP_S
    clock: Callable[[], float] = field(default=time.perf_counter)

    def start(self) -> Callable[[], bool]:
        """Begin a step; returns a function that tells whether the step's time is over."""
        end = self.clock() + self.step_s
        return lambda: self.clock() >= end


def drive(steps: Steps[T], do: Callable[[Step], Any]) -> T:
    """Do all steps on this thread. The generator may handle a step's error."""
    act: Callable[[], Step] = lambda: next(steps)  # noqa: E731
    while True:
        try:
            step = act()
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            step_result = do(step)
        except Exception as error:  # noqa: BLE001  the generator handles it or raises it
            act = _later(steps.throw, error)
        else:
            act = _later(steps.send, step_result)


def _later(act: Callable[[Any], Step], argument: Any) -> Callable[[], Step]:
    return lambda: act(argument)
