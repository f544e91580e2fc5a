"""`make test ARGS=…` runs the part that was asked for, and makes only what that part needs."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from scripts import setup_env, tests
from scripts.selection import Selection, select


def test_without_arguments_the_whole_suite_runs_with_all_that_it_needs() -> None:
    whole = select([])
    assert (whole.is_whole, whole.needs_packages, whole.needs_page) == (True, True, True)
    words = tests.pytest_words(whole)
    assert "tests" in words
    assert set(tests.NOTEBOOKS) <= set(words)


@pytest.mark.parametrize(
    "arguments",
    [
        ["tests/store/chat/test_cron.py"],
        ["tests/store", "-k", "word"],
        ["tests/store/chat/test_cron.py::test_a"],
    ],
)
def test_a_path_of_tests_without_a_page_needs_no_front_end(arguments: list[str]) -> None:
    part = select(arguments)
    assert (part.is_whole, part.needs_packages, part.needs_page) == (False, False, False)
    assert tests.pytest_words(part) == ["-p", "no:nbval", "-p", "no:schemathesis", *arguments]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-k", "word"],
        ["tests"],
        ["tests/e2e/test_keys.py"],
        ["tests/faults"],
        ["tests/scripts"],
        ["tests/cases/"],
        ["-x"],
    ],
)
def test_what_may_open_a_page_needs_the_front_end_and_a_browser(arguments: list[str]) -> None:
    assert select(arguments).needs_page


def test_a_path_of_the_front_end_is_vitests_and_needs_no_bundle() -> None:
    part = select(["labextension/tests/thread/model.test.ts"])
    assert part == Selection(vitest=("tests/thread/model.test.ts",), pytest=())
    assert (part.needs_packages, part.needs_page) == (True, False)


def test_a_notebook_is_run_by_nbval() -> None:
    notebook = tests.NOTEBOOKS[0]
    words = tests.pytest_words(select([notebook]))
    assert words == [*tests.NBVAL, "-p", "no:schemathesis", notebook]


@pytest.mark.parametrize("arguments", [["tests/server"], ["-k", "word"]])
def test_what_may_be_made_by_schemathesis_keeps_its_plugin(arguments: list[str]) -> None:
    assert tests.pytest_words(select(arguments)) == ["-p", "no:nbval", *arguments]


def test_a_part_that_needs_no_page_is_installed_without_building_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[tuple[str, str | None]] = []

    def pip(*words: str, env: dict[str, str]) -> None:
        installed.append((words[-1], env.get("SKIP_JUPYTER_BUILDER")))

    monkeypatch.setattr(setup_env, "NOTE", tmp_path / "note")
    monkeypatch.setattr(setup_env, "EXTENSION", tmp_path / "share" / "extension")
    monkeypatch.setattr(setup_env, "BUNDLE", tmp_path / "bundle")
    monkeypatch.setattr(setup_env, "pip", pip)
    monkeypatch.setattr(setup_env, "ensure_environment", lambda: None)
    monkeypatch.setattr(setup_env, "ensure_tools", lambda: True)
    monkeypatch.setattr(setup_env, "ensure_postgres", lambda python: None)
    monkeypatch.setattr(setup_env, "ensure_model_server", lambda python: None)
    setup_env.set_up_part(select(["tests/store/chat/test_cron.py"]))
    assert installed == [(".[test]", "1")]
    assert setup_env.is_installed("test", is_page_needed=False)
    assert not setup_env.is_installed("test")


def test_the_packages_of_both_languages_are_installed_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for the other: one after the other, they would wait for ever."""
    both = threading.Barrier(2, timeout=10)
    link = tmp_path / "share" / "extension"
    monkeypatch.setattr(setup_env, "MAY_LINK", True)
    monkeypatch.setattr(setup_env, "NOTE", tmp_path / "note")
    monkeypatch.setattr(setup_env, "EXTENSION", link)
    monkeypatch.setattr(setup_env, "BUNDLE", tmp_path / "bundle")
    monkeypatch.setattr(setup_env, "ensure_environment", lambda: None)
    monkeypatch.setattr(setup_env, "ensure_tools", lambda: True)
    monkeypatch.setattr(setup_env, "is_fresh", lambda: False)
    monkeypatch.setattr(setup_env, "pip", lambda *words, env: both.wait())
    packages: list[int] = []

    def ensure_packages(env: dict[str, str]) -> None:
        if not packages:
            packages.append(both.wait())

    def ensure_bundle(env: dict[str, str]) -> bool:
        (tmp_path / "bundle" / "package.json").write_text("{}")
        return True

    monkeypatch.setattr(setup_env, "ensure_packages", ensure_packages)
    monkeypatch.setattr(setup_env, "ensure_bundle", ensure_bundle)
    setup_env.set_up("check")
    assert packages
    assert link.is_symlink()
    assert setup_env.is_installed("check")
