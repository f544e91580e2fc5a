"""CPU time, memory and counts of a page, as the browser's own protocol (CDP) tells them.

CPU time of the page's main thread means the same on a busy machine; frames a second do not.
"""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page


class PageCounters:
    """The counters of one page."""

    def __init__(self, page: Page) -> None:
        self._cdp = page.context.new_cdp_session(page)
        self._cdp.send("Performance.enable", {"timeDomain": "threadTicks"})

    def script_ms(self) -> float:
        """Return the CPU time of scripts since the page began."""
        return 1000 * self._metric("ScriptDuration")

    def task_ms(self) -> float:
        """Return the CPU time of all tasks: scripts, style, layout and painting."""
        return 1000 * self._metric("TaskDuration")

    def heap_bytes(self) -> int:
        """Return the size of the JavaScript heap after a collection."""
        for _ in range(3):  # finalizers free more for the next one
            self._cdp.send("HeapProfiler.collectGarbage")
        return int(self._cdp.send("Runtime.getHeapUsage")["usedSize"])

    def dom(self) -> dict[str, int]:
        """Return the number of documents, nodes and listeners, detached ones too."""
        found: dict[str, int] = self._cdp.send("Memory.getDOMCounters")
        return found

    def _metric(self, name: str) -> float:
        metrics: dict[str, Any] = self._cdp.send("Performance.getMetrics")
        return next(float(each["value"]) for each in metrics["metrics"] if each["name"] == name)
