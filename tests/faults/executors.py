"""Executors of tool calls as processes to kill, and what must be true of a run that they worked on.

A run makes three calls in one round: ``look``, ``peek``, which is idempotent, and ``train``, which
needs a consent. An executor dies, or is stopped, the moment it gets a certain event of its thread,
before it does anything about that event. With one executor for each event of a run this happens
between every two of them.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from jupyter_chat_stream.shared.config import CONNECTION_ENV
from tests.faults.harness import Process, Server
from tests.faults.laws import ENDS, assert_log_keeps_the_laws
from tests.faults.processes import FROZEN, eventually

MESSAGE = 'look {"at": 1}\npeek {"at": 2}\ntrain {"at": 3}'
AT_ONCE = {"chars_per_second": 0}
LOOK_EVERY_S = 0.15  # many runs are looked at side by side
RUN_WITHIN_S = 60.0

Events = list[dict[str, Any]]


class KernelProcess(Process):
    """The process of kernel_process.py."""

    program = "kernel"

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, thread: str, **given: Any
    ) -> None:
        self.made = folder / f"made-{thread}"
        super().__init__(
            folder,
            {**environment, "JCS_THREAD": thread, "JCS_MADE": str(self.made)},
            log=folder / f"kernel-{thread}.log",
            **given,
        )
        self._logged_before = 0

    def begin(self, at: int | None = None, number: signal.Signals = signal.SIGKILL) -> None:
        """Start the process; it gets this signal at the event ``at``, unless that is None."""
        self.fault = None if at is None else "signal_at_an_event"
        self.environment |= {"JCS_AT_EVENT": str(at), "JCS_SIGNAL": str(int(number))}
        self._logged_before = self.log.stat().st_size if self.log.exists() else 0
        self.spawn()

    async def ready(self) -> None:
        """Wait until the server knows its functions."""

        async def look() -> bool:
            assert not self.has_died, self.logged()
            return self.log.exists() and b"ready" in self.log.read_bytes()[self._logged_before :]

        await eventually(look, every_s=LOOK_EVERY_S, what=f"a ready kernel: {self.logged()}")

    @property
    def is_frozen(self) -> bool:
        return psutil.Process(self.pid).status() in FROZEN

    @property
    def begun(self) -> Counter[str]:
        """How often each function has begun."""
        return Counter(self.made.read_text().split() if self.made.exists() else ())

    def _arguments(self) -> list[str]:
        return []


def kernel_environment(server: Server) -> dict[str, str]:
    """Return the environment of a kernel whose chats are at this server."""
    runtime = Path(server.environment["JUPYTER_RUNTIME_DIR"]) / "chat-stream"
    (file,) = runtime.glob(f"connection-{server.pid}-*.json")
    return {**server.environment, CONNECTION_ENV: str(file)}


async def until_ended(
    server: Server, thread: str, run: str, look_after: Callable[[], None] = lambda: None
) -> Events:
    """Allow what a run asks about, once, until the run has ended; return its thread's events.

    Args:
        look_after: called now and then, to start an executor that has died.
    """

    async def look() -> bool:
        look_after()
        message = await server.message(thread, run)
        for part in message["parts"]:
            if part["kind"] == "input_request" and part["by"] is None:
                body = {"request_id": part["request_id"], "value": "once"}
                await server.ask("POST", f"runs/{run}/input", body)
        return message["status"] in ENDS

    await eventually(look, within_s=RUN_WITHIN_S, every_s=LOOK_EVERY_S, what=f"the end of {run}")
    return await server.events(thread)


def call_events(events: Events) -> Sequence[int]:
    """Return the seqs between the first call of a run and its end."""
    first = next(event["seq"] for event in events if event["type"] == "tool_start")
    return range(first, events[-1]["seq"])


def assert_calls_keep_the_laws(events: Events, begun: Counter[str]) -> None:
    """Each call has one result; a cut one was not made again; consents came first.

    Args:
        begun: how often each call may have begun: its function did, or its claim was granted.
    """
    [own] = assert_log_keeps_the_laws(events).values()
    assert own[-1]["status"] == "completed"
    calls = {event["tool_call_id"]: event for event in own if event["type"] == "tool_start"}
    assert [call["name"] for call in calls.values()] == ["look", "peek", "train"]
    for call_id, call in calls.items():
        of_call = [event for event in own if event.get("tool_call_id") == call_id]
        _assert_call_keeps_the_laws(call["name"], of_call, begun[call["name"]])


def _assert_call_keeps_the_laws(name: str, events: Events, begun: int) -> None:
    kinds = Counter(event["type"] for event in events)
    assert kinds["tool_result"] == 1, (name, kinds)  # L12
    result = next(event for event in events if event["type"] == "tool_result")
    types = [event["type"] for event in events]
    if "tool_claimed" in types:  # L13
        assert types.index("tool_allowed") < types.index("tool_claimed")
    if name == "train":
        assert kinds["input_request"] == 1
        allowed = next(event for event in events if event["type"] == "tool_allowed")
        assert (allowed["consent"], bool(allowed["by"])) == ("once", True)
    if result["success"]:
        assert result["output"] == name
        assert begun >= 1
    else:  # L14
        assert result["reason"] == "interrupted"
        assert name != "peek"
    if name != "peek":
        assert begun <= 1
        assert kinds["tool_claimed"] <= 1
