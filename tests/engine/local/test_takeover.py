"""Taking over the runs of dead holders: which process gets a run, and how the run goes on."""

from __future__ import annotations

import asyncio
import logging

import pytest

from jupyter_chat_stream.engine.holders import FileHolders
from jupyter_chat_stream.store.chat.claims import claim
from jupyter_chat_stream.store.chat.due import find_due
from jupyter_chat_stream.testing import ScriptedProvider, answering
from tests.engine.local.processes import OtherProcess, left_by
from tests.fixtures import MakeHarness
from tests.run_harness import texts


async def test_the_run_of_a_dead_holder_is_taken_over_and_goes_on(
    make_harness: MakeHarness, other_process: OtherProcess
) -> None:
    """L10: however the process dies, the operating system lets go of its lock."""
    harness = await make_harness(["rose."])
    run = await left_by(harness, other_process.holder)
    await harness.engine.sweep.sweep()
    assert harness.engine.active == 0  # it lives
    other_process.kill()
    await harness.engine.sweep.sweep()
    state = await harness.ended(run)
    assert (state["status"], state["attempt"]) == ("completed", 2)
    assert texts(await harness.reply(run)) == ["Prices ", "rose."]
    assert await harness.column(run, "crashes") == 1


async def test_the_run_of_a_living_holder_is_never_taken(
    make_harness: MakeHarness, other_process: OtherProcess
) -> None:
    harness = await make_harness()
    run = await left_by(harness, other_process.holder)
    harness.clock.advance(10 * 24 * 3600 * 1000)  # no clock is asked: a laptop may sleep
    for _ in range(3):
        await harness.engine.sweep.sweep()
    assert harness.engine.active == 0
    assert await harness.column(run, "owner") == other_process.holder
    assert harness.provider.prompts == []


async def test_only_one_of_two_takes_a_dead_holders_run(make_harness: MakeHarness) -> None:
    """L5: the claim is a compare-and-set on the attempt."""
    harness = await make_harness(["rose."])
    run = await left_by(harness, "01dead")
    due = (await harness.store.read(lambda conn: find_due(conn, harness.clock())))[0]
    claims = [
        harness.store.write(
            lambda tx, who=who: claim(tx, due, who, max_crashes=3, on_crash="continue"),  # type: ignore[misc]
            due.run.thread.pk,
        )
        for who in ("01a", "01b", "01c")
    ]
    taken = await asyncio.gather(*claims)
    assert [claimed is not None for claimed in taken] == [True, False, False]
    assert await harness.column(run, "owner") == "01a"
    assert await harness.column(run, "attempt") == 2


@pytest.mark.parametrize(
    ("on_crash", "parts", "status"),
    [
        ("continue", ["Prices ", "rose."], "completed"),
        ("restart", ["Prices rose."], "completed"),
        ("interrupt", ["Prices "], "interrupted"),
    ],
)
async def test_on_crash_says_what_becomes_of_a_dead_holders_run(
    make_harness: MakeHarness, on_crash: str, parts: list[str], status: str
) -> None:
    provider = ScriptedProvider(default=answering("Prices rose.", chunk_chars=100))
    harness = await make_harness(provider=provider, on_crash=on_crash)
    run = await left_by(harness, "01dead")
    await harness.engine.start()
    state = await harness.ended(run)
    assert (state["status"], state["attempt"]) == (status, 2)
    assert texts(await harness.reply(run)) == parts


async def test_a_run_that_crashes_too_often_is_failed(make_harness: MakeHarness) -> None:
    """L10: a poison run ends, and the log says why."""
    harness = await make_harness(max_crashes=3)
    run = await left_by(harness, "01dead")
    for crashes in (1, 2):
        await harness.claim(f"01dead{crashes}")
        assert await harness.column(run, "crashes") == crashes
    await harness.engine.start()
    state = await harness.ended(run)
    assert (state["status"], state["error"]["code"]) == ("failed", "crashed_too_often")
    assert (await harness.reply(run))["content"] == "Prices "
    assert harness.provider.prompts == []


async def test_the_next_in_line_follows_a_run_that_ended_by_being_claimed(
    make_harness: MakeHarness,
) -> None:
    harness = await make_harness(["Second."], on_crash="interrupt")
    first = await left_by(harness, "01dead")
    second = await harness.send(first.thread)
    await harness.engine.start()
    assert (await harness.ended(second))["status"] == "completed"


@pytest.mark.parametrize(
    ("damage", "repair"),
    [
        pytest.param(
            "UPDATE event SET part = 7 WHERE type = 'delta' AND run = {pk}",
            "UPDATE event SET part = 0 WHERE type = 'delta' AND run = {pk}",
            id="the log",
        ),
        pytest.param(
            "UPDATE run SET params = '{{' WHERE pk = {pk}",
            "UPDATE run SET params = '{{}}' WHERE pk = {pk}",
            id="a row that cannot even be read",
        ),
    ],
)
async def test_what_is_damaged_ends_its_own_run_and_keeps_no_other_back(
    make_harness: MakeHarness, caplog: pytest.LogCaptureFixture, damage: str, repair: str
) -> None:
    """L10: whoever is due behind it in the sweep's list is still taken."""
    harness = await make_harness(["Prices rose."])
    damaged = await left_by(harness, "01dead")
    await harness.store.write(lambda tx: tx.execute(damage.format(pk=damaged.pk)))
    whole = await harness.send(await harness.thread())
    await harness.engine.start()
    assert (await harness.ended(whole))["status"] == "completed"
    assert await harness.column(damaged, "status") == "failed"
    assert any(damaged.id in r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR)
    await harness.store.write(lambda tx: tx.execute(repair.format(pk=damaged.pk)))


async def test_a_holder_that_cannot_be_looked_at_does_not_end_the_sweep(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L10: no descriptor left, or a file of somebody else's: the others' runs are taken."""
    harness = await make_harness(["Prices rose."])
    await left_by(harness, "01dead")

    def refuse(holders: FileHolders, conn: object, holder: str) -> bool:
        raise PermissionError(13, "Permission denied")

    run = await harness.send(await harness.thread())
    with monkeypatch.context() as patch:
        patch.setattr(FileHolders, "is_alive", refuse)
        await harness.engine.start()
        assert (await harness.ended(run))["status"] == "completed"


async def test_a_store_that_refuses_puts_the_sweep_off_and_does_not_end_it(
    make_harness: MakeHarness,
) -> None:
    """L9, L10: the sweep outlives what the database says."""
    harness = await make_harness(["Prices rose."], sweep_interval_s=0.05)
    trigger = (
        "CREATE TRIGGER refuse BEFORE UPDATE OF owner ON run "
        "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
    )
    await harness.store.write(lambda tx: tx.execute(trigger))
    put_off = asyncio.Event()
    logger = logging.getLogger("jupyter_chat_stream.engine")
    logger.addFilter(hear := lambda record: put_off.set() or True)
    await harness.engine.start()
    run = await harness.send(await harness.thread())
    await harness.bounded(put_off.wait())
    logger.removeFilter(hear)
    await harness.store.write(lambda tx: tx.execute("DROP TRIGGER refuse"))
    assert (await harness.ended(run))["status"] == "completed"
