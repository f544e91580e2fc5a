"""The run's end of the log: bounded, as large as the load makes it, and nothing lost (L8, L10)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jupyter_chat_stream.runs import appender as appender_module
from jupyter_chat_stream.runs.execute import Execution
from jupyter_chat_stream.shared.backoff import Backoff
from tests.fixtures import MakeRig
from tests.rig import Rig

AT_ONCE = Backoff(first_s=0.0, most_s=0.0)


async def test_the_provider_is_not_read_on_while_too_much_waits(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's memory is bounded: chunks are taken no faster than they are committed."""
    monkeypatch.setattr(appender_module, "MAX_PENDING_CHARS", 100)
    pending: list[int] = []
    original = appender_module.Appender.room

    async def room(self: Any) -> None:
        pending.append(self._coalescer.pending_chars)
        await original(self)

    monkeypatch.setattr(appender_module.Appender, "room", room)
    rig = await make_rig(["x" * 60] * 50)
    run = await rig.send(await rig.thread())
    await rig.execute()
    assert (await rig.reply(run))["content"] == "x" * 3000
    assert max(pending) <= 100 + 60


async def test_deltas_wait_for_company_when_asked_to(make_rig: MakeRig) -> None:
    rig = await make_rig(["a", "b", "c"] * 20, delta_max_delay_ms=60_000)
    run = await rig.send(await rig.thread())
    await rig.execute()
    assert (await rig.types(run)).count("delta") == 1
    assert (await rig.reply(run))["content"] == "abc" * 20


async def test_a_delta_has_at_most_max_chars(make_rig: MakeRig) -> None:
    rig = await make_rig(["abcdefgh" * 4], delta_max_chars=10)
    run = await rig.send(await rig.thread())
    await rig.execute()
    assert (await rig.types(run)).count("delta") == 4
    assert (await rig.reply(run))["content"] == "abcdefgh" * 4


async def test_the_message_row_is_saved_no_more_often_than_its_growth_justifies(
    make_rig: MakeRig,
) -> None:
    """L7, and linear bytes: a few saves for many chunks, however fast they come."""
    rig = await make_rig(["x" * 10] * 400, message_save_interval_s=0.0, delta_max_chars=10)
    run = await rig.send(await rig.thread())
    saves: list[int] = []

    def look(events: Any) -> None:
        sql = f"SELECT LENGTH(parts) FROM message WHERE pk = {run.message_pk}"
        size: int = rig.store.read_now(lambda conn: conn.exec_driver_sql(sql).scalar_one())
        if not saves or size != saves[-1]:
            saves.append(size)

    rig.store.listen(look)
    await rig.execute()
    assert saves[-1] > 4000
    assert sum(saves) < 8 * saves[-1]


async def test_a_database_that_refuses_for_a_while_costs_no_text(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender_module, "STORE_BACKOFF", AT_ONCE)
    monkeypatch.setattr(appender_module, "MAX_STORE_RETRIES", 3)
    rig = await make_rig(["Prices ", "rose."])
    run = await rig.send(await rig.thread())
    await refuse_inserts(rig, "delta")
    task = asyncio.ensure_future(Execution(rig.services, await rig.claim()).run())
    tries = 0

    def allow_after_two(self: Any, append: Any, events: Any, error: Any) -> None:
        nonlocal tries
        tries += error is not None
        if tries == 2:
            rig.store.submit(lambda tx: tx.execute("DROP TRIGGER refuse"))
        original(self, append, events, error)

    original = appender_module.Appender._received
    monkeypatch.setattr(appender_module.Appender, "_received", allow_after_two)
    await rig.bounded(task)
    assert tries >= 2
    assert (await rig.reply(run))["content"] == "Prices rose."
    assert (await rig.run(run))["status"] == "completed"


async def test_a_database_that_goes_on_refusing_leaves_the_run_to_the_sweep(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L10: what could not be written is not lost to the log; another attempt says it again."""
    monkeypatch.setattr(appender_module, "STORE_BACKOFF", AT_ONCE)
    monkeypatch.setattr(appender_module, "MAX_STORE_RETRIES", 1)
    rig = await make_rig(["Prices rose."], ["Prices rose, yes."])
    run = await rig.send(await rig.thread())
    await refuse_inserts(rig, "delta")
    await rig.execute()
    assert (await rig.run(run))["status"] == "processing"
    assert await rig.is_lost(run)
    await rig.store.write(lambda tx: tx.execute("DROP TRIGGER refuse"))
    await rig.execute()
    assert (await rig.reply(run))["content"] == "Prices rose, yes."


async def refuse_inserts(rig: Rig, type_: str) -> None:
    """Make the database itself refuse events of a type."""
    sql = (
        f"CREATE TRIGGER refuse BEFORE INSERT ON event WHEN NEW.type = '{type_}' "
        "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
    )
    await rig.store.write(lambda tx: tx.execute(sql))
