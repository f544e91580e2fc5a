"""Tokens and costs: of a thread, and of a person by day, model or thread."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ..runs.context import answer_tokens
from ..shared.errors import ChatStreamError, InvalidInput
from ..shared.events import from_iso, iso
from ..shared.usage import ContextRecord, ThreadUsage, UsageKind, UsageList
from ..store.front import GroupPage, UsageRange, UsedContext, find_zone, place_of
from .base import ServiceBase

MAX_DAYS = 366
USUAL_DAYS = 31  # with today
# Beyond every time of an answer: the end of a range that names none.
FOREVER_MS = 10**15

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class UsageService(ServiceBase):
    """Commands that add up tokens and costs."""

    async def thread_usage(self, owner: str, thread_id: str) -> ThreadUsage:
        """Add up a thread's answers; tell how much of the next model's context they have used."""
        total, models, used_context, model = await self.store.usage.of_thread(
            owner, thread_id, self.subsystems.registry.free()
        )
        context = (
            None
            if used_context is None
            else self._context(used_context, model or used_context.model or "")
        )
        return {"thread_id": thread_id, "total": total, "models": models, "context": context}

    async def usage(
        self,
        owner: str,
        *,
        by: UsageKind,
        since: str | None = None,
        until: str | None = None,
        timezone: str = "UTC",
        limit: int = 50,
        before: str | None = None,
    ) -> UsageList:
        """Add up an owner's answers that ended from ``since`` on and before ``until``.

        Args:
            since: a time with its zone, or a day in ``timezone``. None: no bound; by day, the 30
                days before the last one.
            limit: of groups on a page, by model and by thread.
            before: the ``next`` of the page before.

        Raises:
            InvalidInput: names the invalid ``field``.
        """
        zone = find_zone(timezone)
        range_ = self._range(owner, by, since, until, zone)
        place = None if before is None else place_of(before)
        if by == "day":
            days = await self.store.usage.by_day(range_, zone)
            page = GroupPage(groups=days, next=None)
        else:
            read_page = self.store.usage.by_model if by == "model" else self.store.usage.by_thread
            page = await read_page(range_, limit=limit, before=place)
        return {
            "by": by,
            "since": iso(range_.since_ms) if range_.since_ms else None,
            "until": iso(range_.until_ms) if range_.until_ms < FOREVER_MS else None,
            "timezone": timezone,
            "usage": page.groups,
            "total": await self.store.usage.total(range_),
            "next": page.next,
        }

    def _context(self, used_context: UsedContext, model_id: str) -> ContextRecord:
        context_tokens = prompt_tokens = None
        try:
            _, model = self.subsystems.registry.get(model_id)
            context_tokens = model.context_tokens
            prompt_tokens = max(0, context_tokens - answer_tokens(model))
        except ChatStreamError:
            pass  # a model that this server no longer has; its size is not known
        return {
            "model": model_id,
            "used_tokens": used_context.tokens,
            "context_tokens": context_tokens,
            "prompt_tokens": prompt_tokens,
        }

    def _range(
        self, owner: str, by: UsageKind, since: str | None, until: str | None, zone: ZoneInfo
    ) -> UsageRange:
        until_ms = FOREVER_MS if until is None else _ms("until", until, zone)
        since_ms = 0 if since is None else _ms("since", since, zone)
        if by == "day":
            last_ms = min(until_ms - 1, self.store.now_ms())
            if since is None:
                last_day = datetime.fromtimestamp(max(0, last_ms) / 1000, zone).date()
                since_ms = _start_ms(last_day - timedelta(days=USUAL_DAYS - 1), zone)
            elif last_ms - since_ms > MAX_DAYS * 86_400_000:
                raise InvalidInput(
                    f"'since' and 'until' may be at most {MAX_DAYS} days apart.", field="since"
                )
        return UsageRange(
            owner=owner,
            since_ms=max(0, since_ms),
            until_ms=until_ms,
            free=self.subsystems.registry.free(),
        )


def _ms(field: str, text: str, zone: ZoneInfo) -> int:
    """Read a time, or the beginning of a day in a zone, into ms since 1970."""
    try:
        if _DATE.fullmatch(text):
            return max(0, min(_start_ms(date.fromisoformat(text), zone), FOREVER_MS))
        return max(0, min(from_iso(text), FOREVER_MS))
    except (InvalidInput, ValueError, OverflowError):
        raise InvalidInput(
            f"'{field}' must be a day such as 2026-11-01, or a time in ISO 8601 with its zone.",
            field=field,
        ) from None


def _start_ms(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
