"""This machine's time zone by its name: proved against the clock, never silently UTC."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

import pytest

from jupyter_chat_stream.kernel import zone as zones
from jupyter_chat_stream.kernel.times import from_wire, local_zone, to_wire
from jupyter_chat_stream.shared.errors import InvalidInput

pytestmark = pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows asks no TZ")

SetZone = Callable[[str | None], None]
FOLDER = next((Path(each) for each in TZPATH if (Path(each) / "Europe/Zurich").exists()), None)
needs_database = pytest.mark.skipif(FOLDER is None, reason="the system has no database of zones")
needs_posix_folder = pytest.mark.skipif(
    FOLDER is None or not (FOLDER / "posix").exists(), reason="the zones stand in one folder only"
)


@pytest.fixture(autouse=True)
def set_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[SetZone]:
    """Set TZ as `%env TZ=…` in a cell does: the process's clock is not told."""

    def set_zone(wanted: str | None) -> None:
        if wanted is None:
            monkeypatch.delenv("TZ", raising=False)
        else:
            monkeypatch.setenv("TZ", wanted)

    zones.find_name.cache_clear()
    yield set_zone
    monkeypatch.undo()
    time.tzset()
    zones.find_name.cache_clear()


def hours_apart(name: str) -> float:
    """How far a cron's 7 o'clock and a deliver_at of 7 o'clock are apart, in winter and summer."""
    apart = 0.0
    for month in (1, 7):
        at = datetime(2027, month, 1, 7, 0)  # noqa: DTZ001  # as people write it
        sent = from_wire(to_wire(at, "deliver_at"))
        assert sent is not None
        apart += abs(at.replace(tzinfo=ZoneInfo(name)).timestamp() - sent.timestamp()) / 3600
    return apart


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("Europe/Zurich", "Europe/Zurich"),
        (":Europe/Zurich", "Europe/Zurich"),
        pytest.param(":posix/Europe/Zurich", "Europe/Zurich", marks=needs_posix_folder),
        ("Asia/Kathmandu", "Asia/Kathmandu"),
        ("UTC", "UTC"),
        ("UTC0", "UTC"),
        ("", "UTC"),  # POSIX: no zone is UTC
        ("EST5EDT,M3.2.0,M11.1.0", "EST5EDT"),
        ("<+03>-3", "Etc/GMT-3"),
        ("XYZ+8", "Etc/GMT+8"),
    ],
)
@needs_database
def test_a_zone_is_called_by_its_name(set_zone: SetZone, wanted: str, name: str) -> None:
    set_zone(wanted)
    assert local_zone() == name
    assert hours_apart(name) == 0


@pytest.mark.parametrize("before", [":", ""])
@pytest.mark.parametrize("is_link", [True, False])
@needs_database
def test_a_path_is_a_zone(set_zone: SetZone, tmp_path: Path, before: str, is_link: bool) -> None:
    assert FOLDER is not None
    set_zone(f"{before}{FOLDER}/Europe/Zurich")
    assert local_zone() == "Europe/Zurich"
    elsewhere = tmp_path / "localtime"
    if is_link:
        elsewhere.symlink_to(FOLDER / "Europe/Zurich")
    else:
        shutil.copyfile(FOLDER / "Europe/Zurich", elsewhere)
    set_zone(f"{before}{elsewhere}")
    assert hours_apart(local_zone()) == 0
    assert local_zone() != "UTC"


@pytest.mark.parametrize(
    "rules",
    [
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "CET-1CEST",
        "IST-5:30",
        "AEST-10AEDT,M10.1.0,M4.1.0/3",
        "NZST-12NZDT,M9.5.0,M4.1.0/3",
        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
    ],
)
@needs_database
def test_rules_mean_this_machines_clock_or_are_refused(set_zone: SetZone, rules: str) -> None:
    set_zone(rules)
    try:
        name = local_zone()
    except InvalidInput:
        return  # the sentence is tested below
    assert hours_apart(name) == 0


@pytest.mark.parametrize(
    "wanted",
    ["Europe/Zurch", "../passwd", "/etc/passwd", ":/no/such/file", "MESZ", "12", "ABC-1:45"],
)
@needs_database
def test_what_names_no_zone_is_refused_with_a_next_step(set_zone: SetZone, wanted: str) -> None:
    set_zone(wanted)
    with pytest.raises(InvalidInput, match="Name the zone") as refusal:
        local_zone()
    assert wanted in refusal.value.message
    assert refusal.value.facts["field"] == "timezone"


@needs_database
def test_without_tz_the_systems_link_counts_before_a_stale_name(
    set_zone: SetZone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of this process is the system's, so only a name that fits it is taken."""
    assert FOLDER is not None
    set_zone(None)
    here = local_zone()
    (tmp_path / "timezone").write_text("Pacific/Kiritimati\n")
    (tmp_path / "localtime").symlink_to(FOLDER / "Pacific/Kiritimati")
    monkeypatch.setattr(zones, "TIMEZONE", tmp_path / "timezone")
    monkeypatch.setattr(zones, "LOCALTIME", tmp_path / "localtime")
    zones.find_name.cache_clear()
    if os.environ.get("TZ") is None and here != "Pacific/Kiritimati":
        assert hours_apart(local_zone()) == 0


@needs_database
def test_a_zone_that_is_set_in_a_cell_holds_for_both(set_zone: SetZone) -> None:
    set_zone("Asia/Tokyo")
    assert hours_apart(local_zone()) == 0
    set_zone("America/New_York")
    assert hours_apart(local_zone()) == 0
    assert local_zone() == "America/New_York"
