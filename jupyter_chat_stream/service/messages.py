"""Messages and runs: commands that make a model work, and commands that stop it."""

from __future__ import annotations

from typing import Any, cast

from ..shared.records import MessageRecord, RunList, RunRecord, SentRecord, SuccessorRecord
from ..store.front import (
    AS_BEFORE,
    MOST_LISTED,
    Limits,
    Over,
    RetryRequest,
    Sender,
    SendRequest,
)
from .tools import ToolService


class MessageService(ToolService):
    """Commands on messages and runs; a new run is due with the same transaction (L10)."""

    async def send(
        self, owner: str, thread_id: str, request: SendRequest, *, key: str | None = None
    ) -> SentRecord:
        """Write a person's message, the empty reply and its run, which is due at once.

        With ``deliver_ms`` the run is due at that time, and takes its turn then.
        """
        subsystems = self.subsystems
        request.check(subsystems.store.now_ms())
        if request.model is not None:
            subsystems.registry.get(request.model)
        self.check_tools(request)
        requested_names = [item for item in request.tools or () if isinstance(item, str)]
        names = [
            tool["name"]
            for tool in (await subsystems.server_tools.of(owner).list_named(requested_names)).tools
        ]
        record = await subsystems.store.runs.send(
            thread_id, self._sender(owner, key), request, names
        )
        subsystems.engine.nudge()
        return record

    async def runs(
        self,
        owner: str,
        thread_id: str,
        *,
        limit: int = MOST_LISTED,
        before: str | None = None,
        is_open: bool = False,
    ) -> RunList:
        """List the newest of a thread's runs; all, or only the open ones."""
        runs = await self.store.runs.page(
            owner, thread_id, limit=limit, before=before, is_open=is_open
        )
        return {"runs": runs}

    async def run(self, owner: str, run_id: str) -> RunRecord:
        return await self.store.runs.read(owner, run_id)

    async def cancel(self, owner: str, run_id: str) -> RunRecord:
        """Stop a run, whichever process holds it; an ended run stays as it is.

        The builds that an answer waits for end with it.
        """
        ref = await self.store.runs.find(owner, run_id)
        await self.subsystems.engine.abort(run_id)
        usage_by_run = await self.subsystems.tokens.of_thread(ref.thread.id)
        run = await self.store.runs.cancel(ref, usage_by_run)
        self.subsystems.engine.nudge()
        return run

    async def withdraw(self, owner: str, run_id: str) -> RunRecord:
        """Cancel a run that has not begun, and take its message off its branch."""
        run = await self.store.runs.withdraw(owner, run_id)
        self.subsystems.engine.nudge()
        return run

    async def rewrite(self, owner: str, run_id: str, content: str) -> MessageRecord:
        """Replace the text of the message of a run that has not begun."""
        return await self.store.runs.rewrite(owner, run_id, content)

    async def retry(
        self,
        owner: str,
        run_id: str,
        key: str | None = None,
        choices: RetryRequest = AS_BEFORE,
    ) -> SuccessorRecord:
        """Make a new run and a sibling reply for an ended one, by the same model or another."""
        if choices.model is not None:
            self.subsystems.registry.get(choices.model)
        return await self._succeed(owner, run_id, key, keep_parts=False, choices=choices)

    async def continue_run(
        self, owner: str, run_id: str, key: str | None = None
    ) -> SuccessorRecord:
        """Make a new run that continues the text of an ended one."""
        return await self._succeed(owner, run_id, key, keep_parts=True)

    async def give_input(
        self, owner: str, run_id: str, *, request_id: str, value: Any
    ) -> RunRecord:
        """Answer a run's open question; the first answer wins."""
        run = await self.store.runs.give_input(owner, run_id, request_id, value)
        self.subsystems.engine.nudge()
        return run

    async def _succeed(
        self,
        owner: str,
        run_id: str,
        key: str | None,
        *,
        keep_parts: bool,
        choices: RetryRequest = AS_BEFORE,
    ) -> SuccessorRecord:
        sender = self._sender(owner, key)
        successor = await self.store.runs.succeed(
            sender, run_id, keep_parts=keep_parts, choices=choices
        )
        self.subsystems.engine.nudge()
        return successor

    def _sender(self, owner: str, key: str | None) -> Sender:
        config = self.config
        limits = Limits(
            messages_per_minute=config.messages_per_minute,
            max_active_runs=config.max_active_runs,
            max_active_runs_per_user=config.max_active_runs_per_user,
            over_active_runs=cast(Over, config.over_active_runs),
        )
        return Sender(owner=owner, key=key, limits=limits, gives_titles=config.title_threads)
