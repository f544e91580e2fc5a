"""Recognizes answers that are not from the Messages API.

An answer is read only if its media type says that it is a stream of events. Any other answer ends
the run at once, because the same request would get the same answer. The error describes the answer
and names the settings to look at. A gateway's page with status 429 or 5xx is described as well, but
there the run tries again, because that failure may pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...shared.errors import NotTheProvider
from .. import foreign_answers
from .api_request import MessagesRequest

if TYPE_CHECKING:
    import httpx2


async def check(response: httpx2.Response, request: MessagesRequest) -> None:
    """Check the head of an answer before its body is read.

    Raises:
        NotTheProvider: the answer is no stream of events.
    """
    if foreign_answers.media_type(response) == foreign_answers.EVENT_STREAM:
        return
    body = await foreign_answers.beginning(response)
    raise not_the_provider(response, body, request)


def not_the_provider(
    response: httpx2.Response, body: str, request: MessagesRequest
) -> NotTheProvider:
    """Make the error for an answer that is not the API's."""
    description = foreign_answers.describe(response, body, request.prompt, request.key)
    return not_this_api(description, request, http_status=response.status_code)


def not_this_api(description: str, request: MessagesRequest, **facts: int) -> NotTheProvider:
    """Make the error for an answer that is not the API's.

    Args:
        description: the answer, as a sentence names it.
    """
    subject = "What answered is not the Claude API"
    if not request.is_claude:
        name = request.endpoint.name
        subject = f"What answered for the endpoint {name!r} is no server of the Messages API"
    return NotTheProvider(
        f"{subject}: {description}. Look at {request.setting} and at the proxies of the Jupyter "
        "server; one of them may ask for a sign-in.",
        **facts,
    )
