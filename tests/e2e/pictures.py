"""Take the pictures of the documentation from the running product.

`python -m tests.e2e.pictures [FOLDER]` writes them into `docs/images` or another folder: the
panel, a tab and a cell, light and dark, and a recording of an answer that goes on after a reload
and a restart of the kernel. This is no test: somebody has to look at them.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from scripts.chromium import find_chromium
from scripts.frontend import ROOT
from tests.e2e import notebooks
from tests.e2e.conftest import FLAGS
from tests.e2e.pages import THEMES, NotebookPage, use_theme
from tests.e2e.sites import FLAVOURS, Site, until

IMAGES = ROOT / "docs" / "images"
WIDE: ViewportSize = {"width": 1280, "height": 800}
RECORDED: ViewportSize = {"width": 900, "height": 620}
PANEL_PX = 430  # from the right edge of the page, with the sidebar
FRAME_MS = 250
COLOURS = 64
CAPTION_PX = 30
# The threads of the list: title, model, question. The newest is last.
ASKED = (
    ("Notes on the fold", "demo/tour", "And some maths?"),
    ("Which season?", "demo/ask", "A report, please"),
    ("Sieve of Eratosthenes", "demo/tour", "Show me some code"),
    ("Quarterly report", "demo/long", "Write a long report"),
)
FAST, SLOW = 100_000, 20  # characters per second
CELL = 'from jupyter_chat_stream import Chat\n\nChat("churn")'
DATA = (
    'import pandas as pd\n\nsales = pd.read_csv("sales.csv")\nsales.groupby("quarter").churn.mean()'
)
TOOL = """from jupyter_chat_stream import Chat

chat = Chat("approvals", model="demo/tools")

@chat.tool
def quarter(name: str) -> dict:
    "The numbers of one quarter."
    return sales[sales.quarter == name].iloc[0].to_dict()

@chat.tool
def drop_rows(where: str) -> int:
    "Drop rows of the sales."
    global sales
    sales = sales.query(f"not ({where})")
    return len(sales)

chat"""
PRINTED = "quarter\nQ1    0.021\nQ2    0.024\nQ3    0.312\nName: churn, dtype: float64"


@dataclass
class Recording:
    """The frames of a recording."""

    page: Page
    frames: list[Image.Image] = field(default_factory=list)

    def take(self, count: int, caption: str) -> None:
        """Take frames, FRAME_MS apart, with a caption below each."""
        for _ in range(count):
            shot = Image.open(io.BytesIO(self.page.screenshot()))
            self.frames.append(captioned(shot.convert("RGB"), caption))
            self.page.wait_for_timeout(FRAME_MS)

    def write(self, path: Path) -> None:
        """Write the frames as an animated GIF that repeats."""
        few = [
            frame.quantize(COLOURS, dither=Image.Dither.NONE).convert("RGB")
            for frame in self.frames
        ]
        few[0].save(path, save_all=True, append_images=few[1:], duration=FRAME_MS, loop=0)


def captioned(shot: Image.Image, caption: str) -> Image.Image:
    """Return the picture with a line of text below it."""
    whole = Image.new("RGB", (shot.width, shot.height + CAPTION_PX), "#212121")
    whole.paste(shot, (0, 0))
    font = ImageFont.load_default(size=16)
    ImageDraw.Draw(whole).text((12, shot.height + 5), caption, "white", font)
    return whole


def main(folder: Path) -> None:
    """Take all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with started() as (site, browser):
        take_places(site, browser, folder)
        take_tools(site, browser, folder)
        take_recording(site, browser, folder / "reload-and-restart.gif")


@contextmanager
def started() -> Iterator[tuple[Site, Browser]]:
    with tempfile.TemporaryDirectory(prefix="chat-stream-pictures-") as home:
        site = Site(FLAVOURS["lab"], Path(home) / "site")
        site.start()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=find_chromium(), chromium_sandbox=False, args=list(FLAGS)
                )
                yield site, browser
                browser.close()
        finally:
            site.stop()


def take_places(site: Site, browser: Browser, folder: Path) -> None:
    """Take a chat in the panel, in a tab and in a cell."""
    threads = [ask(site, *asked) for asked in ASKED]
    site.chat("PATCH", f"threads/{threads[0]}", {"pinned": True})
    open_thread = site.thread("churn", "demo/tour")
    for question in ("Hello", "Show me some code"):
        run = site.send(open_thread, question, chars_per_second=FAST)
        site.wait_for(run, "completed")
    site.chat("PATCH", f"threads/{open_thread}", {"title": "Churn in the third quarter"})
    (site.notebooks / "sales.csv").write_text("quarter,churn\nQ1,0.021\nQ2,0.024\nQ3,0.312\n")
    printed = {
        "output_type": "execute_result",
        "execution_count": 1,
        "metadata": {},
        "data": {"text/plain": PRINTED},
    }
    data = notebooks.code(DATA, printed)
    beside = notebooks.write(site, "analysis", data)
    chat = notebooks.code(CELL, notebooks.chat_output(open_thread, ""))
    inside = notebooks.write(site, "first-chat", data, chat)
    show = {
        "panel": (beside, f"'chat-stream:open', {{ threadId: '{open_thread}', place: 'panel' }}"),
        "tab": (beside, f"'chat-stream:open', {{ threadId: '{open_thread}', place: 'tab' }}"),
        "list": (beside, "'chat-stream:show', {}"),
        "cell": (inside, None),
    }
    for name, (path, command) in show.items():
        page = browser.new_context(viewport=WIDE).new_page()
        notebook = NotebookPage(page, site, path, f"pictures-{name}")
        notebook.open(kernel=True)
        for look, theme in THEMES.items():
            use_theme(page, theme)
            if command is not None:
                page.evaluate(f"window.jupyterapp.commands.execute({command}).then(() => null)")
                if name in ("panel", "list"):
                    page.get_by_test_id("panel").wait_for()
                    widen(page)
            if name == "cell":
                notebook.chat(1).field.scroll_into_view_if_needed()
            settle(page, name)
            page.screenshot(path=folder / f"{name}-{look}.png")
        page.context.close()


def take_tools(site: Site, browser: Browser, folder: Path) -> None:
    """Take a cell with a call that is done, one that asks, and chips of the notebook."""
    cells = (notebooks.text("# Churn"), notebooks.code(DATA), notebooks.code(TOOL))
    (site.notebooks / "sales.csv").write_text("quarter,churn\nQ1,0.021\nQ2,0.024\nQ3,0.312\n")
    page = browser.new_context(viewport=WIDE).new_page()
    notebook = NotebookPage(
        page, site, notebooks.write(site, "approvals", *cells), "pictures-tools"
    )
    notebook.open(kernel=True)
    notebook.run(1, 2)
    chat = notebook.chat(2)
    chat.expect_live()
    chat.root.evaluate("node => node.style.setProperty('--jp-chat-cap', '640px')")
    notebook.on_panel("panel => { panel.content.activeCellIndex = 1 }")
    chat.root.get_by_test_id("live-context").click()
    for kind in ("outline", "cell"):
        page.get_by_test_id(f"live-{kind}").check()
    page.keyboard.press("Escape")
    run = chat.send('quarter {"name": "Q3"} then drop_rows {"where": "churn > 0.3"}')
    cards = chat.answer(run).get_by_test_id("tool-call")
    cards.first.get_by_test_id("consent-once").click()
    cards.nth(1).get_by_test_id("consent-once").wait_for()
    cards.first.locator("summary").click()
    for look, theme in THEMES.items():
        use_theme(page, theme)
        chat.field.scroll_into_view_if_needed()
        settle(page, "tools")
        page.screenshot(path=folder / f"tools-{look}.png")
    page.context.close()


def ask(site: Site, title: str, model: str, question: str) -> str:
    """Begin a thread of the list; one of them is answering, and one waits for a person."""
    thread = site.thread(title, model)
    is_long = model == "demo/long"
    run = site.send(thread, question, chars_per_second=SLOW if is_long else FAST)
    site.wait_for(run, "processing" if is_long else "completed", "waiting")
    site.chat("PATCH", f"threads/{thread}", {"title": title})
    return thread


def widen(page: Page) -> None:
    """Drag the border of the right sidebar, as a reader does."""
    box = page.get_by_test_id("panel").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] - 2, 400)
    page.mouse.down()
    page.mouse.move(WIDE["width"] - PANEL_PX, 400, steps=5)
    page.mouse.up()


def settle(page: Page, name: str) -> None:
    """Wait until what is to be seen is drawn."""
    wanted = "thread-row" if name == "list" else "message-assistant"
    page.get_by_test_id(wanted).first.wait_for()
    page.evaluate("document.fonts.ready")
    page.mouse.move(0, 0)
    page.wait_for_timeout(600)  # a transition may still run


def take_recording(site: Site, browser: Browser, path: Path) -> None:
    """Record an answer that goes on after a reload of the page and a restart of the kernel."""
    page = browser.new_context(viewport=RECORDED).new_page()
    thread = site.thread("recorded", "demo/tour")
    cell = notebooks.code('Chat("churn")', notebooks.chat_output(thread, ""))
    notebook = NotebookPage(page, site, notebooks.write(site, "recorded", cell), "recorded")
    notebook.open(kernel=True)
    use_theme(page, THEMES["light"])
    page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")
    chat = notebook.chat(0)
    chat.expect_live()
    chat.root.evaluate("node => node.style.setProperty('--jp-chat-cap', '430px')")
    recording = Recording(page)
    run = site.send(thread, "What happens if I reload the page?", chars_per_second=60)
    _when(lambda: len(chat.text(run)) > 0)
    recording.take(12, "The answer streams.")
    page.reload(wait_until="commit")
    recording.take(10, "The page is reloaded…")
    notebook.wait(kernel=False)
    _when(lambda: chat.answer(run).count() == 1)
    recording.take(10, "… and shows the answer where it is by now.")
    restart = "panel => void panel.sessionContext.session.kernel.restart()"
    notebook.on_panel(restart)
    recording.take(14, "The kernel restarts. The answer goes on.")
    recording.write(path)
    page.context.close()


def _when(ready: Callable[[], bool]) -> None:
    until(ready, "the chat shows the answer")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
