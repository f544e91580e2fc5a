"""After every single commit, what is on disk could be taken up by somebody else (L10)."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.service import Service
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.errors import Overloaded
from jupyter_chat_stream.store.chat.commands import SendRequest
from jupyter_chat_stream.store.log.operations import Committed
from jupyter_chat_stream.testing import ScriptedProvider, answering

OWNER = "local"
# What has no owner is due, or will be: it must not look as if somebody worked on it.
LEFT_ALONE = (
    "SELECT id, status FROM run WHERE ended_ms IS NULL AND owner IS NULL AND "
    "(status = 'processing' OR (status = 'waiting' AND wake_ms IS NULL))"
)


async def commits_of(service: Service, send: SendRequest) -> list[Any]:
    """Answer one message; give what each commit on the way left alone."""
    found: list[Any] = []
    path = service.store.path
    assert path is not None
    deliver = service.store.core.writer.deliver

    def look_and_deliver(committed: Committed) -> None:
        # on the writer's thread, after this commit and before the next
        conn = sqlite3.connect(path)
        found.append(conn.execute(LEFT_ALONE).fetchall())
        conn.close()
        deliver(committed)

    service.store.core.writer.deliver = look_and_deliver
    thread, _ = await service.create_thread(OWNER, model="scripted/model")
    sent = await service.send(OWNER, thread["id"], send)
    reply = await service.wait_ended(OWNER, sent["run"]["id"], 20)
    assert reply["status"] == "completed"
    return found


@pytest.mark.parametrize(
    "script",
    [("one ", "two"), ("one ", Overloaded("a moment", retry_after_s=0.0))],
    ids=["a whole answer", "an answer that fails on the way"],
)
async def test_no_commit_leaves_a_run_to_nobody(tmp_path: Path, script: Any) -> None:
    """L10: who works on a run holds it until its end, else a second answer could be begun."""
    provider = ScriptedProvider(script, default=answering("one two three"))
    config = ChatStream(database_url=f"sqlite:///{tmp_path / 'chat.db'}")
    service = Service(config, registry=Registry([provider]))
    await service.start()
    try:
        found = await commits_of(service, SendRequest(content="Count"))
    finally:
        await service.stop()
    assert len(found) > 3
    assert [left for left in found if left] == []
