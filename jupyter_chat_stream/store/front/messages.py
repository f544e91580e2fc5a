"""Messages that people send."""

from __future__ import annotations

from typing import Any

from ..chat import commands
from ..chat.commands import Sender, SendRequest
from ..store import Store


class StoredMessages:
    """The messages of a database."""

    def __init__(self, core: Store) -> None:
        self._core = core

    async def send(self, sender: Sender, thread_id: str, request: SendRequest) -> dict[str, Any]:
        """Write a person's message, the empty reply and its run: ``{message, reply, run}``.

        Raises:
            ThreadNotFound, MessageNotFound, InvalidInput, LimitReached, IdempotencyMismatch
        """
        return await self._core.write(
            lambda tx: commands.send(tx, thread_id, sender, request), thread_id
        )
