"""The bytes of attachments on their way: uploads before a message, and downloads.

An upload can be repeated: the server keeps equal bytes once, and deletes what no message holds.
"""

from __future__ import annotations

from urllib.parse import quote

from ...shared.records import AttachmentRecord
from .. import rest
from ..link import RETRY_FOR_S, Link, path_of
from .content import Content

SLOWEST_BYTES_PER_S = 100_000  # a slower upload or download is given up


def seconds_for(size: int) -> float:
    """Return how long a request with so many bytes may take."""
    return rest.TIMEOUT_S + size / SLOWEST_BYTES_PER_S


async def upload(
    link: Link, content: Content, *, patience_s: float = RETRY_FOR_S
) -> AttachmentRecord:
    """Send the bytes of an attachment to the server.

    Args:
        patience_s: how long to repeat the request while the server does not respond.
    """
    name = quote(content.name, safe="")
    headers = {
        "Content-Type": content.type,
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
    }
    timeout_s = seconds_for(len(content.data))
    record: AttachmentRecord = await link.retry(
        lambda connection: rest.upload(
            connection, "attachments", content.data, headers, timeout_s=timeout_s
        ),
        patience_s=patience_s,
    )
    return record


async def download(link: Link, attachment_id: str) -> bytes:
    """Fetch the bytes of an attachment."""
    path = f"attachments/{path_of(attachment_id)}"
    return await link.retry(
        lambda connection: rest.download(connection, path, timeout_s=seconds_for(rest.MAX_BYTES))
    )
