"""Cells in real scratch kernels, and cells that mean harm."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from jupyter_chat_stream.runs.components.reports import NO_WIDGET, TOO_MUCH
from jupyter_chat_stream.runs.components.scratch_kernel import (
    DIED,
    PREFIX,
    TOO_LONG,
    KernelLimits,
    ScratchKernels,
)
from jupyter_chat_stream.runs.tools.concealing import CONCEALED
from jupyter_chat_stream.shared.errors import ScratchKernelFailed
from tests.faults.processes import eventually
from tests.runs.components.building import BROKEN, WORKS

pytestmark = pytest.mark.slow

BOUNDS = KernelLimits(timeout_s=20.0)


def kernels() -> ScratchKernels:
    return ScratchKernels(BOUNDS)


def left_over() -> list[str]:
    """The processes and the folders of scratch kernels of this process."""
    running = [
        child.name()
        for child in psutil.Process().children(recursive=True)
        if any(PREFIX in word for word in child.cmdline())
    ]
    mine = Path(tempfile.gettempdir()).glob(f"{PREFIX}*")
    return running + [str(folder) for folder in mine]


async def is_told(path: Path) -> bool:
    """Whether a cell has written its pids."""
    return path.exists() and path.read_text().endswith(".")


async def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test see all that a scratch kernel leaves behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


async def test_a_cell_that_shows_a_widget_works_and_one_that_raises_tells_its_traceback() -> None:
    """L13's other half: what is offered has run. The kernels go away with their folders."""
    good, bad = await asyncio.gather(
        kernels().try_cell(f"print('made')\n{WORKS}"), kernels().try_cell(BROKEN)
    )
    assert good.works
    assert good.widgets == ("IntSlider",)
    assert good.printed_text == "made\n"
    assert not bad.works
    assert "AttributeError" in bad.error
    assert "\x1b" not in bad.error
    assert left_over() == []


async def test_a_cell_without_a_widget_does_not_work() -> None:
    report = await kernels().try_cell("1 + 1")
    assert report.error == NO_WIDGET


async def test_a_cell_sees_no_secret_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "JPY_API_TOKEN", "DATABASE_URL", "MY_PATH_TOKEN", "LC_KEY"):
        monkeypatch.setenv(name, "sk-secret-value")
    cell = (
        "import os, pathlib\nprint(dict(os.environ))\n"
        "print(pathlib.Path.home(), os.getcwd())\n" + WORKS
    )
    report = await kernels().try_cell(cell)
    assert report.works
    assert "sk-secret-value" not in report.printed_text
    assert report.printed_text.count(PREFIX) > 2, "its home and its folder are temporary"


async def test_a_report_has_no_secret_that_a_cell_finds_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel is no sandbox: it can read what its server's user can, such as a file of keys."""
    secret = 'sk-lab-"0123456789-abcdef'
    monkeypatch.setenv("LAB_API_KEY", secret)
    (tmp_path / "key").write_text(secret)
    cell = (
        f"import json, pathlib\nfound = pathlib.Path({str(tmp_path / 'key')!r}).read_text()\n"
        "print(found[:9], end='', flush=True)\nprint(found[9:], repr(found))\n"
        "print('x' * 3_900, found * 9)\nraise ValueError(json.dumps([found]) + 'y' * 9_000)"
    )
    report = await kernels().try_cell(cell)
    told = report.printed_text + report.error
    assert CONCEALED in report.printed_text
    assert CONCEALED in report.error
    assert "sk-lab-" not in told
    assert "0123456" not in told


HOSTILE = {
    "an infinite loop": ("while True: pass", (TOO_LONG.format(seconds=3),)),
    "10 MB of output": ("print('x' * 10_000_000)", (TOO_MUCH,)),
    "2,000 prints": ("for _ in range(2_000): print('x' * 10_000)", (TOO_MUCH,)),
    # On a busy machine its own limit of memory may be the first.
    "output without end": ("while True: print('x' * 10_000)", (TOO_MUCH, DIED)),
    "an exit": ("import os; os._exit(0)", (DIED,)),
    "much memory": ("x = bytearray(2**40)", ("MemoryError",)),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_cell_fails_and_leaves_nothing(name: str) -> None:
    cell, errors = HOSTILE[name]
    report = await ScratchKernels(KernelLimits(timeout_s=3.0)).try_cell(cell)
    assert not report.works
    assert any(error in report.error for error in errors)
    assert len(report.error) + len(report.printed_text) < 10_000
    assert left_over() == []


async def test_a_cancelled_try_ends_the_kernel_and_what_it_has_started(tmp_path: Path) -> None:
    """Also if the cancellation comes twice, as it does when other calls of the round end, too."""
    told = tmp_path / "pids"
    cell = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(told)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}.')\n"
        "time.sleep(600)"
    )
    trying = asyncio.ensure_future(kernels().try_cell(cell))
    await eventually(lambda: is_told(told), within_s=30, what="the cell")
    pids = [int(pid) for pid in told.read_text().rstrip(".").split()]
    processes = [psutil.Process(pid) for pid in pids]
    trying.cancel()
    await asyncio.wait({trying}, timeout=0.001)
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)
    for process in processes:
        await eventually(lambda: is_gone(process), within_s=10, what="the end")  # noqa: B023
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)
    assert left_over() == []


async def test_a_kernel_that_is_not_there_fails_with_a_next_step() -> None:
    with pytest.raises(ScratchKernelFailed, match="scratch_kernel names the kernel"):
        await ScratchKernels(KernelLimits(kernel_name="no-such-kernel")).try_cell(WORKS)
    assert left_over() == []


async def test_a_kernel_dies_with_a_server_that_is_killed(tmp_path: Path) -> None:
    """The server's SIGKILL runs no cleanup: the system ends the kernel."""
    told = tmp_path / "pid"
    blocks = "import ctypes; ctypes.PyDLL(None).sleep(600)"  # no thread of its Python runs
    cell = f"import os\nopen({str(told)!r}, 'w').write(f'{{os.getpid()}}.')\n{blocks}"
    script = (
        "import asyncio\n"
        "from jupyter_chat_stream.runs.components.scratch_kernel import *\n"
        f"asyncio.run(ScratchKernels(KernelLimits(timeout_s=600)).try_cell({cell!r}))"
    )
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    await eventually(lambda: is_told(told), within_s=60, what="the cell")
    kernel = psutil.Process(int(told.read_text().rstrip(".")))
    server.kill()
    await server.wait()
    await eventually(lambda: is_gone(kernel), within_s=10, what="the end of the kernel")
