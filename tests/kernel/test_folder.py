"""Which folder a thread's name belongs to: one folder has one name, however a notebook is run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_chat_stream import _start
from jupyter_chat_stream.kernel import folder as folders
from jupyter_chat_stream.kernel.folder import Folder, find_folder
from jupyter_chat_stream.shared import connection_file
from jupyter_chat_stream.shared.config import CONNECTION_ENV
from jupyter_chat_stream.shared.connection_file import Connection
from jupyter_chat_stream.shared.projects import MAX_BYTES, project_of

SERVER_PID = 4242


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A script that began in the test's folder, and knows of no Jupyter."""
    for name in ("JPY_SESSION_NAME", "JPY_PARENT_PID", CONNECTION_ENV, "PWD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_start, "FOLDER", str(tmp_path))
    monkeypatch.setattr(folders, "running_shell", lambda: None)
    return tmp_path


def be_kernel(monkeypatch: pytest.MonkeyPatch, began: Path, **variables: Any) -> None:
    shell = SimpleNamespace(starting_dir=str(began), user_ns=variables, kernel=object())
    monkeypatch.setattr(folders, "running_shell", lambda: shell)


def be_started_by(monkeypatch: pytest.MonkeyPatch, pid: int, folder: Path) -> None:
    """A kernel in the environment of a server, started by the process of this id."""
    file = folder / "connection.json"
    connection_file.write(file, Connection(url="http://127.0.0.1:1/", token="t", pid=SERVER_PID))
    monkeypatch.setenv(CONNECTION_ENV, str(file))
    monkeypatch.setenv("JPY_PARENT_PID", str(pid))


def test_a_scripts_folder_is_the_one_it_began_in_whatever_chdir_did_since(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clean / "other").mkdir()
    monkeypatch.chdir(clean / "other")
    assert find_folder() == Folder(project=str(clean))


def test_the_import_of_the_package_notes_the_working_directory(tmp_path: Path) -> None:
    code = "import os, jupyter_chat_stream; os.chdir('/'); from jupyter_chat_stream._start import *"
    code += (
        "\nfrom jupyter_chat_stream.kernel.folder import find_folder; print(find_folder().project)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert said.stdout.strip() == str(tmp_path), said.stderr


def test_a_kernels_folder_is_the_one_in_which_it_began(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nbconvert, jupyter execute, nbval and most editors start it in the notebook's folder."""
    (clean / "notebooks").mkdir()
    be_kernel(monkeypatch, clean / "notebooks")
    assert find_folder().project == str(clean / "notebooks")


def test_in_jupyterlab_it_is_the_notebooks_folder(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clean / "churn").mkdir()
    be_kernel(monkeypatch, clean)
    be_started_by(monkeypatch, SERVER_PID, clean)
    monkeypatch.setenv("JPY_SESSION_NAME", str(clean / "churn" / "first.ipynb"))
    assert find_folder().project == str(clean / "churn")


@pytest.mark.parametrize("name", ["first.ipynb", "churn/first.ipynb", "0b7c1e3a-uuid", ""])
def test_a_bare_name_of_a_session_says_nothing_of_a_folder(
    clean: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", name)
    assert find_folder().project == str(clean)


@pytest.mark.skipif(os.name == "nt", reason="there JPY_PARENT_PID is a handle")
def test_nbconvert_in_a_cell_does_not_pass_for_the_cells_notebook(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernel inherits the outer notebook's name, but another process has started it."""
    be_kernel(monkeypatch, clean)
    be_started_by(monkeypatch, 99, clean)
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/outer/first.ipynb")
    assert find_folder().project == str(clean)


@pytest.mark.skipif(os.name == "nt", reason="there JPY_PARENT_PID is a handle")
def test_a_script_in_a_cell_belongs_to_its_own_working_directory(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JPY_PARENT_PID", str(os.getppid() + 1))
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/outer/first.ipynb")
    assert find_folder().project == str(clean)


def test_an_editor_says_which_notebook_it_runs(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VS Code may begin in the workspace's folder, and its sessions have names of their own."""
    (clean / "churn").mkdir()
    notebook = clean / "churn" / "first.ipynb"
    notebook.write_text("{}")
    monkeypatch.setenv("JPY_SESSION_NAME", f"{clean}/first-jvsc-1234.ipynb")
    be_kernel(monkeypatch, clean, __vsc_ipynb_file__=str(notebook))
    assert find_folder().project == str(clean / "churn")


@pytest.mark.parametrize("path", ["churn/first.ipynb", "no/such.ipynb", "s3://bucket/x.ipynb", ""])
def test_papermill_says_so_with_inject_paths(
    clean: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (clean / "churn").mkdir()
    (clean / "churn" / "first.ipynb").write_text("{}")
    be_kernel(monkeypatch, clean, PAPERMILL_INPUT_PATH=path)
    wanted = clean / "churn" if path.startswith("churn") else clean
    assert find_folder().project == str(wanted)


def test_one_folder_has_one_name_over_symbolic_links_slashes_and_dots(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clean / "real" / "churn").mkdir(parents=True)
    (clean / "link").symlink_to(clean / "real")
    linked = clean / "link" / "churn"
    wanted = Folder(project=str(clean / "real" / "churn"), others=(str(linked),))
    monkeypatch.setenv("JPY_SESSION_NAME", f"{linked}/first.ipynb")
    assert find_folder() == wanted, "the name of an earlier release is offered, too"
    be_kernel(monkeypatch, clean / "real" / "churn")
    assert find_folder() == wanted
    monkeypatch.delenv("JPY_SESSION_NAME")
    monkeypatch.setenv("PWD", str(linked))
    assert find_folder() == wanted, "a shell knows the folder by its link"
    monkeypatch.setenv("PWD", "/somewhere/else")
    assert find_folder() == Folder(project=wanted.project)
    monkeypatch.setenv("JPY_SESSION_NAME", f"{linked}/../churn//./first.ipynb")
    assert find_folder().project == wanted.project


def test_a_folder_that_is_gone_keeps_its_name(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook's folder may be renamed while its kernel runs."""
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/churn/first.ipynb")
    assert find_folder().project == "/home/me/churn"


def test_where_no_folder_is_known_the_project_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_start, "FOLDER", None)
    assert find_folder() == Folder(project="")


@pytest.mark.parametrize("name", ["team%20a", "50% #1?", 'it\'s "mine"', "a\\b", "Größe 数据", " "])
def test_any_name_of_a_folder_is_a_project(
    clean: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (clean / name).mkdir()
    monkeypatch.setattr(_start, "FOLDER", str(clean / name))
    assert find_folder().project == f"{clean}/{name}"


def test_a_name_that_is_no_text_is_written_as_one() -> None:
    assert project_of(os.fsdecode(b"/srv/\xff\xfe")) == "/srv/\\xff\\xfe"


def test_a_path_that_is_too_long_for_a_project_is_named_by_its_end_and_a_hash() -> None:
    long = "/" + "/".join(["folder"] * 300)
    project = project_of(long)
    assert project != project_of("/x" + long)
    assert len(project.encode()) <= MAX_BYTES
    assert project.endswith("/folder")
    assert len(project_of("/" + "数" * 400).encode()) <= MAX_BYTES
