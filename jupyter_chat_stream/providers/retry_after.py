"""Reads from the headers of an answer how long its server wants to be left alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_S = 24 * 3600.0


def retry_after_s(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """Read the wait from ``retry-after-ms``, or from ``retry-after`` in seconds or as a date."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            wait_s = float(value) * unit_s
        except ValueError:
            wait_s = _seconds_until(value, now)
        if 0 <= wait_s < float("inf"):  # false for NaN, too
            return min(wait_s, MAX_RETRY_AFTER_S)
    return None


def _seconds_until(date: str, now: Callable[[], float]) -> float:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - now())
    except (ValueError, TypeError, OverflowError):
        return float("nan")
