"""The error of a run that did not complete. It carries the run, so that its text is not lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..shared.errors import ChatStreamError

if TYPE_CHECKING:
    from .run import Run


class RunFailed(ChatStreamError):
    """The run that a call waited for did not complete.

    Args:
        run: the run; ``error.run.content`` is its text so far.
    """

    code = "run_failed"

    def __init__(self, *, run: Run) -> None:
        error = run.error or {"code": run.status, "message": f"It was {run.status}."}
        go_on = "" if run.is_refused else "go on from there with error.run.continue_(), or "
        super().__init__(
            f"Run {run.id!r} {run.status}: {error['code']}: {error['message']} "
            f"Its text so far is kept: error.run.content; {go_on}begin again with "
            "error.run.retry().",
            run_id=run.id,
            run_status=run.status,
            reason=error["code"],
        )
        self.run = run
