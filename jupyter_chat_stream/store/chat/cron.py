"""Computes the next time of a cron expression in a time zone. Pure.

Five fields (minute, hour, day of the month, month, day of the week; names too), in the meaning of
Debian's cron, which cronsim follows. When clocks change, an expression with a fixed minute and hour
runs once: at the first of two equal times, or right after the gap that skips its time. An
expression whose minute or hour begins with ``*`` recurs by elapsed time.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from ...shared.errors import InvalidInput

FIELDS = 5
HOSTS_OWN = ("localtime", "posixrules", "Factory")
_HINT = "Write minute, hour, day-of-month, month and day-of-week, such as '0 9 * * MON-FRI'."


def next_after(cron: str, timezone: str, after_ms: int) -> int:
    """Return the first time of an expression after a time, both in ms since 1970.

    Raises:
        InvalidInput: with the invalid ``field``; for ``cron`` also with the ``part``.
    """
    zone = find_zone(timezone)
    if len(cron.split()) != FIELDS:
        raise InvalidInput(f"'cron' must have five fields. {_HINT}", field="cron")
    try:
        times = CronSim(cron, datetime.fromtimestamp(after_ms / 1000, zone))
    except CronSimError as error:
        part = str(error).removeprefix("Bad ")
        raise InvalidInput(
            f"'cron' cannot be read: its {part} is wrong. {_HINT}", field="cron", part=part
        ) from None
    for time in times:
        next_ms = int(time.timestamp() * 1000)
        if next_ms > after_ms:  # at the end of summer time, an hour comes twice
            return next_ms
    raise InvalidInput(f"'cron' names a time that never comes. {_HINT}", field="cron")


@lru_cache(maxsize=256)
def find_zone(name: str) -> ZoneInfo:
    """Find a time zone by its IANA name; raises InvalidInput if no zone has that name."""
    try:
        if name in HOSTS_OWN:  # differs between hosts, so workers would send at different times
            raise ValueError(name)
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: a folder of zones, a name too long
        raise InvalidInput(
            "'timezone' must be a zone's IANA name, such as Europe/Berlin or UTC.",
            field="timezone",
        ) from None
