"""The name of this machine's time zone: found and compared with the clock, or refused.

``TZ`` may hold a zone's name, a path into a database of zones, or POSIX rules. Without ``TZ`` the
system has a link, a copy, or a name in a file, which may be stale. So a name counts only if its
clock is this process's clock, at every hour of the next year and every day of the next five. POSIX
rules get the name of a zone that follows them. UTC is never a guess.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..shared.errors import InvalidInput

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

LOCALTIME = Path("/etc/localtime")
TIMEZONE = Path("/etc/timezone")
# https://pubs.opengroup.org/onlinepubs/9699919799/basedefs/V1_chap08.html, TZ
_NAME, _OFFSET = r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)", r"[+-]?\d{1,3}(?::\d{2}){0,2}"
_DATE = rf"(?:J?\d{{1,3}}|M\d{{1,2}}\.\d\.\d)(?:/{_OFFSET})?"
_RULES = re.compile(rf"{_NAME}{_OFFSET}(?:{_NAME}(?:{_OFFSET})?(?:,{_DATE},{_DATE})?)?")
_NOT_NAMES = ("localtime", "posixrules", "Factory")  # they mean another zone on each host
_HOURS, _DAYS = 366 * 24, 5 * 366


def follow_environment() -> None:
    """Set this process's clock to the present value of ``TZ``, which a cell may have changed."""
    if hasattr(time, "tzset"):  # not on Windows, whose clock does not read the environment
        time.tzset()


def local_zone() -> str:
    """Find the IANA name of a zone with this machine's clock.

    Raises:
        InvalidInput: there is none; its message asks for a zone's name.
    """
    follow_environment()
    tz = os.environ.get("TZ")
    today = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    name = find_name(tz, today.replace(hour=0), time.tzname)
    if name is None:
        clock = f"TZ={tz!r}" if tz is not None else "this machine's clock"
        raise InvalidInput(
            f"The time zone of {clock} has no IANA name that is known here. Name the zone of "
            "the times, for example timezone='Europe/Berlin'.",
            field="timezone",
        )
    return name


@lru_cache(maxsize=8)
def find_name(tz: str | None, today: datetime, _: tuple[str, str]) -> str | None:
    names = _names_of_system() if tz is None else iter([_name_of(tz.lstrip(":"))])
    zone_name = next((name for name in names if _is_clock(name, today)), None)
    may_have_rules = tz is None or _RULES.fullmatch(tz) is not None
    if zone_name is None and (may_have_rules or _is_file(tz)):
        zone_name = next((name for name in _similar_zones() if _is_clock(name, today)), None)
    return zone_name


def _names_of_system() -> Iterator[str]:
    """List the names that the system may have for its zone."""
    # A link on Linux and macOS: …/zoneinfo/Europe/Berlin. If it is a copy, Debian has a name file.
    yield _name_of(str(LOCALTIME))
    try:
        yield TIMEZONE.read_text().strip()
    except (OSError, ValueError):
        return


def _name_of(text: str) -> str:
    """Take a zone's name out of a path; any other text is a name already."""
    if not text:
        return "UTC"  # POSIX: the meaning of an empty TZ
    if not os.path.isabs(text):
        return text.removeprefix("posix/").removeprefix("right/")
    for path in (text, os.path.realpath(text)):
        _, _, name = path.partition("/zoneinfo/")
        name = name.removeprefix("posix/").removeprefix("right/")
        if name and name not in _NOT_NAMES:
            return name
    return ""


def _is_file(tz: str | None) -> bool:
    """Return whether TZ is the path of a file that holds a zone."""
    path = (tz or "").lstrip(":")
    try:
        with open(path if os.path.isabs(path) else os.devnull, "rb") as file:
            return file.read(4) == b"TZif"
    except OSError:
        return False


def _similar_zones() -> Iterator[str]:
    """List the names of zones that may follow the clock's rules, the best-known first."""
    from zoneinfo import available_timezones

    standard, summer = time.tzname
    hours = time.timezone / 3600
    yield "UTC"
    if hours == int(hours):
        yield f"Etc/GMT{int(hours):+d}"
        yield f"{standard}{int(hours)}{summer}"
    yield standard
    names = sorted(available_timezones() - set(_NOT_NAMES))
    yield from (name for name in names if name.startswith("Europe/"))
    yield from (name for name in names if name.startswith("America/"))
    yield from (name for name in names if "/" in name)


def _is_clock(name: str, today: datetime) -> bool:
    zone = _zone(name)
    if zone is None:
        return False
    days = (today + timedelta(days=day) for day in range(_DAYS))
    hours = (today + timedelta(hours=hour) for hour in range(_HOURS))
    return all(_is_same(zone, at) for at in days) and all(_is_same(zone, at) for at in hours)


def _is_same(zone: ZoneInfo, at: datetime) -> bool:
    try:
        offset_s = time.localtime(at.timestamp()).tm_gmtoff
    except (OSError, OverflowError):
        return False
    delta = at.astimezone(zone).utcoffset()
    return delta is not None and delta.total_seconds() == offset_s


def _zone(name: str) -> ZoneInfo | None:
    from zoneinfo import ZoneInfo  # here: importing the package reads no time zones

    if name in ("", *_NOT_NAMES):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return None  # not a name, or there is no database of zones
