"""The addresses of tools, consents and tool calls.

An executor is a process of the owner: it claims a call, renews the claim, and gives the result.
What belongs to another owner is answered as what does not exist (L16).
"""

from __future__ import annotations

from ..shared.errors import (
    ConsentNotFound,
    InvalidInput,
    RunNotFound,
    ThreadNotFound,
    ToolCallNotFound,
)
from . import queries
from .base import ChatHandler, requires

MAX_CALL_ID = 256  # the providers' ids are shorter


class ToolsHandler(ChatHandler):
    @requires("read")
    async def get(self) -> None:
        thread_id = queries.text(self, "thread_id", max_chars=128)
        if thread_id is None:
            raise InvalidInput(
                "'thread_id' is missing: tools belong to a thread.", field="thread_id"
            )
        thread_id = queries.an_id(thread_id, ThreadNotFound)
        self.respond(await self.service.tools(self.owner, thread_id))


class ConsentsHandler(ChatHandler):
    """The standing consents of a person."""

    @requires("read")
    async def get(self) -> None:
        self.respond(await self.service.consents(self.owner))

    @requires("execute")
    async def put(self) -> None:
        from . import bodies

        body = bodies.parse(bodies.ConsentBody, self.body())
        thread_id = body.thread_id
        if thread_id is not None:
            thread_id = queries.an_id(thread_id, ThreadNotFound)
        consent = await self.service.put_consent(
            self.owner, tool=body.tool, operation=body.operation, thread_id=thread_id
        )
        self.respond(consent)


class ConsentHandler(ChatHandler):
    @requires("execute", ConsentNotFound)
    async def delete(self, consent_id: str) -> None:
        self.check_no_body()
        await self.service.delete_consent(self.owner, consent_id)
        self.respond_nothing()


class ToolCallHandler(ChatHandler):
    """``claim``, ``output`` and ``result`` of one tool call, chosen by the address."""

    @requires("execute", RunNotFound)
    async def post(self, run_id: str, tool_call_id: str, command: str) -> None:
        if len(tool_call_id) > MAX_CALL_ID:
            raise ToolCallNotFound(tool_call_id[:MAX_CALL_ID])
        work = {"claim": self._claim, "output": self._write, "result": self._end}[command]
        await work(run_id, tool_call_id)

    async def _claim(self, run_id: str, tool_call_id: str) -> None:
        from . import bodies

        body = bodies.parse(bodies.ClaimBody, self.body())
        call = await self.service.claim_call(
            self.owner, run_id, tool_call_id, executor=body.executor, claim=body.claim
        )
        self.respond(call)

    async def _write(self, run_id: str, tool_call_id: str) -> None:
        from . import bodies

        body = bodies.parse(bodies.OutputBody, self.body())
        await self.service.write_output(
            self.owner, run_id, tool_call_id, claim=body.claim, n=body.n, text=body.text
        )
        self.respond_nothing()

    async def _end(self, run_id: str, tool_call_id: str) -> None:
        from . import bodies

        body = bodies.parse(bodies.ResultBody, self.body())
        run = await self.service.give_result(
            self.owner,
            run_id,
            tool_call_id,
            claim=body.claim,
            success=body.success,
            output=body.output,
            attachment_ids=body.attachments or (),
        )
        self.respond({"run": run})
