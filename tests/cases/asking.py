"""Ask the played API one question, as a run."""

from __future__ import annotations

from typing import Any

from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef
from tests.cases.api import MODEL, PlayedApi, case
from tests.run_harness import RunHarness


async def ask(
    harness: RunHarness, said: str = "Why?", thread: ThreadRef | None = None, **params: Any
) -> tuple[RunRef, dict[str, Any]]:
    """Ask one question, and give its run and the reply it ended with."""
    thread = thread or await harness.thread()
    run = await harness.send(thread, said, model=f"anthropic/{MODEL}", params=params)
    await harness.execute()
    return run, await harness.reply(run)


async def ask_case(harness: RunHarness, api: PlayedApi, name: str) -> tuple[RunRef, dict[str, Any]]:
    api.play(case(name))
    return await ask(harness)
