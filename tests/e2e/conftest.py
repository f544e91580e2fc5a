"""One browser profile, one server for each kind of page, and for each test notebooks of its own.

After each test its pages are asked what they did that nobody wanted: errors of ours in the
console, dialogs, requests that leave this machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    ViewportSize,
    WebSocketRoute,
    expect,
    sync_playwright,
)

from tests.e2e import notebooks
from tests.e2e.gated_provider import AnswerGate
from tests.e2e.pages import PATIENCE_MS, SCRIPT, THEMES, NotebookPage, use_theme
from tests.e2e.sites import FLAVOURS, LASTING, Site, fetch_old_lab

FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
VIEWPORT: ViewportSize = {"width": 1280, "height": 900}
# Nothing leaves this machine; to refuse it by a route would have the browser cache nothing.
HOST_RULES = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
HERE = Path(__file__).parent

# Closes all but one notebook, the chat in the panel and the panel, and forgets what we stored.
PUT_BACK = """lasting => {
  const { shell } = window.jupyterapp;
  for (const widget of [...shell.widgets('main')]) {
    if (widget.context?.path !== lasting) {
      widget.dispose();
    }
  }
  document.querySelector('#jp-ChatStream-panel [data-testid=back]')?.click();
  shell.collapseRight();
  for (const storage of [localStorage, sessionStorage]) {
    for (const key of Object.keys(storage)) {
      if (key.startsWith('jupyter-chat-stream')) {
        storage.removeItem(key);
      }
    }
  }
  return document.body.dataset.jpThemeName;
}"""
# Empties a field of the page's, also one that is not visible.
EMPTY = """field => {
  if (field.value !== '') {
    const { set } = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value');
    set.call(field, '');
    field.dispatchEvent(new Event('input', { bubbles: true }));
  }
}"""
Through = Callable[[WebSocketRoute], None]  # what stands between a page and its server
Open = Callable[..., NotebookPage]
OpenBeside = Callable[..., NotebookPage]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)


# For all tests of this process: a page on a busy machine is slow.
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def profile(
    playwright: Playwright, chromium_path: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BrowserContext]:
    """Yield a browser with a profile on the disk: only there it keeps the code it has compiled."""
    profile = playwright.chromium.launch_persistent_context(
        tmp_path_factory.mktemp("profile"),
        executable_path=chromium_path,
        chromium_sandbox=False,
        args=[*FLAGS, HOST_RULES],
        viewport=VIEWPORT,
    )
    profile.set_default_timeout(PATIENCE_MS)
    profile.add_init_script(path=SCRIPT)
    yield profile
    profile.close()


@pytest.fixture(scope="package")
def browser(playwright: Playwright, chromium_path: str) -> Iterator[Browser]:
    """Yield a browser for contexts with settings of their own, such as a touch screen."""
    browser = playwright.chromium.launch(
        executable_path=chromium_path, chromium_sandbox=False, args=[*FLAGS, HOST_RULES]
    )
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Site]]:
    """Yield a function that returns the server of a flavour, started at its first call."""
    started: dict[str, Site] = {}

    def site_of(name: str) -> Site:
        if name not in started:
            old_lab = fetch_old_lab() if name == "lab42" else None
            site = Site(FLAVOURS[name], tmp_path_factory.mktemp(name), old_lab)
            started[name] = site
            site.start()
        return started[name]

    yield site_of
    for site in started.values():
        site.stop()


@pytest.fixture(scope="package")
def lasting_pages(profile: BrowserContext) -> Iterator[Callable[[Site], NotebookPage]]:
    """Yield a function that returns a site's open page; its tests open their notebooks in it."""
    opened: dict[int, NotebookPage] = {}

    def page_of(site: Site) -> NotebookPage:
        if id(site) not in opened:
            text = notebooks.text("Others are opened beside this one.")
            path = notebooks.write(site, LASTING.removesuffix(".ipynb"), text)
            first = NotebookPage(profile.new_page(), site, path, "lasting")
            opened[id(site)] = first
            first.open(kernel=False)
        return opened[id(site)]

    yield page_of
    for first in opened.values():
        first.page.close()


@pytest.fixture
def site(request: pytest.FixtureRequest, sites: Callable[[str], Site]) -> Iterator[Site]:
    """A server: of the newest JupyterLab, where a test names no other.

    A test that kills it starts it again, and loads its page again.
    """
    site = sites(getattr(request, "param", "lab"))
    yield site
    if not site.is_running:
        site.start()  # for the tests that follow
    site.forget_kernels()
    site.forget_answers()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for this test's notebook and thread."""
    return re.sub(r"\W+", "-", request.node.name).strip("-")


@pytest.fixture
def gate(tmp_path: Path) -> AnswerGate:
    return AnswerGate(tmp_path / "gate")


@pytest.fixture
def open_notebook(profile: BrowserContext, name: str) -> Iterator[Open]:
    """Open notebooks in pages; afterwards, see that they behaved and close them."""
    opened: list[NotebookPage] = []

    def open_one(
        site: Site, path: str, *, kernel: bool = True, through: Through | None = None
    ) -> NotebookPage:
        page = profile.new_page()
        if through is not None:
            page.route_web_socket(re.compile("chat-stream/ws"), through)
        notebook = NotebookPage(page, site, path, f"{name}-{len(opened)}")
        opened.append(notebook)
        notebook.open(kernel=kernel)
        return notebook

    yield open_one
    for notebook in opened:
        notebook.page.close()
    expect_good_behaviour(opened)


@pytest.fixture
def open_beside(
    site: Site, lasting_pages: Callable[[Site], NotebookPage], open_notebook: Open
) -> Iterator[OpenBeside]:
    """Open notebooks in the page that stays; a test may load it again, and not close it."""
    opened: list[NotebookPage] = []

    def open_one(path: str, *, kernel: bool = False) -> NotebookPage:
        if not site.flavour.holds_many:
            return open_notebook(site, path, kernel=kernel)
        opened.append(lasting_pages(site).also(path, kernel=kernel))
        return opened[-1]

    yield open_one
    for notebook in opened:
        notebook.close()
        notebook.seen.end()
    if opened:
        put_back(opened[-1].page)
    expect_good_behaviour(opened)


def put_back(page: Page) -> None:
    """Leave nothing of a test in a page that stays."""
    page.unroute_all()
    page.set_viewport_size(VIEWPORT)
    theme = page.evaluate(PUT_BACK, LASTING)
    if theme != THEMES["light"]:
        use_theme(page, THEMES["light"])
    search = page.locator("#jp-ChatStream-panel").get_by_test_id("thread-search")
    if search.count():
        search.evaluate(EMPTY)


def expect_good_behaviour(opened: Sequence[NotebookPage]) -> None:
    for notebook in opened:
        assert notebook.seen.errors_of_ours == []
        assert notebook.seen.dialogs == []
        assert notebook.seen.foreign == []
