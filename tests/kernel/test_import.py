"""What importing costs, and what it must not bring along."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.kernel.harness import ROOT

SERVERS_OWN = ("sqlalchemy", "sqlmodel", "pydantic", "jupyter_server", "anthropic", "aiohttp")
LIGHT = ("asyncio", "tornado", "traitlets", "ipywidgets", "IPython")


def loaded(code: str) -> set[str]:
    """Return the top-level modules, and our own, that a fresh process has after this code."""
    script = f"import sys\n{code}\nprint(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    ours = {name for name in out if name.startswith("jupyter_chat_stream")}
    return ours | {name.partition(".")[0] for name in out}


def test_importing_the_package_brings_nothing() -> None:
    brought = loaded("import jupyter_chat_stream")
    ours = {name for name in brought if name.startswith("jupyter_chat_stream")}
    own = {"jupyter_chat_stream", "jupyter_chat_stream._start", "jupyter_chat_stream._version"}
    assert ours == own
    assert not brought & {*LIGHT, *SERVERS_OWN}


@pytest.mark.parametrize(
    "code",
    ["from jupyter_chat_stream import Chat, Run", "import jupyter_chat_stream.kernel.link"],
)
def test_the_kernels_side_brings_nothing_of_the_servers(code: str) -> None:
    brought = loaded(code)
    assert not brought & set(SERVERS_OWN)
    servers = ("server", "store", "engine", "runs", "service", "following", "providers")
    assert not brought & {f"jupyter_chat_stream.{name}" for name in servers}
