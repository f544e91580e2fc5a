"""Which of xdist's processes runs which modules of tests.

A module runs in one process, as ``--dist loadfile`` has it. Browser tests keep a processor busy;
many others wait for servers, kernels and databases that they have started. So two processes take
the browser tests, and the others take what waits beside them. Each process that runs browser
tests starts a browser and servers of its own, so only two do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xdist.scheduler import LoadFileScheduling

BROWSER_TESTS = "tests/e2e/"
BROWSERS = 2


class BrowsersApart(LoadFileScheduling):
    """Hands browser tests to the first ``BROWSERS`` processes while others have other work."""

    def _assign_work_unit(self, node: Any) -> None:
        has_browser = node in self.nodes[:BROWSERS]
        fitting = (scope for scope in self.workqueue if is_browser_test(scope) == has_browser)
        scope = next(fitting, None)
        if scope is not None:
            self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)


def is_browser_test(scope: str) -> bool:
    """Return whether a module drives a browser."""
    return Path(scope).as_posix().startswith(BROWSER_TESTS)
