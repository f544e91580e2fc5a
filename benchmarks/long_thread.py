"""(u) A thread of 2,000 messages: opened in a real JupyterLab, and scrolled from end to beginning.

Half of the messages are answers of Markdown with a list, a table and code. The page notes when it
asks for the thread, when the thread's frames arrive, and when the newest message has been painted.
"""

from __future__ import annotations

import json
import statistics
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.e2e import notebooks
from tests.e2e.pages import PATIENCE_MS, NotebookPage
from tests.e2e.sites import Site

from .browser import site_in_browser
from .report import Section

MESSAGES = 2_000
OPENINGS = 5
SENDERS = 4
ANSWER = """Answer {n} to the question. It has **bold** words, `code` and a [link](https://example.org/{n}).

- The first point of {n}, which is long enough to fill more than one line of a chat in a notebook.
- The second point.

| name | value |
|---|---:|
| row {n} | {n} |

```python
def answer_{n}(x):
    return x + {n}
```

{prose}
"""
PROSE = "The quick brown fox jumps over the lazy dog and then goes on with its day. "
# Runs before the page's own scripts: notes when the page asks for the thread, the frames that bring
# it, and when its newest message has been painted.
WATCH = """(() => {
  const opened = { asked: null, first: null, whole: null, painted: null, frames: 0, bytes: 0,
    parse: 0 };
  window.opened = opened;
  const socket = WebSocket.prototype;
  const { send } = socket;
  socket.send = function (data) {
    if (typeof data === 'string' && data.includes('"subscribe"') && opened.asked === null) {
      opened.asked = performance.now();
      watch();
    }
    return send.call(this, data);
  };
  const own = Object.getOwnPropertyDescriptor(socket, 'onmessage');
  const note = data => {
    const found = /^{"op":"(events|snapshot|live)"/.exec(data)?.[1];
    if (found === undefined || opened.whole !== null) {
      return;
    }
    opened.first ??= performance.now();
    opened.frames += 1;
    opened.bytes += data.length;
    const begun = performance.now();
    JSON.parse(data);
    opened.parse += performance.now() - begun;
    if (found === 'live') {
      opened.whole = performance.now();
    }
  };
  Object.defineProperty(socket, 'onmessage', {
    ...own,
    set(listener) {
      own.set.call(this, listener === null ? null : event => {
        if (typeof event.data === 'string') {
          note(event.data);
        }
        return listener.call(this, event);
      });
    }
  });
  const watch = () => {
    const last = [...document.querySelectorAll('[data-testid=message-assistant]')].at(-1);
    if (last === undefined || !last.textContent.includes(window.awaited)) {
      requestAnimationFrame(watch);
      return;
    }
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => (opened.painted = performance.now());
    port2.postMessage(null);
  };
})();"""
SCROLL = """async ([node, px, ms]) => {
  const frames = [];
  const tasks = [];
  const observer = new PerformanceObserver(found =>
    tasks.push(...found.getEntries().map(entry => entry.duration)));
  observer.observe({ entryTypes: ['longtask'] });
  let blank = 0;
  const begun = performance.now();
  let last = begun;
  node.dispatchEvent(new WheelEvent('wheel', { deltaY: -1 }));
  while (node.scrollTop > 0 && last - begun < ms) {
    node.scrollTop -= px;
    const now = await new Promise(resolve => requestAnimationFrame(resolve));
    frames.push(now - last);
    last = now;
    const { left, top, width, height } = node.getBoundingClientRect();
    blank += [0.1, 0.5, 0.9].some(share => document
      .elementFromPoint(left + width / 2, top + height * share)
      ?.closest('[data-testid=undrawn]') != null);
  }
  observer.disconnect();
  const drawn = node.querySelectorAll('.jp-ChatStream-message').length;
  return { frames: frames.slice(1), tasks, blank, drawn };
}"""


def run(*, quick: bool = False) -> Section:
    """Open the thread, and scroll through it at two speeds."""
    count = 200 if quick else MESSAGES
    rows = [["what", "measured", "goal"]]
    with site_in_browser() as (site, context):
        thread = make_thread(site, "long", count)
        opened = [open_thread(site, context, thread) for _ in range(1 if quick else OPENINGS)]
        page, found = opened[-1]
        log = page.get_by_test_id("log").element_handle()
        rows += [
            ["the thread's frames", f"{found['frames']}, {found['bytes'] / 1e6:.1f} MB", ""],
            ["of that, JSON.parse", _ms(opened, lambda one: one["parse"]), ""],
            [
                "from asking for the thread to the frame with all of it",
                _ms(opened, lambda one: one["first"] - one["asked"]),
                "",
            ],
            ["until the page is live", _ms(opened, lambda one: one["whole"] - one["asked"]), ""],
            [
                "until its end is painted, by the preview",
                _ms(opened, lambda one: one["painted"] - one["asked"]),
                "300 ms",
            ],
        ]
        for px in (60, 400):
            scrolled = page.evaluate(SCROLL, [log, px, 1000 if quick else 8000])
            rows += _scrolled(px, scrolled)
            page.evaluate("node => { node.scrollTop = node.scrollHeight; }", log)
            page.wait_for_timeout(500)
    return Section(
        name="u",
        title=f"a thread of {count} messages in the browser",
        goal="opened within 300 ms, scrolled at 60 fps",
        rows=rows,
        notes=["drawn: messages with all their nodes; the others are boxes with their source text"],
    )


def make_thread(site: Site, name: str, count: int) -> str:
    """Fill a thread by the API: half questions, half answers."""
    thread = site.thread(name, "demo/echo")

    def send(number: int) -> str:
        prose = PROSE * (number % 12)
        text = ANSWER.format(n=number, prose=prose)
        return site.send(thread, text, chars_per_second=1_000_000, chunk_chars=4_000)

    with ThreadPoolExecutor(SENDERS) as pool:
        runs = list(pool.map(send, range(count // 2)))
    for run_id in runs:
        site.wait_for(run_id, "completed")
    return thread


def open_thread(site: Site, context: BrowserContext, thread: str) -> tuple[Page, dict[str, Any]]:
    """Open it in a page of its own; return the page, and what the page noted."""
    page = context.new_page()
    newest = site.messages(thread)[-1]["content"].split(".")[0]
    page.add_init_script(f"window.awaited = {json.dumps(newest)};")
    page.add_init_script(WATCH)
    output = notebooks.chat_output(thread, "")
    path = notebooks.write(site, "long-thread", notebooks.code("1", output))
    NotebookPage(page, site, path, "long-thread").open(kernel=False)
    page.wait_for_function(
        "window.opened.painted !== null && window.opened.whole !== null", timeout=PATIENCE_MS
    )
    return page, page.evaluate("window.opened")


def _scrolled(px: int, found: dict[str, Any]) -> list[list[str]]:
    frames = found["frames"]
    what = f"scrolled by {px} px a frame"
    fps = 1000 * len(frames) / sum(frames)
    return [
        [f"{what}: fps", f"{fps:.0f}", "60"],
        [f"{what}: longest frame", f"{max(frames):.0f} ms", "50 ms"],
        [f"{what}: long tasks", f"{len(found['tasks'])}", "0"],
        [f"{what}: frames with a message not drawn yet", f"{found['blank']} of {len(frames)}", ""],
        [f"{what}: messages drawn at the end", f"{found['drawn']}", ""],
    ]


def _ms(opened: list[tuple[Page, dict[str, Any]]], what: Any) -> str:
    values = [what(found) for _, found in opened]
    return f"{statistics.median(values):.0f} ms ({min(values):.0f} to {max(values):.0f})"
