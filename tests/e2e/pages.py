"""A notebook in a browser, and a chat in it: what a test does to them, and what it reads."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Dialog, Error, Locator, Page, Request, expect

from tests.e2e.sites import PATIENCE_S, TOKEN, Site, until

PATIENCE_MS = PATIENCE_S * 1000
SCRIPT = Path(__file__).with_name("answer_growth.js")
PICTURES = os.environ.get("JCS_SHOTS")
NARROW = 620
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
HERE = ("127.0.0.1", "localhost")
# What the browser itself notes of a server that is gone.
OF_A_SERVER_GONE = ("WebSocket connection to", "Failed to load resource")

# Gives the notebook's panel, wherever the page keeps it.
_FIND = """path => {
  const shell = window.jupyterapp?.shell;
  const all = shell === undefined ? [] : [...shell.widgets('main')];
  return all.find(widget => widget.context?.path === path) ?? null;
}"""
_READY = """panel => panel !== null && panel.context.isReady
  && panel.content.widgets.length === panel.content.model.cells.length"""
_IDLE = "panel => panel?.sessionContext.session?.kernel?.status === 'idle'"
_CELLS = """panel => [...panel.content.model.cells].map(cell => ({
  id: cell.id,
  type: cell.type,
  source: cell.sharedModel.getSource(),
  count: cell.executionCount ?? null,
  outputs: cell.outputs?.length ?? 0
}))"""
# What a command gives is left in the page: a whole notebook takes seconds to come from there.
_OPEN = """async path => {
  await window.jupyterapp.commands.execute('docmanager:open', { path });
}"""
_TO_WORKSPACE = "name => history.replaceState(null, '', `/lab/workspaces/${name}`)"
_OPEN_PATHS = """() => [...window.jupyterapp.shell.widgets('main')]
  .map(widget => widget.context?.path).filter(path => path !== undefined)"""
_RUN = """async (panel, index) => {
  panel.content.activeCellIndex = index;
  await window.jupyterapp.commands.execute('notebook:run-cell');
}"""

_THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
_IS_DRAWN = """theme => document.body.dataset.jpThemeName === theme
  && document.querySelector('#jupyterlab-splash') === null"""


@dataclass(kw_only=True)
class Seen:
    """What a page has done that nobody asked for."""

    errors: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    saves: list[str] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    was_server_killed: bool = False
    _page: Page | None = None

    def watch(self, page: Page) -> None:
        self._page = page
        for event, note in self._watched.items():
            page.on(event, note)

    def end(self) -> None:
        """Watch no longer: the page shows other notebooks now."""
        assert self._page is not None
        for event, note in self._watched.items():
            self._page.remove_listener(event, note)

    @property
    def _watched(self) -> dict[Any, Callable[[Any], None]]:
        return {
            "console": self._on_console,
            "pageerror": self._on_error,
            "dialog": self._on_dialog,
            "request": self._on_request,
        }

    def _on_error(self, error: Error) -> None:
        self.errors.append(f"{error}\n{error.stack or ''}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} [{message.location.get('url', '')}]")

    def _on_dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(f"{dialog.type}: {dialog.message}")
        dialog.accept()

    def _on_request(self, request: Request) -> None:
        place = urlsplit(request.url)
        if place.scheme in ("http", "https", "ws", "wss") and place.hostname not in HERE:
            self.foreign.append(request.url)
        if request.method == "PUT" and "/api/contents/" in request.url:
            self.saves.append(place.path.rpartition("/")[2])
        if request.method == "POST" and place.path.endswith("/attachments"):
            self.uploads.append(request.url)
        if place.path.endswith("/read"):
            self.marks.append(request.url)

    @property
    def errors_of_ours(self) -> list[str]:
        ours = [error for error in self.errors if "chat-stream" in error or "ChatStream" in error]
        forgiven = OF_A_SERVER_GONE if self.was_server_killed else ()
        return [error for error in ours if not error.startswith(forgiven)]


class ChatView:
    """One chat on a page."""

    def __init__(self, root: Locator) -> None:
        self.root = root
        self.live = root.get_by_test_id("live")
        self.log = root.get_by_test_id("log")
        self.field = root.get_by_test_id("field")
        self.stop = root.get_by_test_id("stop")
        self.status = root.get_by_test_id("status")
        self.outcome = root.get_by_test_id("outcome")
        self.answers = root.get_by_test_id("message-assistant")
        self.questions = root.get_by_test_id("message-user")

    @property
    def thread(self) -> str:
        """The id of the thread it shows."""
        return self.root.get_attribute("data-thread") or ""

    def answer(self, run_id: str) -> Locator:
        """The reply that this run makes."""
        return self.root.locator(f"[data-testid=message-assistant][data-run-id='{run_id}']")

    def bring(self, run_id: str) -> None:
        """Scroll to a reply: of a long thread, only what is near the screen is drawn."""
        reply = self.root.locator(f"article[data-run-id='{run_id}']")
        reply.scroll_into_view_if_needed(timeout=PATIENCE_MS)

    def text(self, run_id: str) -> str:
        """The text of that reply as it is on the page, bare."""
        content = self.answer(run_id).get_by_test_id("content")
        return bare(content.text_content() or "")

    def expect_text(self, run_id: str, text: str) -> None:
        """Wait until the page shows at least the beginning of an answer that `text` is."""
        self.answer(run_id).page.wait_for_function(
            """([root, run, text]) => {
              const answer = root?.querySelector(`[data-run-id='${run}'] [data-testid=content]`);
              return answer?.textContent.replace(/[\\s#*`]+/g, '').startsWith(text);
            }""",
            arg=[self.root.element_handle(), run_id, bare(text)],
            timeout=PATIENCE_MS,
        )

    def expect_status(self, run_id: str, status: str) -> None:
        expect(self.answer(run_id)).to_have_attribute("data-status", status, timeout=PATIENCE_MS)

    def expect_live(self) -> None:
        expect(self.live).to_have_attribute("data-link", "live", timeout=PATIENCE_MS)

    def choose(self, model: str) -> None:
        """Choose a model in the picker, by its id."""
        button = self.root.get_by_test_id("model")
        button.click()
        self.root.locator(f"[data-testid=model-option][data-value='{model}']").first.click()
        expect(button).to_have_attribute("data-value", model, timeout=PATIENCE_MS)

    def send(self, text: str) -> str:
        """Type a message, press Enter, and give the run that answers it."""
        self.field.fill(text)
        return self.send_typed()

    def send_typed(self) -> str:
        """Send what is in the field, and give the run that answers it."""
        before = self.answers.count()
        self.field.press("Enter")
        expect(self.answers).to_have_count(before + 1, timeout=PATIENCE_MS)
        run_id = self.answers.nth(before).get_attribute("data-run-id")
        assert run_id is not None
        return run_id


class NotebookPage:
    """One notebook, open in one page of a browser."""

    def __init__(self, page: Page, site: Site, path: str, workspace: str) -> None:
        self.page = page
        self.site = site
        self.path = path
        self.seen = Seen()
        self.seen.watch(page)
        self.is_beside = False  # whether it shares its page with other notebooks
        self._workspace = workspace

    def open(self, *, kernel: bool = True) -> None:
        """Go to the notebook and wait for it, and for its kernel."""
        address = self.site.flavour.address(self.path, self._workspace)
        self.page.goto(f"{self.site.url}{address}&token={TOKEN}")
        self.wait(kernel=kernel)

    def also(self, path: str, *, kernel: bool = True) -> NotebookPage:
        """Open another notebook in the same page."""
        other = NotebookPage(self.page, self.site, path, self._workspace)
        other.is_beside = True
        self.page.evaluate(_OPEN, path)
        other.wait(kernel=kernel)
        return other

    def close(self) -> None:
        """Close the notebook if it is open, and not its page; what is not saved is lost."""
        self.on_panel("panel => panel?.dispose()")

    def reload(self, *, kernel: bool = False) -> None:
        """Load the page again; no cell is run."""
        if self.is_beside:
            self.wait_for_layout()
            # By its address, JupyterLab would open the notebook once more, whenever it is ready.
            self.page.evaluate(_TO_WORKSPACE, self._workspace)
        self.page.reload()
        self.wait(kernel=kernel)
        if self.is_beside:  # else the panel may come back after the test has ended
            self.page.evaluate("window.jupyterapp.restored.then(() => null)")

    def wait_for_layout(self) -> None:
        """Wait until the workspace knows what is open: notebooks that are closed may come back."""
        until(self._is_layout_kept, "JupyterLab writes its layout")

    def _is_layout_kept(self) -> bool:
        kept = self.site.ask("GET", f"lab/api/workspaces/{self._workspace}")["data"]
        layout = json.dumps(kept.get("layout-restorer:data"))
        paths = re.findall(r'"(?:notebook|editor):([^"]+)"', layout)
        return set(paths) == set(self.page.evaluate(_OPEN_PATHS))

    def wait(self, *, kernel: bool) -> None:
        """Wait until the notebook is there."""
        self.wait_until(_READY)
        if kernel:
            self.wait_until(_IDLE)

    def show(self) -> None:
        """Bring it to the front, where its page holds several."""
        self.on_panel("panel => window.jupyterapp.shell.activateById(panel.id)")

    def run(self, *indexes: int) -> None:
        """Run cells and wait for each."""
        for index in indexes:
            self.on_panel(_RUN, index)

    def restart_kernel(self) -> None:
        """Restart the kernel and wait until it is up again."""
        self.on_panel("panel => panel.sessionContext.session.kernel.restart()")
        self.wait_until(_IDLE)

    def save(self) -> None:
        self.on_panel("panel => panel.context.save()")

    def cells(self) -> list[dict[str, Any]]:
        """The notebook's cells as its model has them, without what their outputs hold."""
        return list(self.on_panel(_CELLS))

    def chat(self, cell: int) -> ChatView:
        """The one chat in the outputs of a cell."""
        return ChatView(self.chats_in(cell))

    def chats_in(self, cell: int) -> Locator:
        """All chats in the outputs of a cell."""
        return self.cell(cell).locator(".jp-ChatStream")

    def cell(self, index: int) -> Locator:
        """A cell of the notebook that is at the front."""
        front = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook"
        return self.page.locator(f"{front} .jp-Cell:nth-child({index + 1})")

    def on_panel(self, function: str, argument: Any = None) -> Any:
        """Call a function of the page with the notebook's panel."""
        return self.page.evaluate(
            f"([path, argument]) => ({function})(({_FIND})(path), argument)", [self.path, argument]
        )

    def wait_until(self, function: str) -> None:
        """Wait until a function of the page, called with the notebook's panel, says yes."""
        self.page.wait_for_function(
            f"path => ({function})(({_FIND})(path))", arg=self.path, timeout=PATIENCE_MS
        )

    def growth(self, run_id: str) -> list[dict[str, Any]]:
        """How the text of an answer grew in each view, since this page was loaded."""
        chains: Sequence[dict[str, Any]] = self.page.evaluate("window.readAnswers()")
        return [chain for chain in chains if chain["run"] == run_id]

    def assert_grew_steadily(self, run_id: str) -> None:
        """What was shown was only ever added to."""
        breaks = [jump for chain in self.growth(run_id) for jump in chain["breaks"]]
        assert not breaks, breaks

    def assert_grew_into(self, run_id: str, text: str, views: int = 1) -> int:
        """No gap and no duplicate at any moment: each text began the next, the last is whole.

        Returns:
            in how many steps it came, where it came in most.
        """
        # An answer may have ended a few frames before its last words are drawn.
        self.page.wait_for_function(
            """([run, text, views]) => views <= window.readAnswers()
              .filter(chain => chain.run === run && chain.text === text).length""",
            arg=[run_id, bare(text), views],
            timeout=PATIENCE_MS,
        )
        self.assert_grew_steadily(run_id)
        chains = self.growth(run_id)
        assert all(bare(text).startswith(chain["text"]) for chain in chains)
        assert sum(chain["text"] == bare(text) for chain in chains) >= views, chains
        return max(int(chain["steps"]) for chain in chains)

    def picture(self, name: str, *, in_all_looks: bool = True) -> None:
        """Keep pictures for whoever wants to look (JCS_SHOTS names the folder)."""
        if not PICTURES:
            return
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        start = f"{PICTURES}/{self.site.flavour.name}-{name}"
        self.page.screenshot(path=f"{start}.png")
        if not in_all_looks:
            return
        size = self.page.viewport_size
        assert size is not None
        use_theme(self.page, THEMES["dark"])
        self.page.screenshot(path=f"{start}-dark.png")
        use_theme(self.page, THEMES["light"])
        self.page.set_viewport_size({"width": NARROW, "height": size["height"]})
        self.page.screenshot(path=f"{start}-narrow.png")
        self.page.set_viewport_size(size)


def use_theme(page: Page, theme: str) -> None:
    """Change the page's theme and wait until it is drawn."""
    page.evaluate(_THEME, theme)
    page.wait_for_function(_IS_DRAWN, arg=theme)


def bare(text: str) -> str:
    """Leave out Markdown's marks and white space, as `answer_growth.js` does."""
    return re.sub(r"[\s#*`]+", "", text)
