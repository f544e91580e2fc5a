"""Stops the upstream of a cancelled run, which would otherwise continue and cost money."""

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


class UpstreamStops:
    """The stops under way, each in its own task, so that nobody waits for a slow provider."""

    def __init__(self, store: ChatStore, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by the run's id
        self._has_ended = False

    def begin(self, run_id: str) -> None:
        """Begin to stop the upstream of a cancelled run; the caller need not wait."""
        if self._has_ended or run_id in self._tasks:
            return
        work = stop_upstream(self._store, self._registry, run_id)
        task = self._tasks[run_id] = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda _: self._tasks.pop(run_id))

    async def end(self, within_s: float) -> None:
        """Wait for the stops, give up slower ones, and begin no further stop."""
        self._has_ended = True
        tasks = dict(self._tasks)
        if not tasks:
            return
        await asyncio.wait(tasks.values(), timeout=within_s)
        for run_id, task in tasks.items():
            if task.cancel():
                log.warning(Line("upstream.not_stopped", run=run_id, code="timeout"))
        await asyncio.wait(tasks.values(), timeout=within_s)


async def stop_upstream(store: ChatStore, registry: Registry, run_id: str) -> None:
    """Stop the upstream of a run if the run was cancelled and the upstream can be joined.

    A failure is only logged, because the run has ended anyway.
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
    except Exception as error:  # noqa: BLE001  a bug of a provider costs nobody else a Stop
        log.error(Line("upstream.not_stopped", run=run_id, error=type(error).__name__))
