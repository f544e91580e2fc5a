"""A chat's methods that send a message: ``send``, ``ask``, and their twins for ``async`` code."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from ..shared.records import Params, ToolDefinition
from . import inbox
from .attachments.outgoing import aattach, attach
from .link import current, path_of
from .messages import Message
from .options import refuse_unknown
from .output import LiveOutput
from .requests import HEAD, OPTIONS, message_body
from .rest import RequestBody
from .run import Run
from .times import When


class SendMethods:
    """The methods of a chat that send a message."""

    _thread_id: str

    def _remember_run(self, run: Run) -> None:
        """Remember a run before its events arrive. Called on the link's loop."""
        raise NotImplementedError

    def send(
        self,
        text: str,
        *attachments: object,
        model: str | None = None,
        params: Params | None = None,
        tools: Sequence[str | ToolDefinition] | None = None,
        context: Mapping[str, object] | Sequence[Mapping[str, str]] | None = None,
        key: str | None = None,
        parent: Message | str | None = HEAD,
        deliver_at: When | None = None,
        **unknown: Any,
    ) -> Run:
        """Send a message; return the run that answers it, without waiting for the answer.

        Args:
            attachments: what the model gets beside the text: frames (pandas, polars, pyarrow, …),
                arrays, figures, images, paths of files, or an ``Attachment``. They are converted
                in this thread, and uploaded before the message is sent.
            model: the model of this answer only.
            params: parameters of the model, for this answer only.
            tools: names of the thread's tools that this answer may use, and no others; or
                definitions in the form of the Messages API, whose calls nobody makes.
            context: texts that the model reads before the message: ``{name: value}``.
            key: a message with the same key is sent once, however often the cell runs.
            parent: the message before this one; None begins a new branch.
            deliver_at: when the server delivers it, with or without this kernel: a datetime (in
                local time if it has no zone), a text in ISO 8601, or a timedelta from now.
        """
        body = message_body(
            text,
            model=model,
            params=params,
            tools=tools,
            context=context,
            parent=parent,
            deliver_at=deliver_at,
            key=key,
            **unknown,
        )
        body = attach(body, attachments)
        return current().command(self._post(body, key))

    async def asend(
        self, text: str, *attachments: object, key: str | None = None, **options: Any
    ) -> Run:
        """Send a message; return the run that answers it. See ``send``."""
        body = await aattach(message_body(text, key=key, **options), attachments)
        return await current().acommand(self._post(body, key))

    async def _post(self, body: RequestBody, key: str | None) -> Run:
        link = current()
        # Without the caller's key, a random one: if the response is lost, the request is sent again
        # with the same key (L11).
        headers = {"Idempotency-Key": key or secrets.token_urlsafe(16)}
        path = f"threads/{path_of(self._thread_id)}/messages"
        answer = await link.request("POST", path, body, headers=headers)
        message, reply = answer["message"], answer["reply"]
        hold = await link.follow(self._thread_id, message["id"], reply["id"])
        run = Run(hold, answer["run"], reply, message)
        # The chat knows the run before the caller does, so an interrupt between the two loses
        # nothing. Observers are called when the caller waits, reads a trait or returns.
        self._remember_run(run)
        return run

    def ask(
        self,
        text: str,
        *attachments: object,
        key: str | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Message:
        """Send a message, show the answer while it streams, and return the whole answer.

        Interrupting the kernel cancels the run and keeps its text.

        Raises:
            RunFailed: the run did not complete; ``error.run.content`` has its text.
            TimeoutError: the run has not ended within ``timeout`` seconds. It continues.
        """
        refuse_unknown("chat.ask()", options, (*OPTIONS, "timeout"))
        body = attach(message_body(text, key=key, **options), attachments)
        sending = current().start(self._post(body, key))
        try:
            run = inbox.wait(sending)
            with LiveOutput(run) as output:
                try:
                    run.wait(timeout)
                except KeyboardInterrupt:
                    run.cancel()
                    raise
            return run._completed_reply(output.execution_id)
        except KeyboardInterrupt:
            # The run is cancelled wherever the interrupt came. A second cancellation is harmless.
            sending.add_done_callback(_cancel_sent)
            raise

    async def aask(
        self,
        text: str,
        *attachments: object,
        key: str | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Message:
        """Send a message, show the answer while it streams, and return it. See ``ask``.

        Cancelling the call cancels the run and keeps its text.
        """
        link = current()
        refuse_unknown("chat.aask()", options, (*OPTIONS, "timeout"))
        body = await aattach(message_body(text, key=key, **options), attachments)
        sending = link.start(self._post(body, key))
        try:
            run = await asyncio.shield(asyncio.wrap_future(sending))
            with LiveOutput(run) as output:
                await link.arun(run._until_ended(timeout))
            return run._completed_reply(output.execution_id)
        except asyncio.CancelledError:
            sending.add_done_callback(_cancel_sent)
            raise


def _cancel_sent(sending: Future[Run]) -> None:
    """Cancel the run of a message whose caller was interrupted, once the run is known."""
    if not sending.cancelled() and sending.exception() is None:
        current().start(sending.result()._cancel())
