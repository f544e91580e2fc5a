"""Ask the played API one question, as a run."""

from __future__ import annotations

from typing import Any

from jupyter_chat_stream.store.log.transaction import RunRef, ThreadRef
from tests.cases.api import MODEL, PlayedApi, case
from tests.rig import Rig


async def ask(
    rig: Rig, said: str = "Why?", thread: ThreadRef | None = None, **params: Any
) -> tuple[RunRef, dict[str, Any]]:
    """Ask one question, and give its run and the reply it ended with."""
    thread = thread or await rig.thread()
    run = await rig.send(thread, said, model=f"anthropic/{MODEL}", params=params)
    await rig.execute()
    return run, await rig.reply(run)


async def ask_case(rig: Rig, api: PlayedApi, name: str) -> tuple[RunRef, dict[str, Any]]:
    api.play(case(name))
    return await ask(rig)
