"""What `jupyter_chat_stream` exports: every public name, for programs and for type checkers."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import jupyter_chat_stream
from jupyter_chat_stream.kernel import failure
from jupyter_chat_stream.shared import errors, events
from jupyter_chat_stream.shared.errors import ChatStreamError
from tests.kernel.harness import ROOT

USED = """
from typing import assert_type

from jupyter_chat_stream import Chat, Delta, Event, Message, Question, Run, RunFailed, Schedule
from jupyter_chat_stream import ThreadNotFound

def words(event: Event) -> str:
    match event.body:
        case Delta(text=text):
            return text
        case _:
            return assert_type(event.text, str)

def ask(chat: Chat) -> tuple[Message | Run, Question | None, list[Schedule]]:
    run = chat.send("Hello")
    assert_type(run.next_question(1.0), Question | None)
    try:
        return chat.ask("Hello"), run.question, chat.schedules()
    except RunFailed as error:
        assert_type(error.run, Run)
        return error.run, None, []
    except ThreadNotFound as error:
        assert_type(error, ThreadNotFound)
        raise
"""


def declared() -> set[str]:
    """The names that type checkers see: those imported for them only."""
    tree = ast.parse(Path(inspect.getfile(jupyter_chat_stream)).read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names}
    return names - {"*"} | error_names(errors) | {*events.__all__}


def error_names(module: ModuleType) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, ChatStreamError)
    }


@pytest.mark.parametrize("name", jupyter_chat_stream.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    assert getattr(jupyter_chat_stream, name) is not None
    assert name in dir(jupyter_chat_stream)


def test_all_errors_and_all_bodies_of_events_are_exported() -> None:
    bodies = {body.__name__ for body in (*events.BODIES.values(), events.Unknown)}
    classes = error_names(errors) | error_names(failure)
    assert bodies | classes | {"Event"} <= set(jupyter_chat_stream.__all__)


def test_type_checkers_see_the_names_that_are_exported() -> None:
    assert declared() == set(jupyter_chat_stream.__all__) - {"__version__"}


def test_importing_everything_brings_every_name() -> None:
    names: dict[str, object] = {}
    exec("from jupyter_chat_stream import *", names)
    assert names.keys() - {"__builtins__"} == set(jupyter_chat_stream.__all__)


def test_a_name_that_is_not_exported_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Caht'"):
        _ = jupyter_chat_stream.Caht  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_users_program_is_type_checked(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(USED)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
