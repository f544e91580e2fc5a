"""Tokens and costs: ``chat.usage()`` of the thread, ``chat.usage(by="day")`` of all chats.

The result is a list of records that prints as a table. An unknown cost is never shown as 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, Literal

from ..shared.errors import WrongCall
from ..shared.json_objects import JsonView
from ..shared.spelling import did_you_mean
from ..shared.usage import ContextRecord, UsageGroup, UsageSum
from .link import current, path_of
from .options import check_kinds
from .times import When, local_zone, to_wire

Day = date | When
KINDS = ("day", "model", "thread")
PAGE = 200
LEAST_SHOWN_USD = 0.0001  # a smaller cost would be shown as 0
_DATE_CHARS = len("2026-11-29")


@dataclass(frozen=True, kw_only=True)
class UsageEntry:
    """The tokens and the cost of the answers of one day, one model or one thread."""

    name: str
    """The day, the model's id, or the thread's name, title or id."""
    answers: int
    input_tokens: int
    """Without the tokens that a cache held."""
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float | None
    """The sum of the known costs; None if none is known."""
    unknown_cost: int
    """The number of answers that have a price, but whose cost is not known."""
    thread: str | None = None
    """The id of the thread, for ``Chat(thread=…)``; None for the answers of deleted threads."""

    @property
    def tokens(self) -> int:
        """All tokens that the models have read and written."""
        cache_tokens = self.cache_read_tokens + self.cache_write_tokens
        return self.input_tokens + self.output_tokens + cache_tokens

    @property
    def cost(self) -> str:
        """The cost in words, such as ``$0.0123 + 2 unknown``."""
        if self.cost_usd is None:
            return "unknown" if self.unknown_cost else "-"
        is_tiny = 0 < self.cost_usd < LEAST_SHOWN_USD
        text = f"<${LEAST_SHOWN_USD}" if is_tiny else f"${self.cost_usd:,.4f}"
        return f"{text} + {self.unknown_cost} unknown" if self.unknown_cost else text

    def __repr__(self) -> str:
        answers = "1 answer" if self.answers == 1 else f"{self.answers:,} answers"
        return f"UsageEntry({self.name!r}, {answers}, {self.tokens:,} tokens, cost {self.cost})"


@dataclass(frozen=True, kw_only=True)
class ContextUse:
    """The part of its model's context that a thread has used."""

    model: str
    """The model that would answer next."""
    used_tokens: int
    """The newest answer of the branch, with all that its model had read for it."""
    context_tokens: int | None
    """The context of the model; None if its size is not known."""
    prompt_tokens: int | None = None
    """The part of the context that a prompt may fill; None if it is not known."""

    @property
    def share(self) -> float | None:
        """The used part of what a prompt may fill; beyond 1, old messages are left out."""
        return self.used_tokens / self._size if self._size else None

    @property
    def _size(self) -> int | None:
        return self.prompt_tokens or self.context_tokens

    def __repr__(self) -> str:
        if self.share is None:
            return f"ContextUse({self.used_tokens:,} tokens, {self.model})"
        return (
            f"ContextUse({self.used_tokens:,} of {self._size:,} tokens, {self.share:.0%}, "
            f"{self.model})"
        )


class UsageTable(list[UsageEntry]):
    """Entries, the one with the newest answer first; printed as a table.

    Attributes:
        total: of everything that was asked for.
        context: of the thread, if its usage was asked for and an answer's tokens were counted.
    """

    def __init__(
        self,
        entries: Iterable[UsageEntry],
        *,
        by: str,
        total: UsageEntry,
        context: ContextUse | None = None,
    ) -> None:
        super().__init__(entries)
        self.by = by
        self.total = total
        self.context = context

    def __repr__(self) -> str:
        head = (self.by, "answers", "read", "written", "cost")
        lines = [head, *(_cells(entry) for entry in (*self, self.total))]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        text = [
            "  ".join(
                cell.ljust(width) if column in (0, len(head) - 1) else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        if self.context is not None:
            text.append(f"context: {_context_words(self.context)}")
        return "\n".join(text)


class UsageMethods:
    """A chat's methods for tokens and costs."""

    _thread_id: str

    def usage(
        self,
        by: Literal["day", "model", "thread"] | None = None,
        *,
        since: Day | None = None,
        until: Day | None = None,
        timezone: str | None = None,
    ) -> UsageTable:
        """Add up the tokens and the known costs of answers that have ended.

        Args:
            by: None: this thread's answers, by model, with the context that they have used.
                ``"day"``, ``"model"`` or ``"thread"``: the answers of all your chats, also of
                deleted ones.
            since: a date, a datetime, a text in ISO 8601, or a timedelta from now. By day, None
                means 30 days before the last one, and at most 366 days are possible.
            until: the same; answers that ended at this time or later are not counted.
            timezone: the IANA name of the zone of days; None: this machine's.

        Raises:
            WrongCall: ``by`` is none of these, or the thread's usage has no such option.
            InvalidInput: a time or the zone is invalid; ``facts["field"]`` says which.
        """
        return current().run(self._usage(by, since, until, timezone))

    async def ausage(
        self,
        by: Literal["day", "model", "thread"] | None = None,
        *,
        since: Day | None = None,
        until: Day | None = None,
        timezone: str | None = None,
    ) -> UsageTable:
        """Add up tokens and costs. See ``usage``."""
        return await current().arun(self._usage(by, since, until, timezone))

    async def _usage(
        self, by: str | None, since: Day | None, until: Day | None, timezone: str | None
    ) -> UsageTable:
        if by is None:
            _refuse_range(since=since, until=until, timezone=timezone)
            return await _of_thread(self._thread_id)
        if by not in KINDS:
            raise WrongCall(
                f"chat.usage(): by must be one of {', '.join(KINDS)}, or None for this thread, "
                f"not {by!r}.{did_you_mean(str(by), KINDS)}",
                option="by",
            )
        check_kinds("chat.usage()", {"timezone": timezone})
        query = {
            "by": by,
            "since": None if since is None else _day_to_wire(since, "since"),
            "until": None if until is None else _day_to_wire(until, "until"),
            "timezone": timezone or local_zone(),
            "limit": str(PAGE),
        }
        return await _of_all(by, {name: value for name, value in query.items() if value})


async def _of_thread(thread_id: str) -> UsageTable:
    wire = await current().request("GET", f"threads/{path_of(thread_id)}/usage")
    context: ContextRecord | None = wire["context"]
    return UsageTable(
        [_entry(group, group["model"]) for group in wire["models"]],
        by="model",
        total=_entry(wire["total"], "total"),
        context=context and ContextUse(**_fields_of(ContextUse, context)),
    )


async def _of_all(by: str, query: Mapping[str, str]) -> UsageTable:
    entries: list[UsageEntry] = []
    before: str | None = None
    while True:
        params = query if before is None else {**query, "before": before}
        text = "&".join(f"{name}={path_of(value)}" for name, value in params.items())
        page = await current().request("GET", f"usage?{text}")
        groups: list[UsageGroup] = page["usage"]
        entries += [_entry(group, _name_of(group), group.get("thread_id")) for group in groups]
        before = page["next"]
        if before is None:
            return UsageTable(entries, by=by, total=_entry(page["total"], "total"))


def _refuse_range(**options: object) -> None:
    for option, value in options.items():
        if value is not None:
            raise WrongCall(
                f"chat.usage(): {option} is for by='day', 'model' or 'thread'. Without 'by', the "
                "whole thread is added up.",
                option=option,
            )


def _day_to_wire(when: Day, field: str) -> str:
    """Write a time for the wire; a date without a time stays one, in the zone of the request."""
    if isinstance(when, date) and not isinstance(when, datetime):
        return when.isoformat()
    if isinstance(when, str) and len(when.strip()) == _DATE_CHARS:
        return when.strip()
    assert isinstance(when, (datetime, str, timedelta))
    return to_wire(when, field)


def _name_of(group: UsageGroup) -> str:
    if "day" in group:
        return group["day"]
    if "model" in group:
        return group["model"]
    name = group.get("name") or group.get("title") or group.get("thread_id")
    return name or "(deleted)"


def _entry(wire: UsageSum, name: str, thread: str | None = None) -> UsageEntry:
    return UsageEntry(**{**_fields_of(UsageEntry, wire), "name": name, "thread": thread})


def _fields_of(record: type[UsageEntry | ContextUse], wire: JsonView) -> dict[str, Any]:
    """Return the fields of a record from the wire; a newer server may send others, too."""
    return {each.name: wire[each.name] for each in fields(record) if each.name in wire}


def _cells(entry: UsageEntry) -> tuple[str, ...]:
    read_tokens = entry.tokens - entry.output_tokens
    name = entry.name if len(entry.name) <= 40 else f"{entry.name[:39]}…"
    return (name, f"{entry.answers:,}", f"{read_tokens:,}", f"{entry.output_tokens:,}", entry.cost)


def _context_words(context: ContextUse) -> str:
    if context.share is None:
        return f"{context.used_tokens:,} tokens used ({context.model})"
    return (
        f"{context.used_tokens:,} of {context._size:,} tokens used, {context.share:.0%} "
        f"({context.model})"
    )
