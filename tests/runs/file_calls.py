"""Calls of the tool ``files``, and a root with a secret beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.runs.tools.base import ToolDone
from jupyter_chat_stream.runs.tools.files.below_root import BelowRoot
from jupyter_chat_stream.runs.tools.files.tool import FilesTool
from tests.runs.calls import call_context

SECRET = "the secret"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a file, and a secret beside it."""
    (tmp_path / "secret.txt").write_text(SECRET)
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.txt").write_text("one\ntwo\nthree\n")
    return folder


async def make(below: BelowRoot | Path, **input_: Any) -> ToolDone:
    if isinstance(below, Path):
        below = BelowRoot(str(below))
    done = await FilesTool(below).call(input_, call_context())
    assert isinstance(done, ToolDone)
    return done


async def read(below: BelowRoot | Path, path: str, **input_: Any) -> Any:
    done = await make(below, operation="read", path=path, **input_)
    assert done.success, done.output
    return done.output
