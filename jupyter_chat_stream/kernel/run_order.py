"""The order of a thread's runs. A message for later has no place before its delivery. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..shared.events import ENDS

Wire = Mapping[str, Any]


def is_for_later(run: Wire) -> bool:
    """Whether a run answers a message that has not been delivered yet."""
    return run["phase"] == "waiting" and run["attempt"] == 0


def is_busy(runs: Sequence[Wire]) -> bool:
    """Whether one of these runs works, or waits for a person or a retry."""
    return any(run["status"] not in ENDS and not is_for_later(run) for run in runs)


def newest(runs: Sequence[Wire], head: str | None) -> Wire | None:
    """Return the run whose answer is the last of its thread. ``runs`` are in order of sending.

    Args:
        head: the id of the reply that was delivered last; others may have been sent since.
    """
    if head is None:
        return None
    had_turn = [run for run in runs if not is_for_later(run)]
    last = had_turn[-1] if had_turn else None
    return next((run for run in had_turn if run["message_id"] == head), last)
