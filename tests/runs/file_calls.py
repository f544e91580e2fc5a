"""Calls of the tool ``files``, and a root with a secret beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.runs.tools.base import CallContext, ToolDone
from jupyter_chat_stream.runs.tools.files.below_root import BelowRoot
from jupyter_chat_stream.runs.tools.files.tool import FilesTool

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

    async def write(_: str) -> None:
        raise AssertionError("the call writes nothing")

    context = CallContext(
        owner="ada",
        thread_id="t",
        run_id="r",
        tool_call_id="c",
        started_ms=0,
        now_ms=0,
        answer=None,
        write=write,
    )
    done = await FilesTool(below).call(input_, context)
    assert isinstance(done, ToolDone)
    return done


async def read(below: BelowRoot | Path, path: str, **input_: Any) -> Any:
    done = await make(below, operation="read", path=path, **input_)
    assert done.success, done.output
    return done.output
