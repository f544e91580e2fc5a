"""Pages that execute tool calls, in a Chromium of the test's own that is killed by its process ids.

The page is ``labextension/tests/executor-page.ts``, at an address of the chat's server. A page that
has arrived at its last event asks the test and stands still, as nothing answers it. When all pages
of a browser stand still, the browser is killed.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web
from playwright.async_api import Browser, Page, Playwright
from playwright.async_api import Error as BrowserError

from scripts.setup_env import environment
from tests.faults.harness import TOKEN, Server
from tests.faults.processes import ROOT, eventually

SOURCE = ROOT / "labextension" / "tests" / "executor-page.ts"
FLAGS = ("--disable-background-networking", "--disable-gpu", "--no-first-run")
LAST = "last"


def bundle(folder: Path) -> str:
    """Make the script of the page; return its text."""
    script = folder / "executor-page.js"
    esbuild = ROOT / "labextension" / "node_modules" / ".bin" / "esbuild"
    arguments = ["--bundle", "--format=iife", "--log-level=error", "--define:process.env={}"]
    subprocess.run(
        [esbuild, SOURCE, *arguments, f"--outfile={script}"],
        cwd=ROOT / "labextension",
        env=environment(),
        check=True,
    )
    return script.read_text("utf-8")


class Told:
    """What the pages tell: how often each call was made, and which pages stand still."""

    def __init__(self) -> None:
        self.url = ""
        self.made: dict[str, Counter[str]] = defaultdict(Counter)  # by thread
        self.at_last: set[str] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Told]:
        """Listen on a port of its own."""
        app = web.Application()
        app.router.add_post("/{thread}/{what}", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        thread, what = request.match_info["thread"], request.match_info["what"]
        if what == LAST:
            self.at_last.add(thread)
            await asyncio.Event().wait()  # the browser is killed meanwhile
        self.made[thread][what] += 1
        return web.Response(headers={"Access-Control-Allow-Origin": "*"})


class PageBrowser:
    """One Chromium with its pages; ``kill`` ends all its processes at once."""

    def __init__(self, server: Server, told: Told, script: str, tools: list[Any]) -> None:
        self._server = server
        self._told = told
        self._script = script
        self._tools = tools
        self.logged: list[str] = []  # by the pages' consoles
        self._browser: Browser | None = None
        self._processes: list[psutil.Process] = []

    async def start(self, playwright: Playwright, chromium: str) -> None:
        before = {process.pid for process in _children()}
        self._browser = await playwright.chromium.launch(
            executable_path=chromium, chromium_sandbox=False, args=list(FLAGS)
        )
        self._processes = [process for process in _children() if process.pid not in before]

    async def open(self) -> Page:
        """Open a page, in a renderer of its own."""
        assert self._browser is not None
        # Any page of the server will do: what it shows is not looked at.
        context = await self._browser.new_context(bypass_csp=True)
        page = await context.new_page()
        page.on("console", lambda message: self.logged.append(message.text))
        page.on("pageerror", lambda error: self.logged.append(str(error)))
        await page.goto(f"{self._server.url}status?token={TOKEN}")
        await page.evaluate(self._script)
        return page

    async def execute(self, page: Page, thread: str, last: int | None = None) -> None:
        """Let a page make the calls of a thread up to an event; its tools are offered then."""
        given = {"token": TOKEN, "thread": thread, "told": self._told.url, "last": last}
        await page.evaluate("given => executeCalls(given)", {**given, "tools": self._tools})

        async def look() -> bool:
            found = (await self._server.get(f"tools?thread_id={thread}"))["tools"]
            return any(tool["name"] == self._tools[0]["name"] for tool in found)

        await eventually(look, every_s=0.1, what=f"the page's tools: {self.logged}")

    async def kill(self) -> None:
        """SIGKILL the browser and its renderers."""
        for process in self._processes:
            with suppress(psutil.NoSuchProcess):
                for child in process.children(recursive=True):
                    child.send_signal(signal.SIGKILL)
                process.send_signal(signal.SIGKILL)
        assert self._browser is not None
        with suppress(BrowserError):
            await self._browser.close()


def _children() -> list[psutil.Process]:
    """List the browsers that this process's driver has started."""
    found = psutil.Process().children(recursive=True)
    return [each for each in found if "chrom" in each.name() or "headless" in each.name()]
