"""The engines that the contract holds for, each on its own kind of database.

``make_harness`` adds one process's store, provider and engine on the test's database.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.engine.local import LocalEngine
from jupyter_chat_stream.engine.procrastinate import QueueWorker
from jupyter_chat_stream.runs.services import RunServices
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.store.chat.due import Due
from tests.clock import Clock
from tests.fixtures import MakeHarness
from tests.run_harness import RunHarness, running_harness

DELAYS_S = (0.0, 0.05)


class HostileEngine(LocalEngine):
    """Loses a third of the calls, makes a third twice (then late), and delays the rest."""

    def __init__(self, services: RunServices, config: ChatStream) -> None:
        super().__init__(services, config)
        self.chance = random.Random(7)
        self.fates: list[str] = []

    def dispatch(self, run_id: str, attempt: int, due: Due | None = None) -> None:
        fate = self.chance.choice(("lost", "doubled", "delayed"))
        self.fates.append(fate)
        if fate == "doubled":
            super().dispatch(run_id, attempt, due)
        if fate != "lost":
            later = super().dispatch
            delay_s = self.chance.uniform(*DELAYS_S)
            asyncio.get_running_loop().call_later(delay_s, later, run_id, attempt)


ENGINES: dict[str, tuple[Callable[[RunServices, ChatStream], Any], str]] = {
    "local": (LocalEngine, "sqlite"),
    "local on Postgres": (LocalEngine, "postgres"),
    "procrastinate": (QueueWorker, "postgres"),
    "hostile": (HostileEngine, "sqlite"),
}


@pytest.fixture(params=ENGINES)
async def make_harness(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[MakeHarness]:
    """Make harnesses with engines of one kind on one database; at the end it must verify."""
    make_engine, backend = ENGINES[request.param]
    url = request.getfixturevalue("prepared_postgres_url") if backend == "postgres" else None
    clock = Clock()
    usual = {"clock": clock, "make_engine": make_engine, "url": url}
    if make_engine is not LocalEngine:
        usual["sweep_interval_s"] = 0.05  # a call that is lost is made again by the next look
    async with AsyncExitStack() as stack:

        async def make(*scripts: Any, **settings: Any) -> RunHarness:
            made = running_harness(tmp_path, *scripts, **{**usual, **settings})
            return await stack.enter_async_context(made)

        yield make
