"""The steps of an attempt, and ``stop``: a stopped step returns nothing, any other its result."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_chat_stream.runs.stopping import Stopping


class Step:
    """A step that waits for ``end``, and counts its beginnings."""

    def __init__(self) -> None:
        self.begins = 0
        self.has_begun = asyncio.Event()
        self.end = asyncio.Event()

    async def run(self) -> str:
        self.begins += 1
        self.has_begun.set()
        await self.end.wait()
        return "done"

    async def run_stubbornly(self) -> str:
        try:
            return await self.run()
        except asyncio.CancelledError:
            return "ended anyway"


async def test_a_step_that_is_not_stopped_returns_its_result() -> None:
    step = Step()
    step.end.set()
    assert await Stopping().run(step.run()) == "done"


async def test_a_step_under_way_ends_at_the_stop() -> None:
    stopping, step = Stopping(), Step()
    running = asyncio.ensure_future(stopping.run(step.run()))
    await step.has_begun.wait()
    stopping.stop("cancelled")
    assert await running is None


async def test_no_step_begins_after_the_stop() -> None:
    stopping, step = Stopping(), Step()
    stopping.stop("shutdown")
    assert await stopping.run(step.run()) is None
    assert step.begins == 0


async def test_a_step_that_ends_in_spite_of_the_stop_keeps_its_result() -> None:
    stopping, step = Stopping(), Step()
    running = asyncio.ensure_future(stopping.run(step.run_stubbornly()))
    await step.has_begun.wait()
    stopping.stop("cancelled")
    assert await running == "ended anyway"


async def test_the_first_reason_of_a_stop_stays() -> None:
    stopping = Stopping()
    assert not stopping.is_stopped()
    stopping.stop("cancelled")
    stopping.stop("shutdown")
    assert stopping.reason == "cancelled"


async def test_a_cancellation_that_is_no_stop_travels_and_ends_the_step() -> None:
    """A fenced attempt is cancelled from outside; it must not look like a stop (L5)."""
    stopping, step = Stopping(), Step()
    running = asyncio.ensure_future(stopping.run(step.run()))
    await step.has_begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not stopping.is_stopped()


async def test_an_error_of_a_step_reaches_the_caller() -> None:
    async def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await Stopping().run(fail())


async def test_after_a_stop_the_cancelled_task_of_a_run_goes_on_to_its_last_events() -> None:
    stopping, step = Stopping(), Step()
    running = asyncio.ensure_future(stopping.run(step.run()))
    await step.has_begun.wait()
    stopping.stop("shutdown")
    running.cancel()
    assert await running is None


async def test_a_step_that_ended_just_before_its_task_was_cancelled_keeps_its_result() -> None:
    stopping, loop = Stopping(), asyncio.get_running_loop()
    has_begun, end = asyncio.Event(), loop.create_future()

    async def step() -> bool:
        has_begun.set()
        await end
        return False

    def stop_and_cancel() -> None:
        stopping.stop("shutdown")
        running.cancel()

    running = asyncio.ensure_future(stopping.run(step()))
    await has_begun.wait()
    end.set_result(None)  # the step ends in the next turn of the loop, before the cancellation
    loop.call_soon(stop_and_cancel)
    assert await running is False
