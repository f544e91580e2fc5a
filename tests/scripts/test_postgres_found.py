"""The tests find a Postgres where there is one, and say what to install where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import postgres
from scripts.terminal import Failure
from tests.postgres import Postgres


def a_server(folder: Path, version: str) -> Path:
    """Make what looks like a server's programs."""
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return folder


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Postgres."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(postgres, "SYSTEM_PATTERNS", ())
    monkeypatch.setattr(postgres, "MODULE", "no_such_module")
    return tmp_path


def test_the_first_server_that_is_new_enough_is_taken(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_server(bare / "bin", "14.2")
    wanted = a_server(bare / "asked" / "bin", "17.1 (Debian 17.1-1)")
    assert postgres.find_postgres() is None
    monkeypatch.setenv("POSTGRES_BIN", str(wanted))
    assert postgres.find_postgres() == wanted


@pytest.mark.parametrize("words", ["", "nonsense", "postgres (PostgreSQL) 17devel"])
def test_a_server_that_says_something_odd_is_no_reason_to_fail(bare: Path, words: str) -> None:
    folder = a_server(bare / "bin", "")
    (folder / "postgres").write_text(f"#!/bin/sh\necho '{words}'\n")
    assert postgres.major_of(folder) in (0, 17)


def test_without_any_the_set_up_and_the_tests_say_what_to_install(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "run", lambda *_, **__: False)
    monkeypatch.setattr(postgres, "_has_package", lambda python: False)
    with pytest.raises(Failure, match="apt install postgresql"):
        postgres.ensure_postgres(Path("python"))
    with pytest.raises(RuntimeError, match="apt install postgresql"):
        Postgres()
