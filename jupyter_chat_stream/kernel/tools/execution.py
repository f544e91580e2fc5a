"""Executes one call in the thread of its chat: the function, its output, its outcome.

A plain function runs in the thread itself. An async function runs as a task on the thread's loop.
While ``chat.ask`` blocks that loop, the function runs on a loop in another thread.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any, TypeVar

from ..inbox import wait_in_steps
from .capture import WriteText, capturing
from .failures import BY_CHAT, BY_EXIT, BY_PERSON, failure_text
from .files import CallFiles
from .function import KernelTool, is_async
from .interrupts import InterruptGuard
from .results import output_of
from .schema import InputRefused

ENDS_WITHIN_S = 5.0  # how long an async function may take to end after its interrupt

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CallOutcome:
    """The result of a call."""

    success: bool
    output: Any
    is_interrupted: bool = False
    """Whether the person interrupted the call."""


class CallExecution:
    """One execution of a tool's function."""

    def __init__(
        self, tool: KernelTool, call_input: Any, write: WriteText, conceal: Callable[[str], str]
    ) -> None:
        self._tool = tool
        self._input = call_input
        self._write = write
        self._conceal = conceal
        self.files = CallFiles(conceal)
        """The files of the result; complete after the end of the execution."""
        self._guard: InterruptGuard | None = None
        self._is_stopped = False
        self._is_interrupted = False

    def stop(self) -> None:
        """Interrupt the function, because its answer was stopped. Any thread may call this."""
        self._is_stopped = True
        guard = self._guard
        if guard is not None:
            guard.stop()

    def run(self) -> CallOutcome:
        """Execute the call in a thread that waits for an answer in ``chat.ask``."""
        try:
            with capturing(self._write, self.files):
                value = self._run_guarded(self._call)
                if is_async(value):
                    value = self._in_own_loop(value)
                return self._run_guarded(lambda: self._success_of(value))
        except BaseException as error:  # noqa: BLE001 - the model is told; the person's interrupt goes on
            return self._failure_of(error)

    async def arun(self) -> CallOutcome:
        """Execute the call on the thread's running loop."""
        try:
            with capturing(self._write, self.files):
                value = self._run_guarded(self._call)
                if is_async(value):
                    value = await self._in_this_loop(value)
                return self._run_guarded(lambda: self._success_of(value))
        except BaseException as error:  # noqa: BLE001 - the model is told; the kernel's loop goes on
            return self._failure_of(error)

    # ------------------------------------------------------------------ the steps

    def _call(self) -> Any:
        return self._tool.prepare(self._input)()

    def _success_of(self, value: Any) -> CallOutcome:
        return CallOutcome(success=True, output=output_of(value, self._conceal, self.files))

    def _failure_of(self, error: BaseException) -> CallOutcome:
        if isinstance(error, InputRefused):
            return CallOutcome(success=False, output=self._conceal(str(error)))
        if isinstance(error, KeyboardInterrupt | asyncio.CancelledError | SystemExit):
            is_person = isinstance(error, KeyboardInterrupt) and not self._is_stopped
            is_person = is_person or self._is_interrupted
            words = BY_PERSON if is_person else BY_CHAT if self._is_stopped else BY_EXIT
            return CallOutcome(success=False, output=words, is_interrupted=is_person)
        return CallOutcome(success=False, output=failure_text(error, self._conceal))

    def _run_guarded(self, step: Callable[[], T]) -> T:
        """Run code of the user; an interrupt ends it."""
        guard = self._guard = InterruptGuard()
        if self._is_stopped:
            raise KeyboardInterrupt
        try:
            guard.enter()
            result = step()
            guard.leave()
            return result
        except KeyboardInterrupt:
            guard.note_interrupt()
            raise
        finally:
            guard.leave()
            self._is_interrupted = self._is_interrupted or guard.is_interrupted

    async def _in_this_loop(self, value: Awaitable[T]) -> T:
        loop = asyncio.get_running_loop()
        task = loop.create_task(_outcome_of(value))
        guard = self._guard = InterruptGuard(lambda: loop.call_soon_threadsafe(task.cancel))
        guard.enter()
        try:
            if self._is_stopped:
                task.cancel()
            return _result_of(await task)
        finally:
            guard.leave()
            self._is_interrupted = self._is_interrupted or guard.is_interrupted

    def _in_own_loop(self, value: Awaitable[T]) -> T:
        work = _OwnLoop(value)
        try:
            return self._run_guarded(work.run)
        except KeyboardInterrupt:
            work.cancel()
            raise


class _OwnLoop:
    """Runs an async function on a loop in another thread, because the own loop is blocked."""

    def __init__(self, value: Awaitable[Any]) -> None:
        self._value = value
        self._result: Future[Any] = Future()
        self._loop_and_task: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()

    def run(self) -> Any:
        """Start the thread and wait for the function's result."""
        context = contextvars.copy_context()
        threading.Thread(
            target=context.run, args=(self._live,), name="chat-stream-call", daemon=True
        ).start()
        return wait_in_steps(self._result)

    def cancel(self) -> None:
        """Cancel the function, and wait ``ENDS_WITHIN_S`` for its end."""
        try:
            loop, task = self._loop_and_task.result(ENDS_WITHIN_S)
            loop.call_soon_threadsafe(task.cancel)
            self._result.exception(ENDS_WITHIN_S)
        except (FutureTimeout, asyncio.CancelledError, RuntimeError):
            pass  # the function never began, or its loop has ended

    def _live(self) -> None:
        try:
            self._result.set_result(asyncio.run(self._work()))
        except BaseException as error:  # noqa: BLE001 - the waiting thread gets it
            self._result.set_exception(error)

    async def _work(self) -> Any:
        task = asyncio.ensure_future(_outcome_of(self._value))
        self._loop_and_task.set_result((asyncio.get_running_loop(), task))
        return _result_of(await task)


async def _outcome_of(value: Awaitable[T]) -> tuple[T, None] | tuple[None, BaseException]:
    """Await a value, and return an exception: a raised ``SystemExit`` would end the loop."""
    try:
        return await value, None
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - raised again where the outcome is read
        return None, error


def _result_of(outcome: tuple[T, None] | tuple[None, BaseException]) -> T:
    value, error = outcome
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # a pair without an error has the value
