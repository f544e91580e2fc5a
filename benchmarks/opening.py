"""(c) Opening a thread, and resuming from 0 and from the middle, at the server.

The log holds one answer of so many events of one chunk each. The one that is still running is
looked at where it is worst: just before its message row would be saved again, so that as much as
there may be is folded for the answer. What is counted is all the server does for the answer, from
the call into the service to the JSON text.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise

from jupyter_chat_stream.runs.appender import Saving
from jupyter_chat_stream.service import Service
from jupyter_chat_stream.shared.events import Completed, Delta, Finalized
from jupyter_chat_stream.store.chat import claims, runs
from jupyter_chat_stream.store.chat.commands import SendRequest
from jupyter_chat_stream.store.chat.due import Due
from jupyter_chat_stream.store.log.operations import Append
from jupyter_chat_stream.store.log.reading import read_message_by_id
from jupyter_chat_stream.store.log.transaction import RunRef, Transaction

from .load import MARK, OWNER, PacedProvider, running_service
from .report import Section, ms, percentile

PACE_S = 0.02
BATCH = 500


def run(*, quick: bool = False) -> Section:
    """Measure at 1k, 10k and 100k events."""
    return asyncio.run(_run((1000,) if quick else (1000, 10_000, 100_000), 5 if quick else 30))


async def _run(sizes: tuple[int, ...], repeats: int) -> Section:
    rows = [
        ["events of one answer", "open, p50/p99 ms", "resume from 0", "resume from the middle",
         "resume from 100 before the end", "folded"]
    ]  # fmt: skip
    for events in sizes:
        for is_ended in (True, False):
            async with running_service(PacedProvider(), run_in_server=False) as service:
                thread, tail = await _make_log(service, events, is_ended=is_ended)
                state = "ended" if is_ended else "running"
                rows.append(
                    [f"{events}, {state}", *await _measure(service, thread, repeats), str(tail)]
                )
    return Section(
        name="c",
        title="opening and resuming, at the server",
        goal="at most 20 ms at 100k events",
        rows=rows,
        notes=[
            "folded: events that came after the message row was last saved, the most there may be",
            f"each event is a delta of {MARK} characters; 100k of them are a text of 500 kB, and "
            "an answer to an old cursor holds it twice (parts, content)",
            "with other load (average 8) p50 at 100k, running, was 15 to 22 ms",
        ],
    )


async def _measure(service: Service, thread: str, repeats: int) -> list[str]:
    head = json.loads(await service.state_text(OWNER, thread))["seq"]

    async def opened() -> None:
        await service.state_text(OWNER, thread)

    def resumed(after: int) -> Callable[[], Awaitable[None]]:
        async def follow() -> None:
            reader = await service.follow(OWNER, thread, after)
            _ = (await reader.next()).text
            reader.close()

        return follow

    cells = []
    for act in (opened, resumed(0), resumed(head // 2), resumed(head - 100)):
        await act()
        taken = []
        for _ in range(repeats):
            started = time.perf_counter()
            await act()
            taken.append(time.perf_counter() - started)
        cells.append(f"{ms(percentile(taken, 0.5))} / {ms(percentile(taken, 0.99))}")
    return cells


async def _make_log(service: Service, events: int, *, is_ended: bool) -> tuple[str, int]:
    """Write an answer as an appender does, many commits at once; return its thread and its tail."""
    thread, _ = await service.create_thread(OWNER)
    sent = await service.send(OWNER, thread["id"], SendRequest(content="go"))
    run, attempt = await _claim(service, sent["run"]["id"])
    saved_at = _saves(events)
    store = service.store.core
    for first in range(0, events, BATCH):
        numbers = range(first, min(first + BATCH, events))
        bodies = [Delta(part=0, kind="text", text=f"{number:0{MARK}x}") for number in numbers]
        cut = next((number for number in numbers if number == saved_at), None)
        upto = len(bodies) if cut is None else cut - first
        for piece, settle in ((bodies[:upto], True), (bodies[upto:], False)):
            if piece:
                settle = settle and first + len(piece) <= saved_at
                operation = Append(run=run, attempt=attempt, bodies=piece, settle=settle)
                await asyncio.wrap_future(store.append_future(operation))
    if is_ended:
        text = "".join(f"{number:0{MARK}x}" for number in range(events))
        end = (
            Completed(content=text, usage=None, stop_reason="end_turn", model=None),
            Finalized(status="completed"),
        )
        await asyncio.wrap_future(
            store.append_future(Append(run=run, attempt=attempt, bodies=end, release=True))
        )
    return thread["id"], await _tail(service, run)


def _saves(events: int) -> int:
    """Return after which event the row was last saved, where the tail after it is the longest."""
    saving = Saving(interval_s=0.5, now_s=0.0)
    saves = [0]
    for number in range(1, events + 1):
        if saving.is_due(number * MARK, number * PACE_S):
            saves.append(number)
    longest = max(after - before for before, after in pairwise(saves))
    return max(0, events - longest)


async def _claim(service: Service, run_id: str) -> tuple[RunRef, int]:
    ref = await service.store.core.read(lambda conn: runs.find_run(conn, OWNER, run_id))

    def work(tx: Transaction) -> int:
        due = Due(run=ref, attempt=0, holder=None, owner=OWNER)
        claimed = claims.claim(tx, due, "benchmark", max_crashes=3, on_crash="continue")
        assert claimed is not None
        return claimed.attempt

    return ref, await service.store.core.write(work, ref.thread.pk)


async def _tail(service: Service, run: RunRef) -> int:
    row = await service.store.core.read(
        lambda conn: read_message_by_id(conn, run.thread, run.message_id)
    )
    state = json.loads(await service.state_text(OWNER, run.thread.id))
    return int(state["seq"]) - int(row["seq"])
