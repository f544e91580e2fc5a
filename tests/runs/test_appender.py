"""The run's end of the log: bounded, as large as the load makes it, and nothing lost (L8, L10)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jupyter_chat_stream.runs import appender as appender_module
from jupyter_chat_stream.runs.execute import Execution
from jupyter_chat_stream.shared.backoff import Backoff
from tests.fixtures import MakeHarness
from tests.run_harness import RunHarness

AT_ONCE = Backoff(first_s=0.0, max_s=0.0)


async def test_the_provider_is_not_read_on_while_too_much_waits(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's memory is bounded: chunks are taken no faster than they are committed."""
    monkeypatch.setattr(appender_module, "MAX_PENDING_CHARS", 100)
    pending: list[int] = []
    original = appender_module.Appender.wait_for_space

    async def wait_for_space(self: Any) -> None:
        pending.append(self._coalescer.pending_chars)
        await original(self)

    monkeypatch.setattr(appender_module.Appender, "wait_for_space", wait_for_space)
    harness = await make_harness(["x" * 60] * 50)
    run = await harness.send(await harness.thread())
    await harness.execute()
    assert (await harness.reply(run))["content"] == "x" * 3000
    assert max(pending) <= 100 + 60


async def test_deltas_wait_for_company_when_asked_to(make_harness: MakeHarness) -> None:
    harness = await make_harness(["a", "b", "c"] * 20, delta_max_delay_ms=60_000)
    run = await harness.send(await harness.thread())
    await harness.execute()
    assert (await harness.types(run)).count("delta") == 1
    assert (await harness.reply(run))["content"] == "abc" * 20


async def test_a_delta_has_at_most_max_chars(make_harness: MakeHarness) -> None:
    harness = await make_harness(["abcdefgh" * 4], delta_max_chars=10)
    run = await harness.send(await harness.thread())
    await harness.execute()
    assert (await harness.types(run)).count("delta") == 4
    assert (await harness.reply(run))["content"] == "abcdefgh" * 4


async def test_the_message_row_is_saved_no_more_often_than_its_growth_justifies(
    make_harness: MakeHarness,
) -> None:
    """L7, and linear bytes: a few saves for many chunks, however fast they come."""
    harness = await make_harness(["x" * 10] * 400, message_save_interval_s=0.0, delta_max_chars=10)
    run = await harness.send(await harness.thread())
    saves: list[int] = []

    def look(events: Any) -> None:
        sql = f"SELECT LENGTH(parts) FROM message WHERE pk = {run.message_pk}"
        size: int = harness.store.read_now(lambda conn: conn.exec_driver_sql(sql).scalar_one())
        if not saves or size != saves[-1]:
            saves.append(size)

    harness.store.listen(look)
    await harness.execute()
    assert saves[-1] > 4000
    assert sum(saves) < 8 * saves[-1]


async def test_a_database_that_refuses_for_a_while_costs_no_text(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender_module, "STORE_BACKOFF", AT_ONCE)
    monkeypatch.setattr(appender_module, "MAX_STORE_RETRIES", 3)
    harness = await make_harness(["Prices ", "rose."])
    run = await harness.send(await harness.thread())
    await refuse_inserts(harness, "delta")
    task = asyncio.ensure_future(Execution(harness.services, await harness.claim()).run())
    tries = 0

    def allow_after_two(self: Any, append: Any, events: Any, error: Any) -> None:
        nonlocal tries
        tries += error is not None
        if tries == 2:
            harness.store.submit(lambda tx: tx.execute("DROP TRIGGER refuse"))
        original(self, append, events, error)

    original = appender_module.Appender.on_appended
    monkeypatch.setattr(appender_module.Appender, "on_appended", allow_after_two)
    await harness.bounded(task)
    assert tries >= 2
    assert (await harness.reply(run))["content"] == "Prices rose."
    assert (await harness.run(run))["status"] == "completed"


async def test_a_database_that_goes_on_refusing_leaves_the_run_to_the_sweep(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L10: what could not be written is not lost to the log; another attempt says it again."""
    monkeypatch.setattr(appender_module, "STORE_BACKOFF", AT_ONCE)
    monkeypatch.setattr(appender_module, "MAX_STORE_RETRIES", 1)
    harness = await make_harness(["Prices rose."], ["Prices rose, yes."])
    run = await harness.send(await harness.thread())
    await refuse_inserts(harness, "delta")
    await harness.execute()
    assert (await harness.run(run))["status"] == "processing"
    assert await harness.is_lost(run)
    await harness.store.write(lambda tx: tx.execute("DROP TRIGGER refuse"))
    await harness.execute()
    assert (await harness.reply(run))["content"] == "Prices rose, yes."


async def refuse_inserts(harness: RunHarness, type_: str) -> None:
    """Make the database itself refuse events of a type."""
    sql = (
        f"CREATE TRIGGER refuse BEFORE INSERT ON event WHEN NEW.type = '{type_}' "
        "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
    )
    await harness.store.write(lambda tx: tx.execute(sql))
