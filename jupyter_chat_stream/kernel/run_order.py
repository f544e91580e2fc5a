"""The order of a thread's runs. A message for later is not in it before its delivery. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..shared.events import ENDS
from ..shared.records import RunRecord


def is_for_later(run: RunRecord) -> bool:
    """Return whether a run answers a message that has not been delivered yet."""
    return run["phase"] == "waiting" and run["attempt"] == 0


def is_busy(runs: Sequence[RunRecord]) -> bool:
    """Return whether one of these runs is executing, or waits for a person or a retry."""
    return any(run["status"] not in ENDS and not is_for_later(run) for run in runs)


def newest(runs: Sequence[RunRecord], head: str | None) -> RunRecord | None:
    """Return the run whose answer is the last of its thread. ``runs`` are in order of sending.

    Args:
        head: the id of the reply that was delivered last; newer messages may have been sent since.
    """
    if head is None:
        return None
    delivered_runs = [run for run in runs if not is_for_later(run)]
    last = delivered_runs[-1] if delivered_runs else None
    return next((run for run in delivered_runs if run["message_id"] == head), last)
