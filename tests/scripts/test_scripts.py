"""What `make` runs decides rightly: what is fresh, what is kept, what is too large."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from scripts import checks, chromium, demo, frontend, setup_env
from scripts.terminal import Failure

ROOT = Path(__file__).parents[2]
FIND_PYTHON = ROOT / "scripts" / "find_python.sh"
FOUND = "import sys; print(sys.version_info[:2] >= (3, 11))"


def test_a_touched_file_does_not_make_the_bundle_stale(tmp_path: Path) -> None:
    source = tmp_path / "src" / "index.ts"
    source.parent.mkdir()
    source.write_text("export {}\n")
    before = frontend.fingerprint(tmp_path, frontend.BUNDLED)
    os.utime(source, (1, 1))
    assert frontend.fingerprint(tmp_path, frontend.BUNDLED) == before


@pytest.mark.parametrize("name", ["src/view/new.tsx", "schema/plugin.json", "package.json"])
def test_a_changed_or_new_source_makes_the_bundle_stale(tmp_path: Path, name: str) -> None:
    before = frontend.fingerprint(tmp_path, frontend.BUNDLED)
    changed = tmp_path / name
    changed.parent.mkdir(parents=True, exist_ok=True)
    changed.write_text("{}")
    assert frontend.fingerprint(tmp_path, frontend.BUNDLED) != before


def test_a_renamed_source_makes_the_bundle_stale(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.ts").write_text("1")
    before = frontend.fingerprint(tmp_path, frontend.BUNDLED)
    (tmp_path / "src" / "a.ts").rename(tmp_path / "src" / "b.ts")
    assert frontend.fingerprint(tmp_path, frontend.BUNDLED) != before


def test_a_fresh_bundle_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources, bundle = tmp_path / "labextension", tmp_path / "bundle"
    sources.mkdir()
    bundle.mkdir()
    (sources / "package.json").write_text("{}")
    monkeypatch.setattr(frontend, "SOURCES", sources)
    monkeypatch.setattr(frontend, "BUNDLE", bundle)
    fresh = frontend.fingerprint(sources, frontend.BUNDLED)
    (bundle / frontend.FINGERPRINT).write_text(fresh)
    # An empty PATH: a build would fail at once.
    assert frontend.ensure_bundle({"PATH": ""}) is False


def notebook(source: str) -> str:
    cell = {"cell_type": "code", "execution_count": 1, "outputs": ["old"], "source": [source]}
    return json.dumps({"cells": [cell]})


@pytest.fixture
def demo_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A demo beside one shipped notebook, both in a scratch folder."""
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / demo.FIRST).write_text(notebook("first"))
    monkeypatch.setattr(demo, "SHIPPED", shipped)
    monkeypatch.setattr(demo, "DEMO", tmp_path / "demo")
    monkeypatch.setattr(demo, "RUNTIME", tmp_path / "demo" / "runtime")
    monkeypatch.setattr(demo, "ORIGINS", tmp_path / "demo" / "origins.json")
    return tmp_path / "demo" / "notebooks"


def test_the_demo_keeps_what_a_person_wrote_into_the_notebook(demo_folder: Path) -> None:
    demo.copy_notebooks()
    (demo_folder / demo.FIRST).write_text('{"mine": true}')
    demo.copy_notebooks()
    assert (demo_folder / demo.FIRST).read_text() == '{"mine": true}'


def test_the_demo_brings_a_changed_notebook_and_keeps_the_old_one_beside(demo_folder: Path) -> None:
    demo.copy_notebooks()
    (demo_folder / demo.FIRST).write_text('{"mine": true}')
    (demo.SHIPPED / demo.FIRST).write_text(notebook("second"))
    demo.copy_notebooks()
    (cell,) = json.loads((demo_folder / demo.FIRST).read_text())["cells"]
    assert (cell["source"], cell["outputs"]) == (["second"], [])  # as before its first run
    (kept,) = demo_folder.glob("*(kept *).ipynb")
    assert kept.read_text() == '{"mine": true}'


def test_root_gets_allow_root_on_loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "is_root", lambda: True)
    words = demo.command(opens_browser=False)
    assert "--allow-root" in words
    assert "--ServerApp.ip=127.0.0.1" in words


def test_nobody_else_gets_allow_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "is_root", lambda: False)
    assert "--allow-root" not in demo.command(opens_browser=True)


def test_a_kernel_of_the_demo_sees_nothing_of_an_outer_jupyter(
    demo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    monkeypatch.setenv("JUPYTER_CHAT_STREAM_CONNECTION", "/elsewhere.json")
    env = demo.demo_environment()
    assert "JPY_PARENT_PID" not in env
    assert "JUPYTER_CHAT_STREAM_CONNECTION" not in env


def test_a_dead_python_on_the_path_is_passed_over(tmp_path: Path) -> None:
    # What a pyenv shim does when its version is gone.
    shim = tmp_path / "python3"
    shim.write_text("#!/bin/sh\necho 'pyenv: version not installed' >&2\nexit 127\n")
    shim.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", str(FIND_PYTHON), "-c", FOUND], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.stdout.strip() == "True", done.stderr


def test_a_python_asked_for_that_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHON": "/nowhere/python"}
    done = subprocess.run(
        ["sh", str(FIND_PYTHON), "-c", FOUND], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "PYTHON=/nowhere/python" in done.stderr


def test_a_long_function_is_named_and_its_docstring_does_not_count() -> None:
    body = "    x = 1\n" * checks.FUNCTION_LINES
    path = ROOT / "module.py"
    documented = 'def short():\n    """One.\n\n    Two.\n    """\n' + body[: -len("    x = 1\n")]
    assert list(checks.long_functions(path, documented)) == []
    (found,) = checks.long_functions(path, "def long():\n" + body)
    assert found == "module.py:1: long has 41 lines, more than 40"


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A machine with nothing that makes environments; answers the commands tried on it."""
    tried: list[list[str]] = []

    def run(command: list[object], **_: object) -> bool:
        tried.append([str(word) for word in command])
        return True

    monkeypatch.setattr(setup_env, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(setup_env, "PYTHON", tmp_path / ".venv/bin/python")
    monkeypatch.setattr(setup_env, "environment_makers", list)
    monkeypatch.setattr("sys.executable", "/usr/bin/python3")
    monkeypatch.setattr(setup_env, "run", run)
    return tried


def test_without_a_way_to_make_an_environment_one_sentence_names_the_package(
    bare_machine: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup_env, "may_use_apt", lambda: False)
    with pytest.raises(Failure, match=r"sudo apt install python3\.\d+-venv"):
        setup_env.ensure_environment()
    assert bare_machine == []


def test_root_gets_the_missing_package_from_apt(
    bare_machine: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup_env, "may_use_apt", lambda: True)
    setup_env.ensure_environment()
    assert [words[:2] for words in bare_machine] == [
        ["apt-get", "update"],
        ["apt-get", "install"],
        ["/usr/bin/python3", "-m"],
    ]


def test_what_was_installed_for_more_is_enough_for_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extension = tmp_path / "extension"
    extension.mkdir()
    (extension / "package.json").write_text("{}")
    monkeypatch.setattr(setup_env, "EXTENSION", extension)
    monkeypatch.setattr(setup_env, "NOTE", tmp_path / "note")
    (tmp_path / "note").write_text(f"test {setup_env.definition()}")
    assert [setup_env.is_installed(purpose) for purpose in ("use", "test", "check")] == [
        True,
        True,
        False,
    ]


def test_no_browser_anywhere_fails_with_the_name_of_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chromium, "find_chromium", lambda: None)
    monkeypatch.setattr(chromium, "run", lambda *_, **__: False)
    monkeypatch.setattr(chromium, "may_use_apt", lambda: False)
    with pytest.raises(Failure, match="apt install chromium"):
        chromium.ensure_chromium(Path("python"))


def test_a_chromium_that_only_tells_to_install_it_is_not_taken(tmp_path: Path) -> None:
    stub = tmp_path / "chromium"
    stub.write_text("#!/bin/sh\necho 'please install the snap'\nexit 0\n")
    stub.chmod(0o755)
    assert not chromium.starts(str(stub))


def test_a_playwright_that_does_not_start_fails_with_the_name_of_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chromium, "run", lambda *_, **__: False)
    monkeypatch.setattr(chromium, "may_use_apt", lambda: False)
    with pytest.raises(Failure, match="apt install libatomic1"):
        chromium.ensure_driver(Path("python"))
