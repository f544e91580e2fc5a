"""The sweep goes on, whatever one schedule is like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.store.chat import schedules
from jupyter_chat_stream.store.log.transaction import ThreadRef
from tests.run_harness import RunHarness, running_harness

MINUTE_MS = 60_000
DAMAGES = {
    "what cannot be read": "UPDATE schedule SET params = '{{' WHERE thread = {pk}",
    "what cannot be written": "CREATE TRIGGER refuse BEFORE INSERT ON message "
    "WHEN NEW.thread = {pk} BEGIN SELECT RAISE(ABORT, 'no'); END",
}


async def scheduled(harness: RunHarness, thread: ThreadRef) -> str:
    new = schedules.NewSchedule(content="Again?", cron="* * * * *")
    work: Any = lambda tx: schedules.create(tx, "local", thread.id, new)  # noqa: E731
    made, _ = await harness.store.write(work, thread.pk)
    return str(made["id"])


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_damaged_schedule_keeps_itself_back_and_no_other(
    tmp_path: Path, damage: str
) -> None:
    """L10"""
    async with running_harness(tmp_path, ["Yes."], sweep_interval_s=0.05) as harness:
        one, two = await harness.thread(), await harness.thread()
        await scheduled(harness, one)
        whole = await scheduled(harness, two)
        await harness.store.write(lambda tx: tx.execute(damage.format(pk=one.pk)))
        harness.clock.advance(MINUTE_MS + 1000)
        await harness.engine.start()
        await harness.until(lambda: any(e.type == "finalized" for e in harness.published))
        last = await harness.store.read(lambda conn: schedules.read(conn, "local", whole))
        assert last["last_at"] is not None
        sent = await harness.send(await harness.thread())  # and the sweep goes on
        assert await harness.ended(sent)
