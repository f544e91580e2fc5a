"""(w) What the extension adds to JupyterLab's start: with and without it, in turn, nothing cached.

One server; the page's configuration turns the extension off for every other start. Interactive is
when JupyterLab has restored its layout. Script and tasks are CPU time of the page's main thread.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser

from tests.e2e.conftest import VIEWPORT
from tests.e2e.pages import PATIENCE_MS
from tests.e2e.sites import EXTENSION, TOKEN, Site

from .browser import site_in_browser
from .page_cpu import PageCounters
from .report import Section, times

ROUNDS = 5
_READY = "window.jupyterapp?.restored.then(() => performance.now())"
_BYTES = """() => performance.getEntriesByType('resource')
  .reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""


@dataclass(frozen=True, kw_only=True)
class Start:
    """One start of the page."""

    ready_ms: float
    script_ms: float
    task_ms: float
    kb: float


def run(*, quick: bool = False) -> Section:
    """Start the page with and without the extension, in turn."""
    rounds = 1 if quick else ROUNDS
    sides: dict[bool, list[Start]] = {True: [], False: []}
    with site_in_browser() as (site, context):
        browser = context.browser
        assert browser is not None
        for is_with in (True, False):
            _start(site, browser, is_with=is_with)  # the server's own caches are warm then
        for _ in range(rounds):
            for is_with, found in sides.items():
                found.append(_start(site, browser, is_with=is_with))
    rows = [["", "with ÷ without", "without", "with", "added"]]
    for name, field, unit in (
        ("until it is interactive", "ready_ms", "ms"),
        ("script", "script_ms", "ms"),
        ("all tasks", "task_ms", "ms"),
        ("bytes of files", "kb", "kB"),
    ):
        without, ours = (
            statistics.median(float(getattr(one, field)) for one in sides[is_with])
            for is_with in (False, True)
        )
        cells = [f"{value:.0f} {unit}" for value in (without, ours, ours - without)]
        rows.append([name, times(ours / without), *cells])
    return Section(
        name="w",
        title="JupyterLab's start with and without the extension",
        goal="stated, not bounded; the bundle is at most 200 kB in all and 70 kB at the start",
        rows=rows,
        notes=[f"medians of {rounds} starts of each, in turn; `python -m scripts.bundle_sizes`"],
    )


def _start(site: Site, browser: Browser, *, is_with: bool) -> Start:
    _switch(site, is_with=is_with)
    context = browser.new_context(viewport=VIEWPORT)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    counters = PageCounters(page)
    page.goto(f"{site.url}lab?reset&token={TOKEN}")
    page.wait_for_function("window.jupyterapp !== undefined")
    ready_ms = float(page.evaluate(_READY))
    has_ours = bool(page.evaluate("jupyterapp.hasPlugin('jupyter-chat-stream:panel')"))
    assert has_ours == is_with
    found = Start(
        ready_ms=ready_ms,
        script_ms=counters.script_ms(),
        task_ms=counters.task_ms(),
        kb=float(page.evaluate(_BYTES)) / 1000,
    )
    context.close()
    return found


def _switch(site: Site, *, is_with: bool) -> None:
    folder = Path(site.environment["JUPYTER_CONFIG_DIR"]) / "labconfig"
    folder.mkdir(exist_ok=True)
    disabled = {} if is_with else {EXTENSION: True}
    (folder / "page_config.json").write_text(json.dumps({"disabledExtensions": disabled}))
