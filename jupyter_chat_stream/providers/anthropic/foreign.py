"""Recognizes answers that are not from the Claude API.

An answer is read only if its media type says that it is a stream of events. Any other answer ends
the run at once, because the same request would get the same answer. The error describes the answer
and names the settings to look at. A gateway's page with status 429 or 5xx is described as well, but
there the run tries again, because that failure may pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...shared.errors import NotTheProvider
from .. import foreign_answers
from ..base import Prompt

if TYPE_CHECKING:
    import httpx2

WHERE_TO_LOOK = (
    "Look at ANTHROPIC_BASE_URL and at the proxies of the Jupyter server; one of them may ask "
    "for a sign-in."
)


async def check(response: httpx2.Response, prompt: Prompt, key: str) -> None:
    """Check the head of an answer before its body is read.

    Raises:
        NotTheProvider: the answer is no stream of events.
    """
    if foreign_answers.media_type(response) == foreign_answers.EVENT_STREAM:
        return
    body = await foreign_answers.beginning(response)
    raise not_the_provider(response, body, prompt, key)


def not_the_provider(
    response: httpx2.Response, body: str, prompt: Prompt, key: str
) -> NotTheProvider:
    """Make the error for an answer that is not the API's."""
    what = foreign_answers.describe(response, body, prompt, key)
    return NotTheProvider(
        f"What answered is not the Claude API: {what}. {WHERE_TO_LOOK}",
        http_status=response.status_code,
    )
