"""Doing work in steps while a test looks in between, or lets the process die there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jupyter_chat_stream.store.retention.cleanup import Counts, Policy, collect, tidy
from jupyter_chat_stream.store.retention.indexing import index_due
from jupyter_chat_stream.store.retention.steps import Budget, Read, Step, Steps, Write, drive
from tests.store.harness import StoreHarness

LEAST = Budget(step_s=0.0)  # one piece of work in each step
DAY_MS = 24 * 60 * 60 * 1000
ALL_EVENTS = Policy(keep_events_ms=0, retention_ms=None)


def do(harness: StoreHarness, step: Step) -> Any:
    if isinstance(step, Read):
        return harness.look(step.work)
    return harness.do(step.work, *step.threads)


def after_each_write(harness: StoreHarness, steps: Steps[Any]) -> Iterator[Any]:
    """Do the steps; stop after each that wrote, giving what it gave."""
    try:
        step = next(steps)
        while True:
            try:
                done = do(harness, step)
            except Exception as error:  # noqa: BLE001  the generator's
                step = steps.throw(error)
                continue
            if not isinstance(step, Read):
                yield done
            step = steps.send(done)
    except StopIteration:
        return


def until_it_writes(harness: StoreHarness, steps: Steps[Any]) -> Write:
    """Do what the steps read, up to what they write first."""
    step = next(steps)
    while isinstance(step, Read):
        step = steps.send(do(harness, step))
    return step


def indexed(harness: StoreHarness) -> None:
    """Index the messages that wait for it."""
    drive(index_due(budget=Budget()), lambda step: do(harness, step))


def tidying(harness: StoreHarness, policy: Policy = ALL_EVENTS) -> Iterator[Any]:
    """Do all there is to do, a piece of work in each step."""
    harness.clock.advance(1)  # what has just ended has ended before now
    indexed(harness)  # these steps are not what is looked at
    return after_each_write(harness, tidy(harness.clock, policy, Counts(), budget=LEAST))


def collected(harness: StoreHarness, policy: Policy = ALL_EVENTS) -> Counts:
    """Do all there is to do, as the command does."""
    harness.clock.advance(1)
    return collect(harness.store, policy, pause=lambda s: None)
