"""Describes answers that are not from a model's API: from a sign-in page, a proxy or the like.

The error for such an answer tells its status, media type, title and host, so that somebody can find
the server that sent it. A title is quoted only if it holds neither the key nor the prompt.
"""

from __future__ import annotations

import asyncio
import html
import re
from typing import TYPE_CHECKING

from .base import Prompt
from .quoting import as_line, may_quote

if TYPE_CHECKING:
    import httpx2

EVENT_STREAM = "text/event-stream"
MAX_PAGE_BYTES = 64 * 1024  # a page's title is at its beginning
READ_TIMEOUT_S = 2.0
MAX_TITLE_CHARS = 80
MAX_NAME_CHARS = 100
_PASSING = (408, 429, 529)  # and 5xx: with these a gateway reports a failure that may pass
_LOGIN_STATUS = 511  # "network authentication required": a captive portal

_TITLE = re.compile(r"<title\b[^>]*>(.{0,1000}?)</title", re.IGNORECASE | re.DOTALL)


def is_foreign(status: int, page: str | None) -> bool:
    """Whether an HTTP error is not the API's, and the same request would get it again.

    Args:
        page: the body if it is no JSON.
    """
    if 300 <= status < 400 or status == _LOGIN_STATUS:
        return True
    return bool(page) and not (status in _PASSING or status >= 500)


def describe(response: httpx2.Response, body: str, prompt: Prompt, key: str) -> str:
    """Describe an answer by its status, media type, title and host."""
    words = [f"status {response.status_code}", _kind(response, body)]
    title = _TITLE.search(body)
    line = as_line(html.unescape(title[1]), MAX_TITLE_CHARS) if title else ""
    if line and may_quote(line, prompt, key):
        words.append(f"titled '{line}'")
    host = as_line(response.url.netloc.decode("ascii", "replace"), MAX_NAME_CHARS)
    preposition = "redirected to" if response.history or response.has_redirect_location else "from"
    if response.has_redirect_location:
        host = _target(response) or host
    return f"{', '.join(words)}, {preposition} {host.rpartition('@')[2]}"


def media_type(response: httpx2.Response) -> str:
    """Return the media type of an answer, without its parameters; empty if there is none."""
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _kind(response: httpx2.Response, body: str) -> str:
    type_name = as_line(media_type(response), MAX_NAME_CHARS)
    if not body.strip():
        return f"{type_name}, empty" if type_name else "an empty answer"
    return type_name or "an answer without a media type"


def _target(response: httpx2.Response) -> str:
    match = re.match(r"https?://([^/?#]+)", response.headers.get("location", ""))
    # User and password are removed before the text is cut to its length; else they could stay.
    return as_line(match[1].rpartition("@")[2], MAX_NAME_CHARS) if match else ""


async def beginning(response: httpx2.Response) -> str:
    """Read the beginning of a page, for its title, for at most READ_TIMEOUT_S."""
    body = bytearray()

    async def read() -> None:
        async for piece in response.aiter_bytes():
            body.extend(piece)
            if len(body) >= MAX_PAGE_BYTES:
                return

    try:
        await asyncio.wait_for(read(), READ_TIMEOUT_S)
    except Exception:  # noqa: BLE001  the page is described without a title
        pass
    return body[:MAX_PAGE_BYTES].decode("utf-8", "replace")
