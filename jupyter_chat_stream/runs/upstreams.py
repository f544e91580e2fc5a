"""Stopping the upstream of a run that a person has cancelled: it would go on, and cost, alone."""

from __future__ import annotations

import asyncio
import logging

from ..providers.base import JoinsAgain
from ..providers.registry import Registry
from ..shared.errors import ChatStreamError
from ..shared.logs import Line
from ..store.front import ChatStore

log = logging.getLogger("jupyter_chat_stream.runs")

STOP_UPSTREAM_WITHIN_S = 10.0


async def stop_upstream(store: ChatStore, registry: Registry, run_id: str) -> None:
    """Stop the upstream of a run if the run was cancelled and its provider can be joined again.

    A failure is logged: the run has ended in any case.
    """
    try:
        place = await store.runs.cancelled_upstream(run_id)
        if place is None:
            return
        provider = registry.providers.get(place.endpoint)
        if provider is not None and isinstance(provider, JoinsAgain):
            await asyncio.wait_for(provider.stop_upstream(place.handle), STOP_UPSTREAM_WITHIN_S)
    except TimeoutError:
        log.warning(Line("upstream.not_stopped", run=run_id, code="timeout"))
    except ChatStreamError as error:
        log.warning(Line("upstream.not_stopped", run=run_id, code=error.code))
