"""Owners of runs by a lock on a file, with real processes: who lives, and what the dead leave."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.engine import owners as owners_module
from jupyter_chat_stream.engine.owners import FileOwners
from jupyter_chat_stream.shared.errors import StoreError
from jupyter_chat_stream.shared.events import Delta
from jupyter_chat_stream.store.chat.claims import claim, find_due
from jupyter_chat_stream.store.log.operations import Append
from jupyter_chat_stream.store.log.transaction import RunRef
from jupyter_chat_stream.testing import ScriptedProvider, answering
from tests.fixtures import MakeRig
from tests.run_harness import RunHarness, texts

HOLD_A_LOCK = """
import sys
from pathlib import Path
from jupyter_chat_stream.engine.owners import FileOwners
FileOwners(Path(sys.argv[1]), sys.argv[2]).lock()
print("held", flush=True)
sys.stdin.read()
"""


class OtherProcess:
    """A process that holds an owner's lock and does nothing."""

    def __init__(self, folder: Path, owner: str) -> None:
        self.owner = owner
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLD_A_LOCK, str(folder), owner],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"held\n"

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


@pytest.fixture
def other_process(tmp_path: Path):  # type: ignore[no-untyped-def]
    other = OtherProcess(tmp_path, "01other")
    yield other
    other.kill()


async def left_by(harness: RunHarness, owner: str, said: str = "Prices ") -> RunRef:
    """A run that another process works on and has said something of."""
    run = await harness.send(await harness.thread())
    claimed = await harness.claim(owner)
    delta = Delta(part=0, kind="text", text=said)
    append = Append(run=run, attempt=claimed.attempt, bodies=(delta,))
    await asyncio.wrap_future(harness.store.appended(append))
    return run


async def test_the_run_of_a_dead_owner_is_taken_over_and_goes_on(
    make_harness: MakeRig, other_process: OtherProcess
) -> None:
    """L10: however the process dies, the operating system lets go of its lock."""
    harness = await make_harness(["rose."])
    run = await left_by(harness, other_process.owner)
    await harness.engine.sweep.sweep()
    assert harness.engine.active == 0  # it lives
    other_process.kill()
    await harness.engine.sweep.sweep()
    state = await harness.ended(run)
    assert (state["status"], state["attempt"]) == ("completed", 2)
    assert texts(await harness.reply(run)) == ["Prices ", "rose."]
    assert await harness.column(run, "crashes") == 1


async def test_the_run_of_a_living_owner_is_never_taken(
    make_harness: MakeRig, other_process: OtherProcess
) -> None:
    harness = await make_harness()
    run = await left_by(harness, other_process.owner)
    harness.clock.advance(10 * 24 * 3600 * 1000)  # no clock is asked: a laptop may sleep
    for _ in range(3):
        await harness.engine.sweep.sweep()
    assert harness.engine.active == 0
    assert await harness.column(run, "owner") == other_process.owner
    assert harness.provider.prompts == []


async def test_a_living_owner_whose_file_was_removed_keeps_its_run_and_makes_the_file_again(
    make_harness: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L5, L10: a cleaned folder proves nobody's death."""
    harness = await make_harness()
    folder = harness.store.database.folder
    assert folder is not None
    monkeypatch.setattr(FileOwners, "look_s", 0.01)
    living = FileOwners(folder, "01living")
    await living.open()
    run = await left_by(harness, "01living")
    await harness.engine.sweep.sweep()
    monkeypatch.setattr(FileOwners, "look_s", 1.0)  # the folder is empty for a while
    shutil.rmtree(folder / "owners")
    await harness.engine.sweep.sweep()
    assert harness.engine.active == 0, "the run was taken over while the file was missing"
    await harness.bounded(_made(folder / "owners" / "01living.lock"))
    looking = FileOwners(folder, "01looking")
    assert looking.is_alive(None, "01living")  # type: ignore[arg-type]  # no database is asked
    assert await harness.column(run, "owner") == "01living"
    await living.close()


async def _made(path: Path) -> None:
    while not path.exists():  # noqa: ASYNC110 - a file tells nobody
        await asyncio.sleep(0.01)


def test_an_owner_whose_file_stays_missing_counts_as_dead_in_the_end(
    tmp_path: Path, other_process: OtherProcess
) -> None:
    now_s = 100.0
    owners = FileOwners(tmp_path, "01a", clock=lambda: now_s)
    assert owners.is_alive(None, other_process.owner)  # type: ignore[arg-type]
    (tmp_path / "owners" / f"{other_process.owner}.lock").unlink()
    seen = []
    for now_s in (100.0, 102.0, 104.9, 105.0, 200.0):  # noqa: B007  # the clock reads it
        seen.append(owners.is_alive(None, other_process.owner))  # type: ignore[arg-type]
    assert seen == [True, True, True, False, False]


def test_an_owner_that_never_had_a_file_here_is_dead(tmp_path: Path) -> None:
    assert not FileOwners(tmp_path, "01a").is_alive(None, "01gone")  # type: ignore[arg-type]


def test_an_owner_that_was_seen_to_be_dead_stays_dead_when_its_file_is_removed(
    tmp_path: Path, other_process: OtherProcess
) -> None:
    owners = FileOwners(tmp_path, "01a")
    other_process.kill()
    for _ in range(2):
        assert not owners.is_alive(None, other_process.owner)  # type: ignore[arg-type]
    assert list((tmp_path / "owners").iterdir()) == []


def test_an_owner_that_was_found_unlocked_and_then_took_its_lock_lives(tmp_path: Path) -> None:
    """L10: a file that nobody locks proves no death for good."""
    owners = FileOwners(tmp_path, "01a")
    path = tmp_path / "owners" / "01other.lock"
    path.parent.mkdir()
    path.touch()
    assert not owners.is_alive(None, "01other")  # type: ignore[arg-type]
    other = OtherProcess(tmp_path, "01other")
    assert owners.is_alive(None, "01other")  # type: ignore[arg-type]
    other.kill()


async def test_a_folder_that_takes_no_locks_is_named(tmp_path: Path) -> None:
    (tmp_path / "owners").write_text("a file in its place")
    with pytest.raises(StoreError, match=r"owners.*a file is in its place"):
        await FileOwners(tmp_path, "01a").open()


async def test_only_one_of_two_takes_a_dead_owners_run(make_harness: MakeRig) -> None:
    """L5: the claim is a compare-and-set on the attempt."""
    harness = await make_harness(["rose."])
    run = await left_by(harness, "01dead")
    due = (await harness.store.read(lambda conn: find_due(conn, harness.clock())))[0]
    takers = [
        harness.store.write(
            lambda tx, who=who: claim(tx, due, who, max_crashes=3, on_crash="continue"),  # type: ignore[misc]
            due.run.thread.pk,
        )
        for who in ("01a", "01b", "01c")
    ]
    taken = await asyncio.gather(*takers)
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
async def test_on_crash_says_what_becomes_of_a_dead_owners_run(
    make_harness: MakeRig, on_crash: str, parts: list[str], status: str
) -> None:
    provider = ScriptedProvider(default=answering("Prices rose.", chunk_chars=100))
    harness = await make_harness(provider=provider, on_crash=on_crash)
    run = await left_by(harness, "01dead")
    await harness.engine.start()
    state = await harness.ended(run)
    assert (state["status"], state["attempt"]) == (status, 2)
    assert texts(await harness.reply(run)) == parts


async def test_a_run_that_crashes_too_often_is_failed(make_harness: MakeRig) -> None:
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
    make_harness: MakeRig,
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
    make_harness: MakeRig, caplog: pytest.LogCaptureFixture, damage: str, repair: str
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


async def test_an_owner_that_cannot_be_looked_at_does_not_end_the_sweep(
    make_harness: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L10: no descriptor left, or a file of somebody else's: the others' runs are taken."""
    harness = await make_harness(["Prices rose."])
    await left_by(harness, "01dead")

    def refuse(owners: FileOwners, conn: object, owner: str) -> bool:
        raise PermissionError(13, "Permission denied")

    run = await harness.send(await harness.thread())
    with monkeypatch.context() as patch:
        patch.setattr(FileOwners, "is_alive", refuse)
        await harness.engine.start()
        assert (await harness.ended(run))["status"] == "completed"


async def test_a_store_that_refuses_puts_the_sweep_off_and_does_not_end_it(
    make_harness: MakeRig,
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


def test_a_folder_where_nothing_can_be_locked_is_refused_l10(tmp_path: Path) -> None:
    """Somebody else holds the draft all the time, as where the system grants no lock at all."""
    (tmp_path / "owners").mkdir()
    with (tmp_path / "owners" / f"01me{owners_module._DRAFT}").open("w") as draft:
        assert owners_module._lock(draft.fileno())
        with pytest.raises(StoreError, match="cannot be locked"):
            alive(tmp_path, "01me")


def alive(folder: Path, owner: str) -> FileOwners:
    """An owner that holds its lock."""
    owners = FileOwners(folder, owner)
    owners.lock()
    return owners


def is_alive(owners: FileOwners, owner: str) -> bool:
    return owners.is_alive(None, owner)  # type: ignore[arg-type]  # a lock needs no database


def test_an_owner_lives_as_long_as_its_process(tmp_path: Path, other_process: OtherProcess) -> None:
    owners = alive(tmp_path, "01me")
    assert is_alive(owners, "01me")
    assert is_alive(owners, other_process.owner)
    assert not is_alive(owners, "01never")
    other_process.kill()
    assert not is_alive(owners, other_process.owner)
    names = {path.name for path in (tmp_path / "owners").iterdir()}
    assert names == {"01me.lock"}  # who finds the dead buries them
    owners.unlock()
    assert list((tmp_path / "owners").iterdir()) == []


def test_looking_at_an_owner_does_not_make_it_live(tmp_path: Path) -> None:
    owners = alive(tmp_path, "01me")
    abandoned = tmp_path / "owners" / "01dead.lock"
    abandoned.touch()
    assert not is_alive(owners, "01dead")
    assert not abandoned.exists()
    owners.unlock()


async def test_what_dead_owners_have_left_is_removed_at_the_start(
    tmp_path: Path, other_process: OtherProcess
) -> None:
    """Also of those that held no run, whom nobody would ever ask about."""
    (tmp_path / "owners" / "01dead.lock").touch()
    (tmp_path / "owners" / "01early.draft").touch()  # died between its two steps
    (tmp_path / "owners" / "note").touch()
    owners = FileOwners(tmp_path, "01me")
    await owners.open()
    names = {path.name for path in (tmp_path / "owners").iterdir()}
    assert names == {"01me.lock", f"{other_process.owner}.lock", "note"}
    await owners.close()


@pytest.mark.skipif(os.name != "posix", reason="Windows renames no open file")
def test_nobody_finds_a_living_owners_file_unlocked_at_any_step_of_its_making(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L5, L10: an owner that was found unlocked would lose its runs while it lives."""
    looking, found = FileOwners(tmp_path, "01you"), []
    path = tmp_path / "owners" / "01me.lock"

    def look_after(act: Callable[..., Any]) -> Callable[..., Any]:
        def acting(*args: Any) -> Any:
            result = act(*args)
            with monkeypatch.context() as patch:
                patch.setattr(os, "open", opening)
                patch.setattr(owners_module, "_lock", locking)
                found.append(looking._is_held(path))
            return result

        return acting

    opening, locking, renaming = os.open, owners_module._lock, Path.rename
    monkeypatch.setattr(os, "open", look_after(opening))
    monkeypatch.setattr(owners_module, "_lock", look_after(locking))
    monkeypatch.setattr(Path, "rename", look_after(renaming))
    owners = alive(tmp_path, "01me")
    monkeypatch.undo()
    assert found == [None, None, True]
    assert is_alive(looking, "01me")
    owners.unlock()


@pytest.mark.skipif(os.name != "posix", reason="Windows renames no open file")
def test_an_owner_whose_draft_was_taken_for_a_dead_ones_makes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on a file that is no longer there would be held where nobody looks."""
    draft = tmp_path / "owners" / "01me.draft"
    original, taken = os.open, []

    def bury_once(name: object, *rest: int) -> int:
        descriptor = original(name, *rest)  # type: ignore[call-overload]
        if not taken:
            taken.append(name)
            draft.unlink()
        return int(descriptor)

    monkeypatch.setattr(os, "open", bury_once)
    owners = alive(tmp_path, "01me")
    monkeypatch.undo()
    assert not draft.exists()
    assert is_alive(FileOwners(tmp_path, "01you"), "01me")
    owners.unlock()


def test_a_file_that_cannot_be_removed_says_nothing_of_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows removes no file that somebody has open; who is dead is dead all the same."""
    owners = alive(tmp_path, "01me")
    (tmp_path / "owners" / "01dead.lock").touch()

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "used by another process")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        assert not is_alive(owners, "01dead")
    owners.unlock()


@pytest.mark.skipif(os.name != "posix", reason="modes are a matter of POSIX")
def test_the_owners_files_are_nobody_elses(tmp_path: Path) -> None:
    owners = alive(tmp_path, "../01me")  # and no name leads out of the folder
    folder = tmp_path / "owners"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [p.stat().st_mode & 0o777 for p in folder.iterdir()] == [0o600]
    owners.unlock()
