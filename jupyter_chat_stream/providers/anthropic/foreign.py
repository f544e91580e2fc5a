"""Recognizes answers that are not from the Claude API: from a sign-in page, a proxy or the like.

An answer is read only if its media type says that it is a stream of events. Any other answer ends
the run at once, because the same request would get the same answer. The error describes the answer
and names the settings to look at. A gateway's page with status 429 or 5xx is described as well, but
there the run tries again, because that failure may pass.
"""

from __future__ import annotations

import asyncio
import html
import re
from typing import TYPE_CHECKING

from ...shared.errors import NotTheProvider
from ..base import Prompt
from .quoting import as_line, may_quote

if TYPE_CHECKING:
    import httpx2

EVENT_STREAM = "text/event-stream"
MAX_PAGE_BYTES = 64 * 1024  # a page's title is at its beginning
READ_TIMEOUT_S = 2.0
MAX_TITLE_CHARS = 80
MAX_NAME_CHARS = 100

_TITLE = re.compile(r"<title\b[^>]*>(.{0,1000}?)</title", re.IGNORECASE | re.DOTALL)
WHERE_TO_LOOK = (
    "Look at ANTHROPIC_BASE_URL and at the proxies of the Jupyter server; one of them may ask "
    "for a sign-in."
)


async def check(response: httpx2.Response, prompt: Prompt, key: str) -> None:
    """Check the head of an answer before its body is read.

    Raises:
        NotTheProvider: the answer is no stream of events.
    """
    if media_type(response) == EVENT_STREAM:
        return
    body = await beginning(response)
    raise not_the_provider(response, body, prompt, key)


def not_the_provider(
    response: httpx2.Response, body: str, prompt: Prompt, key: str
) -> NotTheProvider:
    """Make the error for an answer that is not the API's."""
    return NotTheProvider(
        f"What answered is not the Claude API: {describe(response, body, prompt, key)}. "
        f"{WHERE_TO_LOOK}",
        http_status=response.status_code,
    )


def describe(response: httpx2.Response, body: str, prompt: Prompt, key: str) -> str:
    """Describe an answer by its status, media type, title and host."""
    words = [f"status {response.status_code}", _kind(response, body)]
    title = _TITLE.search(body)
    line = as_line(html.unescape(title[1]), MAX_TITLE_CHARS) if title else ""
    if line and may_quote(line, prompt, key):
        words.append(f"titled '{line}'")
    host = as_line(response.url.netloc.decode("ascii", "replace"), MAX_NAME_CHARS)
    how = "redirected to" if response.history or response.has_redirect_location else "from"
    if response.has_redirect_location:
        host = _target(response) or host
    return f"{', '.join(words)}, {how} {host.rpartition('@')[2]}"


def media_type(response: httpx2.Response) -> str:
    """Return the media type of an answer, without its parameters; empty if there is none."""
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _kind(response: httpx2.Response, body: str) -> str:
    named = as_line(media_type(response), MAX_NAME_CHARS)
    if not body.strip():
        return f"{named}, empty" if named else "an empty answer"
    return named or "an answer without a media type"


def _target(response: httpx2.Response) -> str:
    found = re.match(r"https?://([^/?#]+)", response.headers.get("location", ""))
    # User and password are removed before the text is cut to its length; else they could stay.
    return as_line(found[1].rpartition("@")[2], MAX_NAME_CHARS) if found else ""


async def beginning(response: httpx2.Response) -> str:
    """Read the beginning of a page, for its title, for at most READ_TIMEOUT_S."""
    found = bytearray()

    async def read() -> None:
        async for piece in response.aiter_bytes():
            found.extend(piece)
            if len(found) >= MAX_PAGE_BYTES:
                return

    try:
        await asyncio.wait_for(read(), READ_TIMEOUT_S)
    except Exception:  # noqa: BLE001  the page is described without a title
        pass
    return found[:MAX_PAGE_BYTES].decode("utf-8", "replace")
