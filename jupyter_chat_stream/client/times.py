"""Times as people give them and as the wire has them, and this machine's time zone.

A person's time without a zone is meant on this machine's clock; on the wire all are UTC. What comes
back is aware and in local time, so that it reads like the clock on the wall.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ..errors import InvalidInput
from ..events import from_iso, iso

When = datetime | str | timedelta


def to_wire(when: When, field: str) -> str:
    """Write a time for the wire.

    Args:
        when: a datetime (local time where it has no zone), the same as ISO 8601, or a timedelta
            from now.
        field: what the time is for, to name it in the error.

    Raises:
        InvalidInput: it is none of these, or out of the calendar.
    """
    try:
        if isinstance(when, timedelta):
            at = datetime.now(timezone.utc) + when
        elif isinstance(when, str):
            at = datetime.fromisoformat(when.strip().replace("Z", "+00:00"))
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
    """Read a time of the wire, in local time; None where there is none."""
    if at is None:
        return None
    return datetime.fromtimestamp(from_iso(at) / 1000, timezone.utc).astimezone()


def local_zone() -> str:
    """Give the IANA name of this machine's time zone; UTC where it has none that is known."""
    wanted = os.environ.get("TZ")
    names = _names() if wanted is None else [wanted.lstrip(":")]
    return next(filter(_is_zone, names), "UTC")


def _names() -> Iterator[str]:
    """Give what this system may call its zone."""
    # A link on Linux and macOS: …/zoneinfo/Europe/Berlin. Where it is a copy, Debian has the name.
    _, _, linked = os.path.realpath("/etc/localtime").partition("/zoneinfo/")
    yield linked.removeprefix("posix/").removeprefix("right/")
    try:
        yield Path("/etc/timezone").read_text().strip()
    except (OSError, ValueError):
        return


def _is_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo  # here: importing the package reads no time zones

    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return False  # POSIX rules, an empty name, or no database of zones
    return True
