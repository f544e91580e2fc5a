"""(y) The output of a kernel's function in a page, while the function prints as fast as it can.

A model calls the function as any other (``demo/tools``). The kernel sends what it prints in pieces,
up to a bound; the log keeps them, and the call's card shows them while they come.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.e2e import notebooks
from tests.e2e.pages import NotebookPage
from tests.e2e.sites import Site

from .browser import MEASURE, fps, site_in_browser
from .report import Section

MB = 1_000_000
SLOW = "lines for 10 s"
KINDS = {
    "short lines": "for n in range(size // 20): print(f'line {n:014d}')",
    "one line": "print('x' * size)",
    "a progress bar": "for n in range(size // 40): print(f'\\r{n:08d} ' + '#' * 30, end='')",
    "colours": "for n in range(size // 42): print(f'\\x1b[3{n % 8}m{n:08d}\\x1b[0m', 'and so' * 4)",
    "pieces without lines": "for n in range(size // 8): print(f'{n:07d} ', end='', flush=True)",
    SLOW: "for n in range(1000): print('y' * (size // 1000)); time.sleep(0.01)",
}
FUNCTION = """
import time
from jupyter_chat_stream import Chat
chat = Chat({name!r}, model="demo/tools")
@chat.tool(effect="read")
def work(size: int):
    {code}
chat
"""


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What a page did while a function printed, and what the log keeps of it."""

    frames: list[float]
    tasks: list[float]
    log_bytes: int


def run(*, quick: bool = False) -> Section:
    """Measure each way to print, with 1 and 5 MB."""
    kinds, sizes = (["short lines"], [20_000]) if quick else (list(KINDS), [MB, 5 * MB])
    rows = [["printed", "size", "fps", "longest frame", "longest task", "in the log"]]
    with site_in_browser() as (site, context):
        for size in sizes:
            for kind in kinds:
                page = context.new_page()
                seconds = 1.0 if quick else 12.0 if kind == SLOW else 5.0
                rows.append(_row(kind, size, measured(site, page, kind, size, seconds)))
                page.close()
    return Section(
        name="y",
        title="a kernel's function prints 1 and 5 MB into the card of its call",
        goal="no task over 200 ms; the log keeps at most 256 kB of a call",
        rows=rows,
        notes=["from the message on, so the drawing of its answer is among it; 0 ms: none over 50"],
    )


def measured(site: Site, page: Any, kind: str, size: int, seconds: float) -> Printed:
    """Let a function of a real kernel print so many bytes, and measure the page meanwhile."""
    name = f"print-{kind.replace(' ', '-')}-{size}"
    code = FUNCTION.format(name=name, code=KINDS[kind])
    path = notebooks.write(site, name, notebooks.code(code))
    notebook = NotebookPage(page, site, path, name)
    notebook.open()
    notebook.run(0)
    chat = notebook.chat(0)
    chat.expect_live()
    thread = chat.thread
    run_id = site.send(thread, f"work {json.dumps({'size': size})}", chars_per_second=0)
    found = page.evaluate(MEASURE, seconds * 1000)
    site.wait_for(run_id, "completed")
    parts = site.messages(thread)[-1]["parts"]
    [kept] = [part["progress"] for part in parts if part["kind"] == "tool_call"]
    return Printed(frames=found["frames"], tasks=found["tasks"], log_bytes=len(kept.encode()))


def _row(kind: str, size: int, printed: Printed) -> list[str]:
    return [
        kind,
        f"{size / MB:g} MB",
        f"{fps(printed.frames):.1f}",
        f"{max(printed.frames):.0f} ms",
        f"**{max(printed.tasks, default=0):.0f} ms**",
        f"{printed.log_bytes // 1000} kB",
    ]
