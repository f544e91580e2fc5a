"""The addresses of tokens and costs."""

from __future__ import annotations

from typing import cast

from ..shared.errors import ThreadNotFound
from ..shared.usage import UsageKind
from . import queries
from .base import ChatHandler, requires

GROUPS = 50  # on a page, if the request names no number
KINDS = ("day", "model", "thread")


class ThreadUsageHandler(ChatHandler):
    @requires("read", ThreadNotFound)
    async def get(self, thread_id: str) -> None:
        self.respond(await self.service.thread_usage(self.owner, thread_id))


class UsageHandler(ChatHandler):
    @requires("read")
    async def get(self) -> None:
        usage = await self.service.usage(
            self.owner,
            by=cast(UsageKind, queries.one_of(self, "by", KINDS)),
            since=queries.text(self, "since", max_chars=40),
            until=queries.text(self, "until", max_chars=40),
            timezone=queries.text(self, "timezone") or "UTC",
            limit=queries.whole_number(self, "limit", minimum=1, maximum=200) or GROUPS,
            before=queries.text(self, "before", max_chars=300),
        )
        self.respond(usage)
