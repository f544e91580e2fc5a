"""Holders by a lock on a file, with real processes: which live, and what the dead leave."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.engine import holders as holders_module
from jupyter_chat_stream.engine.holders import FileHolders
from jupyter_chat_stream.shared.errors import StoreError
from tests.engine.local.processes import OtherProcess, left_by
from tests.fixtures import MakeHarness


async def test_a_living_holder_whose_file_was_removed_keeps_its_run_and_makes_the_file_again(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L5, L10: a cleaned folder proves nobody's death."""
    harness = await make_harness()
    folder = harness.store.database.folder
    assert folder is not None
    monkeypatch.setattr(FileHolders, "look_s", 0.01)
    living = FileHolders(folder, "01living")
    await living.open()
    run = await left_by(harness, "01living")
    await harness.engine.sweep.sweep()
    monkeypatch.setattr(FileHolders, "look_s", 1.0)  # the folder is empty for a while
    shutil.rmtree(folder / "owners")
    await harness.engine.sweep.sweep()
    assert harness.engine.active == 0, "the run was taken over while the file was missing"
    await harness.bounded(_made(folder / "owners" / "01living.lock"))
    looking = FileHolders(folder, "01looking")
    assert looking.is_alive(None, "01living")  # type: ignore[arg-type]  # no database is asked
    assert await harness.column(run, "owner") == "01living"
    await living.close()


async def _made(path: Path) -> None:
    while not path.exists():  # noqa: ASYNC110 - a file tells nobody
        await asyncio.sleep(0.01)


def test_a_holder_whose_file_stays_missing_counts_as_dead_in_the_end(
    tmp_path: Path, other_process: OtherProcess
) -> None:
    now_s = 100.0
    holders = FileHolders(tmp_path, "01a", clock=lambda: now_s)
    assert holders.is_alive(None, other_process.holder)  # type: ignore[arg-type]
    (tmp_path / "owners" / f"{other_process.holder}.lock").unlink()
    seen = []
    for now_s in (100.0, 102.0, 104.9, 105.0, 200.0):  # noqa: B007  # the clock reads it
        seen.append(holders.is_alive(None, other_process.holder))  # type: ignore[arg-type]
    assert seen == [True, True, True, False, False]


def test_a_holder_that_never_had_a_file_here_is_dead(tmp_path: Path) -> None:
    assert not FileHolders(tmp_path, "01a").is_alive(None, "01gone")  # type: ignore[arg-type]


def test_a_holder_that_was_seen_to_be_dead_stays_dead_when_its_file_is_removed(
    tmp_path: Path, other_process: OtherProcess
) -> None:
    holders = FileHolders(tmp_path, "01a")
    other_process.kill()
    for _ in range(2):
        assert not holders.is_alive(None, other_process.holder)  # type: ignore[arg-type]
    assert list((tmp_path / "owners").iterdir()) == []


def test_a_holder_that_was_found_unlocked_and_then_took_its_lock_lives(tmp_path: Path) -> None:
    """L10: a file that nobody locks proves no death for good."""
    holders = FileHolders(tmp_path, "01a")
    path = tmp_path / "owners" / "01other.lock"
    path.parent.mkdir()
    path.touch()
    assert not holders.is_alive(None, "01other")  # type: ignore[arg-type]
    other = OtherProcess(tmp_path, "01other")
    assert holders.is_alive(None, "01other")  # type: ignore[arg-type]
    other.kill()


async def test_a_folder_that_takes_no_locks_is_named(tmp_path: Path) -> None:
    (tmp_path / "owners").write_text("a file in its place")
    with pytest.raises(StoreError, match=r"owners.*a file is in its place"):
        await FileHolders(tmp_path, "01a").open()


def test_a_folder_where_nothing_can_be_locked_is_refused_l10(tmp_path: Path) -> None:
    """Somebody else holds the draft all the time, as where the system grants no lock at all."""
    (tmp_path / "owners").mkdir()
    with (tmp_path / "owners" / f"01me{holders_module.DRAFT}").open("w") as draft:
        assert holders_module.try_lock(draft.fileno())
        with pytest.raises(StoreError, match="cannot be locked"):
            alive(tmp_path, "01me")


def alive(folder: Path, holder: str) -> FileHolders:
    """A holder that holds its lock."""
    holders = FileHolders(folder, holder)
    holders.lock()
    return holders


def is_alive(holders: FileHolders, holder: str) -> bool:
    return holders.is_alive(None, holder)  # type: ignore[arg-type]  # a lock needs no database


def test_a_holder_lives_as_long_as_its_process(tmp_path: Path, other_process: OtherProcess) -> None:
    holders = alive(tmp_path, "01me")
    assert is_alive(holders, "01me")
    assert is_alive(holders, other_process.holder)
    assert not is_alive(holders, "01never")
    other_process.kill()
    assert not is_alive(holders, other_process.holder)
    names = {path.name for path in (tmp_path / "owners").iterdir()}
    assert names == {"01me.lock"}  # who finds the dead buries them
    holders.unlock()
    assert list((tmp_path / "owners").iterdir()) == []


def test_looking_at_a_holder_does_not_make_it_live(tmp_path: Path) -> None:
    holders = alive(tmp_path, "01me")
    abandoned = tmp_path / "owners" / "01dead.lock"
    abandoned.touch()
    assert not is_alive(holders, "01dead")
    assert not abandoned.exists()
    holders.unlock()


async def test_what_dead_holders_have_left_is_removed_at_the_start(
    tmp_path: Path, other_process: OtherProcess
) -> None:
    """Also of those that held no run, whom nobody would ever ask about."""
    (tmp_path / "owners" / "01dead.lock").touch()
    (tmp_path / "owners" / "01early.draft").touch()  # died between its two steps
    (tmp_path / "owners" / "note").touch()
    holders = FileHolders(tmp_path, "01me")
    await holders.open()
    names = {path.name for path in (tmp_path / "owners").iterdir()}
    assert names == {"01me.lock", f"{other_process.holder}.lock", "note"}
    await holders.close()


@pytest.mark.skipif(os.name != "posix", reason="Windows renames no open file")
def test_nobody_finds_a_living_holders_file_unlocked_at_any_step_of_its_making(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L5, L10: a holder that was found unlocked would lose its runs while it lives."""
    looking = FileHolders(tmp_path, "01you")
    found: list[bool | None] = []
    path = tmp_path / "owners" / "01me.lock"

    def look_after(act: Callable[..., Any]) -> Callable[..., Any]:
        def acting(*args: Any) -> Any:
            result = act(*args)
            with monkeypatch.context() as patch:
                patch.setattr(os, "open", opening)
                patch.setattr(holders_module, "try_lock", locking)
                found.append(looking.is_held(path))
            return result

        return acting

    opening, locking, renaming = os.open, holders_module.try_lock, Path.rename
    monkeypatch.setattr(os, "open", look_after(opening))
    monkeypatch.setattr(holders_module, "try_lock", look_after(locking))
    monkeypatch.setattr(Path, "rename", look_after(renaming))
    holders = alive(tmp_path, "01me")
    monkeypatch.undo()
    assert found == [None, None, True]
    assert is_alive(looking, "01me")
    holders.unlock()


@pytest.mark.skipif(os.name != "posix", reason="Windows renames no open file")
def test_a_holder_whose_draft_was_taken_for_a_dead_ones_makes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on a file that is no longer there would be held where nobody looks."""
    draft = tmp_path / "owners" / "01me.draft"
    original = os.open
    taken: list[object] = []

    def bury_once(name: object, *rest: int) -> int:
        descriptor = original(name, *rest)  # type: ignore[call-overload]
        if not taken:
            taken.append(name)
            draft.unlink()
        return int(descriptor)

    monkeypatch.setattr(os, "open", bury_once)
    holders = alive(tmp_path, "01me")
    monkeypatch.undo()
    assert not draft.exists()
    assert is_alive(FileHolders(tmp_path, "01you"), "01me")
    holders.unlock()


def test_a_file_that_cannot_be_removed_says_nothing_of_its_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows removes no file that somebody has open; who is dead is dead all the same."""
    holders = alive(tmp_path, "01me")
    (tmp_path / "owners" / "01dead.lock").touch()

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "used by another process")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        assert not is_alive(holders, "01dead")
    holders.unlock()


@pytest.mark.skipif(os.name != "posix", reason="modes are a matter of POSIX")
def test_the_holders_files_are_nobody_elses(tmp_path: Path) -> None:
    holders = alive(tmp_path, "../01me")  # and no name leads out of the folder
    folder = tmp_path / "owners"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [p.stat().st_mode & 0o777 for p in folder.iterdir()] == [0o600]
    holders.unlock()
