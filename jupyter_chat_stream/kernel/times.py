"""Converts the times of callers to those of the wire, and back.

A caller's time without a zone is meant on this machine's clock; on the wire all times are UTC. The
caller gets aware times in local time, which read like the clock on the wall. The clock's zone has a
name if ``zone`` finds one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ..shared.errors import InvalidInput
from ..shared.events import from_iso, iso
from .zone import follow_environment, local_zone

__all__ = ["When", "from_wire", "local_zone", "to_wire"]

When = datetime | str | timedelta


def to_wire(when: When, field: str) -> str:
    """Write a time for the wire.

    Args:
        when: a datetime (local time if it has no zone), the same as ISO 8601, or a timedelta from
            now.
        field: the option's name, for the error.

    Raises:
        InvalidInput: it is none of these, or out of the calendar.
    """
    follow_environment()
    try:
        if isinstance(when, timedelta):
            at = datetime.now(UTC) + when
        elif isinstance(when, str):
            at = datetime.fromisoformat(when.strip())
        else:
            at = when
        return iso(round(at.timestamp() * 1000))
    except (AttributeError, OSError, OverflowError, ValueError) as error:
        raise InvalidInput(
            f"{field} is no time: give a datetime, a timedelta from now, or a text like "
            "'2026-11-20T18:00' (local time) or '2026-11-20T18:00+01:00'.",
            field=field,
        ) from error


def from_wire(at: str | None) -> datetime | None:
    """Read a time of the wire, in local time; None stays None."""
    if at is None:
        return None
    follow_environment()
    return datetime.fromtimestamp(from_iso(at) / 1000, UTC).astimezone()
