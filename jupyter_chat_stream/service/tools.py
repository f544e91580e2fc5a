"""Tools: what a thread offers, standing consents, and the calls as their executors make them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ..runs.toolset import is_admitted, is_on, known_tools
from ..shared.errors import InvalidInput, ToolNotFound
from ..shared.records import RunRecord
from ..shared.tool_definitions import check_definition, digest_of, effect_of, operations_of
from ..shared.tool_records import (
    AllowedBy,
    ConsentList,
    ConsentRecord,
    ListedTool,
    ToolConsent,
    ToolList,
    ToolRecord,
    ToolWhere,
)
from ..store.front import ClaimedCall, ConsentQuestion, SendRequest, ToolContext
from .base import ServiceBase

# From the consent that needs least to the one that needs most.
_ORDER: tuple[ToolConsent, ...] = ("none", "always", "thread", "ask", "denied")


class ToolService(ServiceBase):
    """Commands on tools, consents and tool calls."""

    async def tools(self, owner: str, thread_id: str) -> ToolList:
        """List the tools of a thread, with what stands between each and its next call."""
        context = await self._tool_context(owner, thread_id)
        listing = await self.subsystems.server_tools.of(owner).list_all()
        tools = list(known_tools(listing.tools, context.offers).values())
        questions = [
            ConsentQuestion(tool=tool["name"], operation=operation, digest=digest_of(tool))
            for tool in tools
            for operation in operations_of(tool)
        ]
        standing = await self.store.tools.find_consents(owner, thread_id, questions)
        consents = {
            (question.tool, question.operation): consent
            for question, consent in zip(questions, standing, strict=True)
        }
        thread_tools = context.thread.get("tools")
        mode = "ask" if thread_tools is None else thread_tools["mode"]
        listed_tools: list[ListedTool] = [
            {
                **tool,
                "consent": max(
                    (
                        self._consent(tool, operation, mode, consents[tool["name"], operation])
                        for operation in operations_of(tool)
                    ),
                    key=_ORDER.index,
                ),
                "is_on": is_on(tool, thread_tools, self.config),
            }
            for tool in tools
        ]
        return {"tools": listed_tools, "problems": list(listing.problems)}

    def _consent(
        self, tool: ToolRecord, operation: str, mode: str, standing: AllowedBy | None
    ) -> ToolConsent:
        effect = effect_of(tool, operation)
        if not is_admitted(tool["name"], self.config):
            return "denied"
        if effect == "read":
            return "none"
        if mode == "read_only":
            return "denied"
        if mode == "accept_edits" and effect == "change":
            return "none"
        return "ask" if standing is None else cast(ToolConsent, standing)

    def check_tools(self, request: SendRequest) -> None:
        """Check the definitions that a message has; the names are checked as it is written.

        Raises:
            InvalidInput: one has a ``where``.
        """
        if any(not isinstance(item, str) and "where" in item for item in request.tools or ()):
            raise InvalidInput(
                "A definition in 'tools' has no 'where': nobody here makes its calls. Name a tool "
                "that GET tools lists, or leave 'where' away.",
                field="tools",
            )

    async def offer(
        self,
        owner: str,
        thread_id: str,
        *,
        executor: str,
        label: str,
        where: ToolWhere,
        tools: Sequence[Any],
        socket: str,
    ) -> None:
        """Replace what an executor offers in a thread, until its socket closes.

        Raises:
            InvalidInput: a definition is malformed, or there are too many.
        """
        records = [check_definition(tool, where) for tool in tools]
        for record in records:
            if record["source"].startswith("mcp:"):
                raise InvalidInput(f"Only the server offers {record['source']!r}.", field="tools")
        await self.store.tools.offer(
            owner, thread_id, executor=executor, label=label, socket=socket, tools=records
        )

    async def renew_offers(self, socket: str) -> None:
        """Tell that the executors of a socket live."""
        await self.store.tools.renew_offers(socket)

    async def end_offers(self, socket: str) -> None:
        """Withdraw the offers of a socket that has closed."""
        await self.store.tools.end_offers(socket)

    async def claim_call(
        self, owner: str, run_id: str, tool_call_id: str, *, executor: str, claim: str | None
    ) -> ClaimedCall:
        """Take an open call for an executor, or renew its claim."""
        return await self.store.tools.claim(
            owner,
            run_id,
            tool_call_id,
            executor=executor,
            claim=claim,
            lease_s=self.config.tool_lease_s,
        )

    async def write_output(
        self, owner: str, run_id: str, tool_call_id: str, *, claim: str, n: int, text: str
    ) -> None:
        """Add what a call has written."""
        await self.store.tools.write_output(
            owner, run_id, tool_call_id, claim=claim, n=n, text=text
        )

    async def give_result(
        self,
        owner: str,
        run_id: str,
        tool_call_id: str,
        *,
        claim: str,
        success: bool,
        output: Any,
        attachment_ids: Sequence[str] = (),
    ) -> RunRecord:
        """Write the result of a call; with the last one of its round the run is due.

        Args:
            attachment_ids: the files of the result, uploaded by the same owner.
        """
        run = await self.store.tools.give_result(
            owner,
            run_id,
            tool_call_id,
            claim=claim,
            success=success,
            output=output,
            attachment_ids=attachment_ids,
        )
        self.subsystems.engine.nudge()
        return run

    async def consents(self, owner: str) -> ConsentList:
        """List a person's standing consents, newest first."""
        return {"consents": await self.store.tools.list_consents(owner)}

    async def put_consent(
        self, owner: str, *, tool: str, operation: str | None, thread_id: str | None
    ) -> ConsentRecord:
        """Write a standing consent to a tool as it is defined now.

        Raises:
            ToolNotFound: nobody offers it.
            InvalidInput: the tool has no such operation.
        """
        record = await self._find_tool(owner, tool, thread_id)
        operations = operations_of(record)
        if (operation or "") not in operations:
            raise InvalidInput(
                f"'operation' must be one of: {', '.join(operations) or 'none'}.",
                field="operation",
            )
        return await self.store.tools.put_consent(
            owner,
            tool=tool,
            operation=operation or "",
            digest=digest_of(record),
            thread_id=thread_id,
        )

    async def delete_consent(self, owner: str, consent_id: str) -> None:
        """Revoke a standing consent; raises ConsentNotFound."""
        await self.store.tools.delete_consent(owner, consent_id)

    async def _find_tool(self, owner: str, name: str, thread_id: str | None) -> ToolRecord:
        for tool in (await self.subsystems.server_tools.of(owner).list_named((name,))).tools:
            return tool
        if thread_id is not None:
            offers = (await self._tool_context(owner, thread_id)).offers
        else:
            offers = await self.store.tools.find_offers(owner, name, self.store.now_ms())
        for tool in offers:
            if tool["name"] == name:
                return tool
        raise ToolNotFound(name[:64])

    async def _tool_context(self, owner: str, thread_id: str) -> ToolContext:
        return await self.store.tools.context(owner, thread_id, self.store.now_ms())
