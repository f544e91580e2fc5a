"""Cron: when an expression in a time zone comes next. Pure; the time is passed in.

Five fields (minute, hour, day of the month, month, day of the week; names too), as Debian's cron
means them, which cronsim follows. Where clocks change: what names minute and hour runs once, also
where its time comes twice, and right after the gap where it does not come at all; what recurs
(its minute or hour begins with ``*``) goes on by the time that really passes.
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
        InvalidInput: with the ``field`` that cannot be meant; of ``cron`` also its ``part``.
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
        if next_ms > after_ms:  # a time that comes twice is given for the first, which may be over
            return next_ms
    raise InvalidInput(f"'cron' names a time that never comes. {_HINT}", field="cron")


@lru_cache(maxsize=256)
def find_zone(name: str) -> ZoneInfo:
    """Find a time zone by its IANA name.

    Raises:
        InvalidInput: there is none of that name.
    """
    try:
        if name in HOSTS_OWN:  # another on each host: workers would send at other times
            raise ValueError(name)
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: a folder of zones, a name too long
        raise InvalidInput(
            "'timezone' must be a zone's IANA name, such as Europe/Berlin or UTC.",
            field="timezone",
        ) from None
