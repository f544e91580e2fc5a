"""Take pictures of a chat for somebody to look at: `python -m tests.e2e.screenshots FOLDER`.

Each text is one chat, in light and dark. This is no test: nothing is asserted.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from scripts.chromium import find_chromium
from tests.e2e.chat_page import MODEL, ChatPage
from tests.e2e.conftest import FLAGS
from tests.e2e.pages import THEMES, use_theme
from tests.e2e.sites import FLAVOURS, Site

CASES = Path(__file__).parents[1] / "cases"
WIDTH = 1000
HEIGHT = 760
_TALL = """node => {
  node.style.setProperty('--jp-chat-cap', '640px');
  node.scrollIntoView();
}"""
JAPANESE = """# 要約

これは**「重要」**です。**注意！**必ず保存してください。

1. データを読む
2. 欠損値を埋める

| 列 | 意味 |
|---|---|
| 日付 | 取引の日 |
"""
MATHS = r"""Inline $e^{i\pi} + 1 = 0$ and \(a^2 + b^2\), then

$$
\int_0^\infty e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2}
$$

It costs $5, not $20.
"""
CODE = """1. First:

   ```python
   def f(x: int) -> int:
       return x + 1  # a comment
   ```

2. Then `f(1)`.

- [x] done
- [ ] to do

A footnote[^1] and ~~no~~ more.

[^1]: The note.
"""
GENERICS = "Call `f` with List<int>, Map<str, List<T>> or <your-api-key>; 3 < 4.\n"
PLAIN = "word" * 10_000


def texts() -> dict[str, str]:
    """Name what is to be seen."""
    names = ["prices", "wide_table", "right_to_left", "details", "quote_with_steps"]
    names += ("looks_like_the_chat", "click_runs_code", "saved_copy_with_script")
    found = {name: (CASES / f"{name}.md").read_text("utf-8") for name in names}
    return {
        **found,
        "generics": GENERICS,
        "japanese": JAPANESE,
        "maths": MATHS,
        "code": CODE,
        "beyond_measure": f"Before.\n\n{PLAIN}\n\nAfter.",
    }


def main(folder: Path) -> None:
    """Take all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="chat-stream-shots-") as home:
        site = Site(FLAVOURS["lab"], Path(home) / "site")
        site.start()
        try:
            _take_all(site, folder)
        finally:
            site.stop()


def _take_all(site: Site, folder: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), chromium_sandbox=False, args=list(FLAGS)
        )
        context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
        chat_page = ChatPage(context, site, "shots")
        threads = _answered(site)
        for look, theme in THEMES.items():
            use_theme(chat_page.page, theme)
            for name, thread in threads.items():
                chat = chat_page.show(thread)
                chat.root.evaluate(_TALL)
                chat.root.evaluate("node => chatPage.settle(node)")
                chat_page.page.screenshot(path=folder / f"{name}-{look}.png")
        browser.close()


def _answered(site: Site) -> dict[str, str]:
    """Answer every text in a thread of its own; one answer ends before its text does."""
    threads = {name: site.thread(name, MODEL) for name in texts()}
    runs = [site.send(threads[name], text) for name, text in texts().items()]
    threads["cut"] = site.thread("cut", "demo/long")
    runs.append(site.send(threads["cut"], "As long as you like", max_tokens=60))
    for run in runs:
        site.wait_for(run, "completed")
    return threads


if __name__ == "__main__":
    main(Path(sys.argv[1]))
