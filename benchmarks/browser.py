"""(f) Frames per second in a real JupyterLab while an answer flows at 100 updates a second.

Beside it, in the same page and with the same text, the naive way: all of the Markdown rendered
again by JupyterLab's rendermime for each update, as soon as the rendering before has ended. A page
in which nothing happens shows what the machine itself can do at that moment.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, sync_playwright

from jupyter_chat_stream.providers.demo.answers import long_text
from scripts.chromium import find_chromium
from tests.e2e import notebooks
from tests.e2e.conftest import FLAGS, VIEWPORT
from tests.e2e.pages import ChatView, NotebookPage, bare
from tests.e2e.sites import FLAVOURS, Site

from . import flowing, plugins
from .report import Section

KB = 1000
MEASURE = """async ms => {
  const frames = [];
  const tasks = [];
  const watch = new PerformanceObserver(found => {
    tasks.push(...found.getEntries().map(entry => entry.duration));
  });
  watch.observe({ entryTypes: ['longtask'] });
  const start = performance.now();
  let last = start;
  while (last - start < ms) {
    const now = await new Promise(resolve => requestAnimationFrame(resolve));
    frames.push(now - last);
    last = now;
  }
  watch.disconnect();
  frames.shift();
  return { frames, tasks };
}"""
NAIVE = """(panel, [text, already, chars, updates]) => {
  const { rendermime } = panel.content;
  const renderer = rendermime.createRenderer('text/markdown');
  const host = document.createElement('div');
  host.style.cssText = 'position: fixed; inset: 80px 80px auto auto; width: 700px; height: 480px;'
    + 'overflow: auto; background: white; z-index: 1000';
  host.append(renderer.node);
  document.body.append(host);
  let length = already;
  let isBusy = false;
  const timer = setInterval(async () => {
    length += chars;
    if (isBusy) {
      return;
    }
    isBusy = true;
    const data = { 'text/markdown': text.slice(0, length) };
    await renderer.renderModel(rendermime.createModel({ data }));
    isBusy = false;
  }, 1000 / updates);
  window.endNaive = () => {
    clearInterval(timer);
    host.remove();
  };
}"""


def run(*, quick: bool = False) -> Section:
    """Measure with 0, 20 and 100 KB of text already there."""
    sizes, seconds = ((0,), 1.0) if quick else ((0, 20 * KB, 100 * KB), 5.0)
    rows = [["text already there", "fps, ours", "fps, naive", "longest frame ms, ours", "naive",
             "long tasks a second, ours", "naive"]]  # fmt: skip
    with site_in_browser() as (site, context):
        page = context.new_page()
        for size in sizes:
            rows.append(_row(site, page, size, seconds))
        idle = page.evaluate(MEASURE, seconds * 1000)
    return Section(
        name="f",
        title="frames in the browser, 100 updates a second",
        goal="60 fps, no long task (none over 50 ms)",
        rows=rows,
        notes=[
            f"the same page, nothing happening: {fps(idle['frames']):.0f} fps, longest frame "
            f"{max(idle['frames']):.0f} ms",
            "the browser, both servers' work and the load of others share the cores",
            "with other load (average 8, idle page 54 fps) 100 KB ran at 45 fps with 0.8 "
            "long tasks a second; naive 8.8 and 7.4",
        ],
    )


@contextmanager
def site_in_browser() -> Iterator[tuple[Site, BrowserContext]]:
    """Run a JupyterLab with the benchmarks' providers, and a browser."""
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("No working Chromium: install the package `chromium`.")
    with tempfile.TemporaryDirectory(prefix="chat-stream-bench-") as folder:
        site = Site(FLAVOURS["lab"], Path(folder) / "site")
        added = plugins.install(Path(folder) / "plugins")
        site.environment["PYTHONPATH"] += f"{os.pathsep}{added}"
        site.start()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium, chromium_sandbox=False, args=list(FLAGS)
                )
                yield site, browser.new_context(viewport=VIEWPORT)
                browser.close()
        finally:
            site.stop()


def _row(site: Site, page: Any, size: int, seconds: float) -> list[str]:
    thread = site.thread(f"flow-{size}", flowing.MODEL)
    output = notebooks.chat_output(thread, "")
    path = notebooks.write(site, f"flow-{size}", notebooks.code("1", output))
    notebook = NotebookPage(page, site, path, f"flow-{size}")
    notebook.open(kernel=False)
    chat = notebook.chat(0)
    chat.expect_live()
    run_id = site.send(thread, "Flow", already=size)
    _wait_for_text(chat, run_id, size)
    ours = page.evaluate(MEASURE, seconds * 1000)
    site.chat("POST", f"runs/{run_id}/cancel")
    text = long_text(size + flowing.UPDATES_PER_S * flowing.CHUNK_CHARS * 60)
    arguments = [text, size, flowing.CHUNK_CHARS, flowing.UPDATES_PER_S]
    notebook.on_panel(NAIVE, arguments)
    page.wait_for_timeout(1000)
    naive = page.evaluate(MEASURE, seconds * 1000)
    page.evaluate("window.endNaive()")
    cells = [f"{fps(side['frames']):.1f}" for side in (ours, naive)]
    cells += [f"{max(side['frames']):.0f}" for side in (ours, naive)]
    cells += [f"{len(side['tasks']) / seconds:.1f}" for side in (ours, naive)]
    return [f"{size // KB} KB", *cells]


def _wait_for_text(chat: ChatView, run_id: str, size: int) -> None:
    """Wait until all that is there already has been drawn, and the rest has begun to flow."""
    chat.expect_text(run_id, long_text(size))
    page = chat.root.page
    shown = len(bare(long_text(size)))
    page.wait_for_function(
        """([run, shown]) => {
          const found = document.querySelector(`[data-run-id='${run}'] [data-testid=content]`);
          return found !== null && found.textContent.replace(/[\\s#*`]+/g, '').length > shown + 50;
        }""",
        arg=[run_id, shown],
    )


def fps(frames: Sequence[float]) -> float:
    """Return how many frames a second came, by their times in ms."""
    return len(frames) / (sum(frames) / 1000)
