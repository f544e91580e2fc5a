"""What answers in the API's place: a sign-in page, a proxy, a server of another kind.

A stream is read only where the answer says that it is one. Anything else ends the run at once,
with a sentence that names what answered and says at what to look: the same request would meet the
same page. The page of a gateway that fails (429, 5xx) is named, too, but its failure may pass: the
run tries again, as after any other.
"""

from __future__ import annotations

import asyncio
import html
import re
from typing import Any

from ...shared.errors import NotTheProvider
from ..base import Prompt
from .quoting import as_line, may_quote

EVENT_STREAM = "text/event-stream"
MAX_PAGE_BYTES = 64 * 1024  # a title stands at the beginning
READ_TIMEOUT_S = 2.0
MAX_TITLE_CHARS = 80
MAX_NAME_CHARS = 100

_TITLE = re.compile(r"<title\b[^>]*>(.{0,1000}?)</title", re.IGNORECASE | re.DOTALL)
WHERE_TO_LOOK = (
    "Look at ANTHROPIC_BASE_URL and at the proxies of the Jupyter server; one of them may want "
    "somebody to sign in."
)


async def check(response: Any, prompt: Prompt, key: str) -> None:
    """Look at what answers before it is read.

    Raises:
        NotTheProvider: it is no stream of events.
    """
    if media_type(response) == EVENT_STREAM:
        return
    body = await _beginning(response)
    raise not_the_provider(response, body, prompt, key)


def not_the_provider(response: Any, body: str, prompt: Prompt, key: str) -> NotTheProvider:
    """Return the error for an answer that is not the API's."""
    return NotTheProvider(
        f"What answered is not the Claude API: {describe(response, body, prompt, key)}. "
        f"{WHERE_TO_LOOK}",
        http_status=response.status_code,
    )


def describe(response: Any, body: str, prompt: Prompt, key: str) -> str:
    """Name what answered: status, kind, title, and the host it came from."""
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


def media_type(response: Any) -> str:
    """Return the media type of an answer, without its parameters; empty where it names none."""
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _kind(response: Any, body: str) -> str:
    named = as_line(media_type(response), MAX_NAME_CHARS)
    if not body.strip():
        return f"{named}, empty" if named else "an empty answer"
    return named or "an answer that does not say of what kind it is"


def _target(response: Any) -> str:
    found = re.match(r"https?://([^/?#]+)", response.headers.get("location", ""))
    # Without its user and password before it is cut: a cut one would show them.
    return as_line(found[1].rpartition("@")[2], MAX_NAME_CHARS) if found else ""


async def _beginning(response: Any) -> str:
    """Read the beginning of a page, for its title; what cannot be read in time is left."""
    found = bytearray()

    async def read() -> None:
        async for piece in response.aiter_bytes():
            found.extend(piece)
            if len(found) >= MAX_PAGE_BYTES:
                return

    try:
        await asyncio.wait_for(read(), READ_TIMEOUT_S)
    except Exception:  # noqa: BLE001  the page is named without its title
        return found[:MAX_PAGE_BYTES].decode("utf-8", "replace")
    return found[:MAX_PAGE_BYTES].decode("utf-8", "replace")
