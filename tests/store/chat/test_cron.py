"""When an expression in a time zone comes next: each time once, whatever clocks do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jupyter_chat_stream.shared.errors import InvalidInput
from jupyter_chat_stream.shared.events import from_iso, iso
from jupyter_chat_stream.store.chat.cron import next_after

BERLIN = "Europe/Berlin"  # 2026: forward on March 29 at 02:00, back on October 25 at 03:00


def times(cron: str, zone: str, start: str, count: int) -> list[str]:
    """Return the next times as UTC, each reckoned from the one before, as ticks do."""
    found, now = [], from_iso(start)
    for _ in range(count):
        now = next_after(cron, zone, now)
        found.append(datetime.fromtimestamp(now / 1000, UTC).strftime("%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("cron", "start", "expected"),
    [
        # 02:30 does not come on the 29th: right after the gap, once
        ("30 2 * * *", "2026-03-28T00:00:00Z", ["28 01:30", "29 01:00", "30 00:30"]),
        ("0,30 2 * * *", "2026-03-28T12:00:00Z", ["29 01:00", "30 00:00", "30 00:30"]),
        # 02:30 comes twice on the 25th: the first time, once
        ("30 2 * * *", "2026-10-24T00:00:00Z", ["24 00:30", "25 00:30", "26 01:30"]),
        ("30 3 * * *", "2026-10-24T12:00:00Z", ["25 02:30", "26 02:30"]),
        # what recurs goes on by the time that passes
        ("30 * * * *", "2026-03-29T00:00:00Z", ["29 00:30", "29 01:30", "29 02:30"]),
        ("30 * * * *", "2026-10-25T00:00:00Z", ["25 00:30", "25 01:30", "25 02:30"]),
    ],
)
def test_where_clocks_change_each_time_comes_once(
    cron: str, start: str, expected: list[str]
) -> None:
    assert times(cron, BERLIN, start, len(expected)) == expected


def test_made_or_missed_within_the_hour_that_comes_twice_it_is_not_sent_again() -> None:
    """From 02:10 of the second pass, 02:30 is over: it was that of the first."""
    second_pass = from_iso("2026-10-25T01:10:00Z")
    assert iso(next_after("30 2 * * *", BERLIN, second_pass)) == "2026-10-26T01:30:00.000Z"


def test_the_next_time_is_after_now_whatever_now_is() -> None:
    for zone in (BERLIN, "UTC", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"):
        now = from_iso("2026-01-01T00:00:00.001Z")
        for cron in ("*/7 * * * *", "15 2 * * *", "0 0 1 * MON", "59 23 31 12 *", "0 12 L * *"):
            for _ in range(20):
                later = next_after(cron, zone, now)
                assert later > now, (zone, cron, iso(now))
                now = later - 1 if later - 1 > now else later


@pytest.mark.parametrize(
    ("cron", "part"),
    [
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day-of-month"),
        ("* * * 13 *", "month"),
        ("* * * * 8", "day-of-week"),
        ("* * * FOO *", "month"),
        ("*/0 * * * *", "minute"),
        ("5-1 * * * *", "minute"),
        ("0 0 30 2 *", "day-of-month"),
        ("1,,2 * * * *", "minute"),
        ("* * * * ²L", "day-of-week"),
        ("* * * *", None),
        ("0 * * * * *", None),
        ("@daily", None),
        ("", None),
        ("* * */20 * 1L", None),
    ],
)
def test_an_expression_that_cannot_be_meant_names_its_part(cron: str, part: str | None) -> None:
    with pytest.raises(InvalidInput) as refused:
        next_after(cron, "UTC", from_iso("2027-01-01T00:00:00Z"))
    assert refused.value.facts["field"] == "cron"
    assert refused.value.facts.get("part") == part


@pytest.mark.parametrize(
    "zone",
    ["Mars/Olympus", "", "Europe", "../../etc/passwd", "/etc/passwd", "x" * 64, "ä\x00", "CET "],
)
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        next_after("0 9 * * *", zone, 0)
    assert refused.value.facts == {"field": "timezone"}
