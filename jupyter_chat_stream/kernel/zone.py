"""The name of this machine's time zone: found, proved against the clock, or refused.

``TZ`` may hold a zone's name, a path into a database of zones, or POSIX rules; without it the
system has a link, a copy, or a name in a file, which may be stale. So whatever is found counts only
if its clock is this process's clock, at every hour of a year to come and every day of five. Rules
without a name get the name of a zone that keeps them. UTC is never a guess.
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
_NOT_NAMES = ("localtime", "posixrules", "Factory")  # other zones on each host
_HOURS, _DAYS = 366 * 24, 5 * 366


def follow_environment() -> None:
    """Set this process's clock to what ``TZ`` says by now; it may have been set in a cell."""
    if hasattr(time, "tzset"):  # not on Windows, whose clock does not ask the environment
        time.tzset()


def local_zone() -> str:
    """Find the IANA name of a zone whose clock is this machine's.

    Raises:
        InvalidInput: there is none; the sentence says to name a zone.
    """
    follow_environment()
    wanted = os.environ.get("TZ")
    today = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    found = _find(wanted, today.replace(hour=0), time.tzname)
    if found is None:
        clock = f"TZ={wanted!r}" if wanted is not None else "this machine's clock"
        raise InvalidInput(
            f"The time zone of {clock} has no name that is known here. Name the zone in which "
            "the times are meant, for example timezone='Europe/Berlin'.",
            field="timezone",
        )
    return found


@lru_cache(maxsize=8)
def _find(wanted: str | None, today: datetime, _: tuple[str, str]) -> str | None:
    told = _names_of_system() if wanted is None else iter([_name_of(wanted.lstrip(":"))])
    found = next((name for name in told if _is_clock(name, today)), None)
    may_have_rules = wanted is None or _RULES.fullmatch(wanted) is not None
    if found is None and (may_have_rules or _is_file(wanted)):
        found = next((name for name in _like_the_clock() if _is_clock(name, today)), None)
    return found


def _names_of_system() -> Iterator[str]:
    """Return what this system may call its zone."""
    # A link on Linux and macOS: …/zoneinfo/Europe/Berlin. Where it is a copy, Debian has the name.
    yield _name_of(str(LOCALTIME))
    try:
        yield TIMEZONE.read_text().strip()
    except (OSError, ValueError):
        return


def _name_of(told: str) -> str:
    """Take a zone's name out of a path; what is no path is a name already."""
    if not told:
        return "UTC"  # POSIX: where TZ is empty
    if not os.path.isabs(told):
        return told.removeprefix("posix/").removeprefix("right/")
    for path in (told, os.path.realpath(told)):
        _, _, name = path.partition("/zoneinfo/")
        name = name.removeprefix("posix/").removeprefix("right/")
        if name and name not in _NOT_NAMES:
            return name
    return ""


def _is_file(wanted: str | None) -> bool:
    """Return whether TZ is the path of a file that holds a zone."""
    path = (wanted or "").lstrip(":")
    try:
        with open(path if os.path.isabs(path) else os.devnull, "rb") as file:
            return file.read(4) == b"TZif"
    except OSError:
        return False


def _like_the_clock() -> Iterator[str]:
    """Return the names of zones that may keep the clock's rules, those people know first."""
    from zoneinfo import available_timezones

    standard, summer = time.tzname
    hours = time.timezone / 3600
    yield "UTC"
    if hours == int(hours):
        yield f"Etc/GMT{int(hours):+d}"
        yield f"{standard}{int(hours)}{summer}"
    yield standard
    known = sorted(available_timezones() - set(_NOT_NAMES))
    yield from (name for name in known if name.startswith("Europe/"))
    yield from (name for name in known if name.startswith("America/"))
    yield from (name for name in known if "/" in name)


def _is_clock(name: str, today: datetime) -> bool:
    """Compare a zone with this process's clock."""
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
    there = at.astimezone(zone).utcoffset()
    return there is not None and there.total_seconds() == offset_s


def _zone(name: str) -> ZoneInfo | None:
    from zoneinfo import ZoneInfo  # here: importing the package reads no time zones

    if name in ("", *_NOT_NAMES):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return None  # no name, or no database of zones
