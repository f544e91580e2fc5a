"""The attachments of a message on its way: converted, uploaded, and named in the request.

One attachment is converted and uploaded after the other, so only one is in memory. The conversion
runs in the caller's thread, the upload on the link's loop. Nothing of the message exists before all
are uploaded; if something fails before, the server deletes the uploads after a day.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence
from typing import Any

from ...shared.errors import WrongCall
from ...shared.json_objects import JsonObject
from ..link import Link, current
from ..rest import RequestBody
from .attachment import Attachment
from .content import Content
from .convert import MAX_BYTES
from .transfer import upload

MAX_PER_MESSAGE = 20  # as the server has it


def attach(body: RequestBody, values: Sequence[object]) -> RequestBody:
    """Upload what stands after a message's text; return the request with the attachments.

    Raises:
        WrongCall: something cannot be attached, or there are too many.
        InvalidInput: something is empty, or cannot be read or drawn.
        AttachmentTooLarge, AttachmentTypeRefused
    """
    if not values:
        return body
    outgoing, link = Outgoing(values), current()
    for transfer in outgoing.uploads(link, link.run(max_bytes(link))):
        link.run(transfer)
    return outgoing.with_attachments(body)


async def aattach(body: RequestBody, values: Sequence[object]) -> RequestBody:
    """Upload what stands after a message's text. See ``attach``."""
    if not values:
        return body
    outgoing, link = Outgoing(values), current()
    for transfer in outgoing.uploads(link, await link.arun(max_bytes(link))):
        await link.arun(transfer)
    return outgoing.with_attachments(body)


async def max_bytes(link: Link) -> int:
    """Ask the server how large an attachment may be."""
    status = await link.request("GET", "status")
    return int(status.get("max_attachment_bytes", MAX_BYTES))


class Outgoing:
    """The attachments of one message, by the ids that the server gave them."""

    def __init__(self, values: Sequence[object]) -> None:
        if len(values) > MAX_PER_MESSAGE:
            raise WrongCall(
                f"A message takes at most {MAX_PER_MESSAGE} attachments, not {len(values)}: send "
                "the others with a second message.",
                option="attachments",
            )
        self._values = values
        self._ids: list[str] = []
        self._texts: list[dict[str, str]] = []

    def uploads(self, link: Link, limit_bytes: int) -> Iterator[Coroutine[Any, Any, None]]:
        """Convert one thing after the other, and yield the upload of each."""
        for value in self._values:
            attachment = Attachment._from_value(value, limit_bytes)
            if attachment._content is None:
                self._add(str(attachment.id), attachment.name, attachment.summary)
            else:
                yield self._upload(link, attachment._content)

    async def _upload(self, link: Link, content: Content) -> None:
        record = await upload(link, content)
        self._add(record["id"], record["name"], content.summary)

    def _add(self, attachment_id: str, name: str, summary: str) -> None:
        if attachment_id in self._ids:
            return  # the server takes each once
        self._ids.append(attachment_id)
        if summary:
            self._texts.append({"name": name, "text": summary, "attachment_id": attachment_id})

    def with_attachments(self, body: RequestBody) -> RequestBody:
        """Return the request's body with the attachments, and the texts that a model reads."""
        new_body: JsonObject = {**body, "attachments": self._ids}
        if self._texts:
            new_body["context"] = [*body.get("context", ()), *self._texts]
        return new_body
