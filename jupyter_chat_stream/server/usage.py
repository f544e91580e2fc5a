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
    @requires("read")
    async def get(self, thread_id: str) -> None:
        thread_id = queries.an_id(thread_id, ThreadNotFound)
        self.respond(await self.service.thread_usage(self.owner, thread_id))


class UsageHandler(ChatHandler):
    @requires("read")
    async def get(self) -> None:
        found = await self.service.usage(
            self.owner,
            by=cast(UsageKind, queries.one_of(self, "by", KINDS)),
            since=queries.text(self, "since", most=40),
            until=queries.text(self, "until", most=40),
            timezone=queries.text(self, "timezone") or "UTC",
            limit=queries.whole(self, "limit", least=1, most=200) or GROUPS,
            before=queries.text(self, "before", most=300),
        )
        self.respond(found)
