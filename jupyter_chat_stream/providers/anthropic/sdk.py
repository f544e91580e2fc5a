"""The official SDK of Anthropic: its clients and the headers of a request.

The SDK is imported on first use or by `warm`, in a thread of its own, because the import takes most
of a second. It never retries, follows no redirection, and sends the headers of its own environment
variable to the Claude API only. The requests go over aiohttp, which takes half the CPU per delta of
the SDK's default transport.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...shared.errors import ProviderError
from ..endpoints import Endpoint
from ..slow_work import in_own_thread

if TYPE_CHECKING:
    import anthropic

_ENV_CUSTOM_HEADERS = "ANTHROPIC_CUSTOM_HEADERS"


async def warm() -> None:
    """Import the SDK without blocking the event loop."""
    await in_own_thread(import_all)


async def connect(endpoint: Endpoint, key: str) -> anthropic.AsyncAnthropic:
    """Make a client, in a thread: it imports the SDK and reads certificates from disk."""
    return await in_own_thread(lambda: _make_client(endpoint, key))


def headers(endpoint: Endpoint, key_headers: Mapping[str, str]) -> dict[str, str | anthropic.Omit]:
    """Return the headers of a request to an endpoint, without those that are for the Claude API.

    Args:
        key_headers: the headers that hold the endpoint's key.
    """
    from anthropic import Omit

    lines = os.environ.get(_ENV_CUSTOM_HEADERS, "").split("\n")
    names = [line.partition(":")[0] for line in lines]
    if endpoint.is_anthropic:
        key_headers = {}  # the SDK knows in which header its version of the API wants the key
    else:
        names += ["X-Api-Key", "Authorization"]
    request_headers: dict[str, str | Omit] = {
        name.strip().lower(): Omit() for name in names if name.strip()
    }
    for group in (key_headers, endpoint.headers):
        request_headers |= {name.lower(): text for name, text in group.items()}
    return request_headers


def import_all() -> None:
    """Import what the first request would import."""
    try:
        import aiohttp  # noqa: F401  what DefaultAioHttpClient needs
        import anthropic
        import anthropic.resources.messages  # else imported by the first request
    except ImportError as error:
        raise ProviderError(
            f"The package 'anthropic' is missing or incomplete ({error}). Where JupyterLab is "
            "installed, run: pip install 'anthropic[aiohttp]>=2'"
        ) from error
    logger = logging.getLogger(anthropic.__name__)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)  # DEBUG logs whole prompts; ANTHROPIC_LOG can still set it


def _make_client(endpoint: Endpoint, key: str) -> anthropic.AsyncAnthropic:
    import_all()
    import anthropic

    from ..file_bodies import sdk_client

    return sdk_client(
        anthropic.AsyncAnthropic,
        anthropic.DefaultAioHttpClient,
        endpoint.root,
        key,
        is_local=endpoint.is_local,
    )
