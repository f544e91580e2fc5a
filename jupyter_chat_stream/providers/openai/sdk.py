"""The official SDK of OpenAI: the extra ``[openai]``, its clients and the headers of a request.

The SDK is imported on first use or by `warm`, in a thread of its own. It never retries, follows no
redirection, and sends what its own environment variables hold to OpenAI's address only.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

from ...shared.errors import ProviderError
from ..endpoints import Endpoint
from ..slow_work import in_own_thread

if TYPE_CHECKING:
    import openai

Headers = dict[str, "str | openai.Omit"]
INSTALL = "pip install 'jupyter-chat-stream[openai]'"
# The SDK would send the values of these variables to every address; they are meant for OpenAI's.
_ORGANIZATION_HEADERS = ("OpenAI-Organization", "OpenAI-Project")
_ENV_CUSTOM_HEADERS = "OPENAI_CUSTOM_HEADERS"


def is_installed() -> bool:
    """Return whether the extra is there, without importing it."""
    return importlib.util.find_spec("openai") is not None


def not_installed(endpoint: Endpoint) -> ProviderError:
    return ProviderError(
        f"The endpoint {endpoint.name!r} needs the package 'openai'. Where JupyterLab runs (and "
        f"where workers run): {INSTALL}"
    )


async def warm() -> None:
    """Import the SDK without blocking the event loop."""
    await in_own_thread(_import)


async def connect(endpoint: Endpoint, key: str) -> openai.AsyncOpenAI:
    """Make a client, in a thread: it imports the SDK and reads certificates from disk."""
    return await in_own_thread(lambda: _make_client(endpoint, key))


def without_environment(endpoint: Endpoint, *, has_key: bool) -> Headers:
    """Return headers that leave out what the environment holds for OpenAI."""
    from openai import Omit

    names: list[str] = [] if has_key else ["Authorization"]
    if not endpoint.is_openai:
        lines = os.environ.get(_ENV_CUSTOM_HEADERS, "").split("\n")
        names += [line.partition(":")[0].strip() for line in lines if ":" in line]
        names += _ORGANIZATION_HEADERS
    return {name: Omit() for name in names}


def _import() -> None:
    try:
        import aiohttp  # noqa: F401  what DefaultAioHttpClient needs
        import openai.resources.chat.completions
        import openai.resources.responses  # noqa: F401  else imported by the first request
    except ImportError as error:
        raise ProviderError(f"The package 'openai' is not whole ({error}): {INSTALL}") from error


def _make_client(endpoint: Endpoint, key: str) -> openai.AsyncOpenAI:
    _import()
    import openai

    from ..file_bodies import sdk_client

    return sdk_client(
        openai.AsyncOpenAI,
        openai.DefaultAioHttpClient,
        endpoint.base_url,
        key,
        is_local=endpoint.is_local,
    )
