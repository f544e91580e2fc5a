"""The execution of one call in this process: its output, its interrupts, its outcome."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_chat_stream.kernel.inbox import Inbox, Job, watch
from jupyter_chat_stream.kernel.tools import interrupts
from jupyter_chat_stream.kernel.tools.execution import CallExecution, CallOutcome
from jupyter_chat_stream.kernel.tools.function import KernelTool, function_tool
from jupyter_chat_stream.kernel.tools.kernel_tool import kernel_tool, list_variables


def execution(function: Callable[..., Any], given: Any = None) -> tuple[CallExecution, list[str]]:
    """Return the execution of a function, and what it will have written."""
    tool = function_tool(function, name="work", description="", effect="run", idempotent=False)
    return executed(tool, given or {})


def executed(tool: KernelTool, given: Any) -> tuple[CallExecution, list[str]]:
    written: list[str] = []
    return CallExecution(tool, given, written.append, str), written


def run_kernel(space: dict[str, Any], **given: Any) -> tuple[CallOutcome, str]:
    work, written = executed(kernel_tool(space), given)
    return work.run(), "".join(written)


# --------------------------------------------------------------------------------- output


def test_what_a_function_prints_goes_to_its_call_and_nothing_else_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = threading.Event()

    def beside() -> None:
        sys.stdout.write("from a thread of the person\n")
        other.set()

    def work() -> str:
        sys.stdout.write("one\n")
        sys.stderr.write("two\n")
        threading.Thread(target=beside).start()
        assert other.wait(10)
        return "done"

    call, written = execution(work)
    assert call.run() == CallOutcome(success=True, output="done")
    sys.stdout.write("after\n")
    assert "".join(written) == "one\ntwo\n"
    assert capsys.readouterr().out == "from a thread of the person\nafter\n"


async def test_a_task_beside_an_async_function_keeps_its_own_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    has_begun, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> int:
        sys.stdout.write("mine\n")
        has_begun.set()
        await go_on.wait()
        await asyncio.create_task(more())
        return 1

    async def more() -> None:
        sys.stdout.write("mine, too\n")

    call, written = execution(work)
    working = asyncio.create_task(call.arun())
    await has_begun.wait()
    sys.stdout.write("of the cell\n")
    go_on.set()
    assert (await working).output == 1
    assert "".join(written) == "mine\nmine, too\n"
    assert capsys.readouterr().out == "of the cell\n"


# ----------------------------------------------------------------------------- interrupts


def test_the_person_interrupts_a_call_and_the_call_says_so() -> None:
    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)

    outcome = execution(work)[0].run()
    assert outcome == CallOutcome(
        success=False, output="interrupted by the person", is_interrupted=True
    )


def test_a_stop_interrupts_a_call_even_in_a_wait_of_the_system() -> None:
    begun = threading.Event()

    def work() -> None:
        begun.set()
        time.sleep(30)

    call, _ = execution(work)
    threading.Thread(target=lambda: begun.wait(10) and call.stop()).start()
    outcome = call.run()
    assert outcome == CallOutcome(success=False, output="interrupted: the answer was stopped")


def test_a_stop_never_reaches_the_code_after_the_call() -> None:
    """The person's own cell: at whatever moment of the call's end the stop comes."""
    before = signal.getsignal(signal.SIGINT)
    for n in range(300):
        begun = threading.Event()

        def work(begun: threading.Event = begun, pause_s: float = n * 1e-6) -> int:
            begun.set()
            ends = time.perf_counter() + pause_s
            while time.perf_counter() < ends:
                pass
            return 1

        call, _ = execution(lambda work=work: work())
        stopper = threading.Thread(
            target=lambda begun=begun, call=call: begun.wait(10) and call.stop()
        )
        stopper.start()
        call.run()
        sum(range(200))  # the person's code: an interrupt would fail the test
        stopper.join()
    assert signal.getsignal(signal.SIGINT) == before


def test_a_signal_that_is_late_is_lost_in_the_call_that_it_was_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send = interrupts.send_interrupt
    monkeypatch.setattr(interrupts, "send_interrupt", lambda: threading.Timer(0.05, send).start())
    call, _ = execution(lambda: call.stop())
    assert call.run().output == "interrupted: the answer was stopped"
    threading.Event().wait(0.1)  # the person's code: a late interrupt would raise here


def test_a_call_that_was_stopped_before_it_began_is_not_made() -> None:
    called = []
    call, _ = execution(lambda: called.append(1))
    call.stop()
    assert call.run().output == "interrupted: the answer was stopped"
    assert called == []


async def test_an_async_function_is_interrupted_on_the_running_loop() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.sleep(30)

    for interrupt, words in (
        (lambda _: os.kill(os.getpid(), signal.SIGINT), "interrupted by the person"),
        (lambda call: call.stop(), "interrupted: the answer was stopped"),
    ):
        begun.clear()
        call, _ = execution(work)
        working = asyncio.create_task(call.arun())
        await begun.wait()
        interrupt(call)
        assert (await working).output == words


def test_an_async_function_runs_while_the_thread_waits_for_an_answer() -> None:
    async def work(n: int) -> str:
        sys.stdout.write("working")
        await asyncio.sleep(0)
        return f"{n} in {threading.current_thread().name}"

    call, written = execution(work, {"n": 3})
    assert call.run().output == "3 in chat-stream-call"
    assert written == ["working"]


def test_an_async_function_is_interrupted_while_the_thread_waits() -> None:
    ended = []

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(True)

    outcome = execution(work)[0].run()
    assert (outcome.output, outcome.is_interrupted, ended) == (
        "interrupted by the person",
        True,
        [True],
    )


async def test_a_function_that_exits_does_not_end_the_loop() -> None:
    async def leave() -> None:
        await asyncio.sleep(0)
        sys.exit(3)

    async def cancel() -> None:
        raise asyncio.CancelledError

    for function in (leave, cancel, lambda: sys.exit(3)):
        outcome = await execution(function)[0].arun()
        assert outcome.output.startswith("ended without a result")
        assert not outcome.is_interrupted


# ---------------------------------------------------------------------------------- jobs


class Noted(Job):
    def __init__(
        self, noted: list[str], name: str, inner: Callable[[], None] | None = None
    ) -> None:
        self.noted = noted
        self.name = name
        self.inner = inner

    def run(self) -> None:
        self.noted.append(f"{self.name} waits")
        if self.inner is not None:
            self.inner()

    async def arun(self) -> None:
        self.noted.append(f"{self.name} begins")
        await asyncio.sleep(0)
        self.noted.append(f"{self.name} ends")
        if self.inner is not None:
            self.inner()

    def take_over(self, is_long: bool) -> None:
        self.noted.append(f"{self.name} is taken over")


async def test_the_loop_runs_one_job_at_a_time() -> None:
    inbox = Inbox()
    noted: list[str] = []
    have_ended = asyncio.Event()
    for name in "ab":
        inbox.add(Noted(noted, name, have_ended.set if name == "b" else None))
    await have_ended.wait()
    assert noted == ["a begins", "a ends", "b begins", "b ends"]


async def test_a_wait_runs_the_jobs_itself_and_a_job_that_waits_runs_the_next() -> None:
    """No deadlock: a function may ask another model, which calls another function."""
    from concurrent.futures import Future

    from jupyter_chat_stream.kernel import inbox

    here = inbox.here()
    noted: list[str] = []
    done: Future[int] = Future()
    inner: Future[int] = Future()

    def ask() -> None:
        here.add(Noted(noted, "inner", lambda: inner.set_result(2)))
        assert watch(inner) == 2
        done.set_result(1)

    here.add(Noted(noted, "outer", ask))
    assert watch(done) == 1
    assert noted == ["outer waits", "inner waits"]


# --------------------------------------------------------------------------- the kernel


def test_code_runs_like_a_cell_in_the_variables() -> None:
    space: dict[str, Any] = {"x": 2}
    outcome, written = run_kernel(space, operation="run", code="y = x * 3\nprint(y)\ny + 1")
    assert (outcome.output, written, space["y"]) == (7, "6\n", 6)
    assert run_kernel(space, operation="evaluate", expression=" x + y ")[0].output == 8
    assert run_kernel(space, operation="run", code="y;")[0].output is None
    awaited = "import asyncio\nawait asyncio.sleep(0)\nz = 5\nz"
    assert run_kernel(space, operation="run", code=awaited)[0].output == 5
    assert space["z"] == 5


def test_errors_of_code_are_told_with_its_lines() -> None:
    outcome, _ = run_kernel({}, operation="run", code="def f():\n    return 1 / 0\n\nf()")
    assert not outcome.success
    assert outcome.output == (
        "ZeroDivisionError: division by zero\n\nTraceback (innermost last):\n"
        "  code, line 4, in <module>\n    f()\n  code, line 2, in f\n    return 1 / 0"
    )
    assert "SyntaxError" in run_kernel({}, operation="run", code="f(")[0].output
    assert "SyntaxError" in run_kernel({}, operation="evaluate", expression="x = 1")[0].output


def test_variables_are_listed_newest_first_with_type_and_size() -> None:
    import pandas

    space = {"_hidden": 1, "json": sys, "word": "abc", "rows": pandas.DataFrame({"a": [1, 2]})}
    assert list_variables(space) == {
        "variables": [
            {"name": "rows", "type": "DataFrame", "size": "2 × 1"},
            {"name": "word", "type": "str", "size": "3 characters"},
        ]
    }
    many = list_variables({f"v{n}": n for n in range(300)})
    assert (len(many["variables"]), many["left_out"]) == (200, "100 older variables")


def test_inspecting_reads_one_variable_and_calls_nothing() -> None:
    def churn(month: str) -> float:
        """Tell the churn of a month."""
        raise AssertionError

    space = {"churn": churn, "long": "x" * 100_000}
    told = run_kernel(space, operation="inspect", name="churn")[0].output
    assert "Tell the churn of a month." in told
    assert "(month: 'str') -> 'float'" in told
    assert len(run_kernel(space, operation="inspect", name="long")[0].output) < 13_000
    for given, words in (
        ({"operation": "inspect", "name": "churn('x')"}, "has no variable"),
        ({"operation": "inspect"}, "needs 'name'"),
        ({"operation": "delete"}, "has the operations variables, inspect, evaluate, run"),
        ({}, "set 'operation'"),
    ):
        outcome = run_kernel(space, **given)[0]
        assert not outcome.success
        assert words in outcome.output
