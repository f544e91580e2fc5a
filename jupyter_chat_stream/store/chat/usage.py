"""Adds up the ledger of usage: for an owner by day, model or thread, and for one thread.

The statements use an index of the owner's answers by time. A page of groups is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, cast

from sqlalchemy import Connection

from ...shared.errors import InvalidInput
from ...shared.events import iso
from ...shared.usage import NANOS, UsageGroup, UsageSum, counts_of
from ..log.transaction import ThreadRef, execute
from ..sql import rows
from .threads import find_thread

DAY_MS = 24 * 60 * 60 * 1000
MAX_STEPS_UP = 50  # how many messages of a branch are searched for a counted answer

_SUMS = (
    "SUM(answers), SUM(input_tokens), SUM(output_tokens), SUM(cache_read_tokens), "
    "SUM(cache_write_tokens), SUM(cost_nanos), SUM(known), MAX(last_ms)"
)
_RANGE = "owner = :owner AND at_ms >= :since AND at_ms < :until"
# A group is after a place in the list if its newest answer is older, or as old with a larger key.
_AFTER = "HAVING MAX({last}) < :last OR (MAX({last}) = :last AND {key} > :key)"


GroupPlace = tuple[int, str]  # in a list of groups: the time of the newest answer, and the key


@dataclass(frozen=True, kw_only=True)
class UsageRange:
    """An owner's answers that ended from ``since_ms`` on and before ``until_ms``."""

    owner: str
    since_ms: int
    until_ms: int
    free: tuple[str, ...] = ()
    """The providers whose answers have no price, so that their cost is never unknown."""

    @property
    def params(self) -> rows.Columns:
        range_: rows.Columns = {"owner": self.owner, "since": self.since_ms, "until": self.until_ms}
        return {**range_, **_free_params(self.free)}


@dataclass(frozen=True, kw_only=True)
class GroupPage:
    """Some groups, and the place where the next page begins; None on the last page."""

    groups: list[UsageGroup]
    next: str | None


@dataclass(frozen=True, kw_only=True)
class UsedContext:
    """The tokens of a branch's newest counted answer, including its prompt, and the model."""

    tokens: int
    model: str | None


def sum_all(conn: Connection, range_: UsageRange) -> UsageSum:
    """Add up all answers of a range."""
    sql = f"SELECT {_sums(range_.free)} FROM usage WHERE {_RANGE}"
    sums = execute(conn, sql, range_.params).one()
    return _sum_of(sums)


def by_day(conn: Connection, range_: UsageRange, zone: tzinfo) -> list[UsageGroup]:
    """Add up the answers of each day with answers, the newest day first."""
    sql = f"SELECT MAX(at_ms) FROM usage WHERE {_RANGE}"
    newest_ms = execute(conn, sql, range_.params).scalar()
    if newest_ms is None:
        return []
    day_of = f"(at_ms - :start) / {DAY_MS}"
    sql = f"SELECT {day_of}, {_sums(range_.free)} FROM usage WHERE {_RANGE} GROUP BY 1"
    days: list[UsageGroup] = []
    for equal_days in _equal_days(zone, range_.since_ms, newest_ms):
        part = {
            **range_.params,
            "start": equal_days.start_ms,
            "since": max(range_.since_ms, equal_days.start_ms),
            "until": min(range_.until_ms, equal_days.end_ms),
        }
        sums_by_day: dict[int, list[Sequence[Any]]] = {}
        for number, *sums in execute(conn, sql, part):
            # The 25th hour of a day with 25 hours belongs to that day.
            sums_by_day.setdefault(min(int(number), equal_days.count - 1), []).append(sums)
        for number in sorted(sums_by_day):
            day = equal_days.first + timedelta(days=number)
            days.append({"day": day.isoformat(), **_group_of(_add_up(sums_by_day[number]))})
    return days[::-1]


def by_model(
    conn: Connection, range_: UsageRange, *, limit: int, before: GroupPlace | None
) -> GroupPage:
    """Add up the answers of each model, the model with the newest answer first."""
    having = _AFTER.format(last="at_ms", key="model")
    sql = f"SELECT model, {_sums(range_.free)} FROM usage WHERE {_RANGE} GROUP BY model"
    page_rows = _page(conn, sql, having, "MAX(at_ms)", "model", range_, limit, before)
    groups: list[UsageGroup] = [
        {"model": row[0], **_group_of(row[1:])} for row in page_rows[:limit]
    ]
    return GroupPage(groups=groups, next=_next(page_rows, limit))


def by_thread(
    conn: Connection, range_: UsageRange, *, limit: int, before: GroupPlace | None
) -> GroupPage:
    """Add up the answers of each thread; all deleted threads are one group without an id."""
    key = "COALESCE(thread.id, '')"
    having = _AFTER.format(last="last_ms", key=key)
    sql = (
        f"SELECT {key}, {_SUMS}, MAX(thread.name), MAX(thread.title) "
        f"FROM (SELECT thread, {_sums(range_.free)} FROM usage WHERE {_RANGE} GROUP BY thread) "
        "AS summed LEFT JOIN thread ON thread.pk = summed.thread AND NOT thread.deleted "
        f"GROUP BY {key}"
    )
    page_rows = _page(conn, sql, having, "MAX(last_ms)", key, range_, limit, before)
    groups: list[UsageGroup] = [
        {"thread_id": id_ or None, "name": name, "title": title, **_group_of(sums)}
        for id_, *sums, name, title in page_rows[:limit]
    ]
    return GroupPage(groups=groups, next=_next(page_rows, limit))


def of_thread(
    conn: Connection, owner: str, thread_id: str, free: tuple[str, ...] = ()
) -> tuple[UsageSum, list[UsageGroup], UsedContext | None, str | None]:
    """Add up a thread's answers, in total and by model. ``free``: as in ``UsageRange``.

    Returns:
        The sum, the models, the used context of the head's branch, and the thread's model.

    Raises:
        ThreadNotFound
    """
    thread = find_thread(conn, owner, thread_id)
    sql = (
        f"SELECT model, {_sums(free)} FROM usage WHERE thread = :thread "
        "GROUP BY model ORDER BY MAX(at_ms) DESC, model"
    )
    model_rows = execute(conn, sql, {"thread": thread.pk, **_free_params(free)}).fetchall()
    groups: list[UsageGroup] = [{"model": row[0], **_group_of(row[1:])} for row in model_rows]
    total = _sum_of(_add_up([row[1:] for row in model_rows]))
    sql = "SELECT head, model FROM thread WHERE pk = :pk"
    head, model = execute(conn, sql, {"pk": thread.pk}).one()
    return total, groups, _find_used_context(conn, thread, head), model


def _sums(free: tuple[str, ...]) -> str:
    """Return the columns of a sum. The cost of an answer without a price counts as known."""
    has_none = "".join(
        f" OR substr(model, 1, {len(name) + 1}) = :free{place}" for place, name in enumerate(free)
    )
    return (
        "COUNT(*) AS answers, SUM(input_tokens) AS input_tokens, "
        "SUM(output_tokens) AS output_tokens, SUM(cache_read_tokens) AS cache_read_tokens, "
        "SUM(cache_write_tokens) AS cache_write_tokens, SUM(cost_nanos) AS cost_nanos, "
        f"COUNT(CASE WHEN cost_nanos IS NOT NULL{has_none} THEN 1 END) AS known, "
        "MAX(at_ms) AS last_ms"
    )


def _free_params(free: tuple[str, ...]) -> dict[str, str]:
    return {f"free{place}": f"{name}/" for place, name in enumerate(free)}


@dataclass(frozen=True, kw_only=True)
class _EqualDays:
    """Consecutive days of 24 hours each, or one day of another length."""

    first: date
    count: int
    start_ms: int
    end_ms: int


def _equal_days(zone: tzinfo, since_ms: int, until_ms: int) -> Iterator[_EqualDays]:
    """Split the days between two times into groups, at changes of the zone's clock."""
    day = datetime.fromtimestamp(since_ms / 1000, zone).date()
    first, start_ms = day, _midnight_ms(day, zone)
    next_ms = start_ms
    while next_ms <= until_ms:
        before_ms, next_ms = next_ms, _midnight_ms(day + timedelta(days=1), zone)
        if next_ms - before_ms != DAY_MS:
            if first < day:
                yield _make_equal_days(first, day, start_ms, before_ms)
            yield _make_equal_days(day, day + timedelta(days=1), before_ms, next_ms)
            first, start_ms = day + timedelta(days=1), next_ms
        day += timedelta(days=1)
    if first < day:
        yield _make_equal_days(first, day, start_ms, next_ms)


def _make_equal_days(first: date, after: date, start_ms: int, end_ms: int) -> _EqualDays:
    return _EqualDays(first=first, count=(after - first).days, start_ms=start_ms, end_ms=end_ms)


def _midnight_ms(day: date, zone: tzinfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)


def _find_used_context(conn: Connection, thread: ThreadRef, head: str | None) -> UsedContext | None:
    """Find the newest counted answer on the branch that ends with a message.

    An incomplete answer is skipped, because its tokens may come from several attempts.
    """
    sql = "SELECT usage, model, parent_id, status FROM message WHERE id = :id AND thread = :thread"
    message_id = head
    for _ in range(MAX_STEPS_UP):
        row = execute(conn, sql, {"id": message_id, "thread": thread.pk}).first()
        if row is None:
            return None
        counts = counts_of(rows.load_or_none(row[0]))
        if counts is not None and row[3] == "completed":
            return UsedContext(tokens=counts.total, model=row[1])
        message_id = row[2]
    return None


def _page(
    conn: Connection, sql: str, having: str, last_column: str, key: str,
    range_: UsageRange, limit: int, before: GroupPlace | None,
) -> Sequence[Any]:  # fmt: skip
    """Read one group more than the page shows, to know whether there is a next page."""
    params = {**range_.params, "limit": limit + 1}
    if before is not None:
        params["last"], params["key"] = before
        sql = f"{sql} {having}"
    page_rows = execute(
        conn, f"{sql} ORDER BY {last_column} DESC, {key} LIMIT :limit", params
    ).fetchall()
    return list(page_rows)


def place_of(before: str) -> GroupPlace:
    """Parse the ``next`` of an earlier page; raises InvalidInput for other texts."""
    last, comma, key = before.partition(",")
    if not (comma and last.isascii() and last.isdigit() and len(last) <= 16):
        raise InvalidInput("'before' must be the 'next' of an earlier page.", field="before")
    return int(last), key


def _next(page_rows: Sequence[Sequence[Any]], limit: int) -> str | None:
    if len(page_rows) <= limit:
        return None
    key, *sums = page_rows[limit - 1]
    return f"{int(sums[7])},{key}"


def _add_up(rows_: Iterable[Sequence[Any]]) -> Sequence[Any]:
    """Add up rows of sums; unknown costs are left out."""
    total: list[Any] = [0, 0, 0, 0, 0, None, 0, 0]
    for row in rows_:
        for place in (0, 1, 2, 3, 4, 6):
            total[place] += row[place]
        if row[5] is not None:
            total[5] = (total[5] or 0) + row[5]
        total[7] = max(total[7], row[7])
    return total


def _sum_of(sums: Sequence[Any]) -> UsageSum:
    (
        answers,
        input_tokens,
        output_tokens,
        cache_read_tokens,
        cache_write_tokens,
        nanos,
        known_costs,
    ) = sums[:7]
    return {
        "answers": int(answers),
        "input_tokens": int(input_tokens or 0),
        "output_tokens": int(output_tokens or 0),
        "cache_read_tokens": int(cache_read_tokens or 0),
        "cache_write_tokens": int(cache_write_tokens or 0),
        "cost_usd": None if nanos is None else int(nanos) / NANOS,
        "unknown_cost": int(answers) - int(known_costs or 0),
    }


def _group_of(sums: Sequence[Any]) -> UsageGroup:
    return cast(UsageGroup, {**_sum_of(sums), "last_at": iso(int(sums[7]))})
