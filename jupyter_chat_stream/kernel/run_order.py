"""Whose turn it is in a thread: a message for later has none before it is delivered. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..shared.events import ENDS

Wire = Mapping[str, Any]


def is_for_later(run: Wire) -> bool:
    """Say whether a run answers a message that is yet to be delivered."""
    return run["phase"] == "waiting" and run["attempt"] == 0


def is_busy(runs: Sequence[Wire]) -> bool:
    """Say whether something is being made, or waits for a person, in a thread with these runs."""
    return any(run["status"] not in ENDS and not is_for_later(run) for run in runs)


def newest(runs: Sequence[Wire], head: str | None) -> Wire | None:
    """Give the run whose answer stands last in the thread; runs are in the order of sending.

    Args:
        head: of the thread: what was delivered last, though others may have been sent after it.
    """
    if head is None:
        return None
    had_turn = [run for run in runs if not is_for_later(run)]
    last = had_turn[-1] if had_turn else None
    return next((run for run in had_turn if run["message_id"] == head), last)
