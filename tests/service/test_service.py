"""The service's life: what is opened is closed, and nothing slow holds up the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_chat_stream.engine.running import Running
from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.providers.slow_work import in_own_thread
from jupyter_chat_stream.service import SendRequest, Service
from jupyter_chat_stream.service import base as module
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.errors import RunNotFound, StoreError
from jupyter_chat_stream.store.front import NewSchedule
from jupyter_chat_stream.testing import ScriptedProvider
from tests.run_harness import PATIENCE_S

OWNER = "local"


def settings(folder: Path, **more: object) -> ChatStream:
    url = f"sqlite:///{folder / 'chat.db'}"
    given = {"database_url": url, "default_model": "scripted/model", "run_in_server": False}
    return ChatStream(**{**given, **more})


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    service = Service(settings(tmp_path), registry=Registry([ScriptedProvider()]))
    await service.start()
    yield service
    await service.stop()


def writers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "chat-stream-writer" and t.is_alive()]


class Stubborn(ScriptedProvider):
    """A provider of somebody else's that does not let itself be closed."""

    async def close(self) -> None:
        raise LookupError("no such session")


class Slow(ScriptedProvider):
    """A provider of somebody else's whose imports never end."""

    async def warm(self) -> None:
        await asyncio.Event().wait()


async def test_an_engine_that_does_not_start_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L10: an owner that executes nothing would live on, and hold runs for ever."""

    def refuse(running: Running) -> None:
        raise StoreError("refused by the test")

    monkeypatch.setattr(Running, "start", refuse)
    before = writers()
    registry = Registry([ScriptedProvider()])
    service = Service(settings(tmp_path, run_in_server=True), registry=registry)
    with pytest.raises(StoreError, match="refused"):
        await service.start()
    assert list((tmp_path / "owners").iterdir()) == []
    assert writers() == before


async def test_a_provider_that_cannot_be_closed_leaves_no_open_database(tmp_path: Path) -> None:
    before = writers()
    service = Service(settings(tmp_path), registry=Registry([Stubborn()]))
    await service.start()
    with pytest.raises(LookupError):
        await service.stop()
    assert writers() == before


async def test_a_provider_that_never_gets_warm_does_not_hold_up_the_end(tmp_path: Path) -> None:
    config = settings(tmp_path, run_in_server=True)
    service = Service(config, registry=Registry([Slow()]))
    await service.start()
    await asyncio.wait_for(service.stop(), PATIENCE_S)


async def test_a_command_that_meets_the_end_is_told_to_come_again(tmp_path: Path) -> None:
    """It is no mistake of the server's: 503."""
    service = Service(settings(tmp_path), registry=Registry([ScriptedProvider()]))
    await service.start()
    await service.stop()
    with pytest.raises(StoreError) as refused:
        await service.status()
    assert refused.value.status == 503


async def test_a_start_that_fails_leaves_no_open_database(tmp_path: Path) -> None:
    """It is tried again with the next requests: each would leave a thread and a connection."""
    before = writers()
    (tmp_path / "owners").write_text("no folder")
    config = settings(tmp_path, run_in_server=True)
    service = Service(config, registry=Registry([ScriptedProvider()]))
    with pytest.raises(StoreError):
        await service.start()
    assert writers() == before


async def test_leaving_a_slow_start_does_not_hold_up_the_loop() -> None:
    """A start that hangs must not keep the server from ending."""
    begun, let_go = threading.Event(), threading.Event()
    waited: list[bool] = []

    def slow() -> None:
        begun.set()
        waited.append(let_go.wait(2.0))

    opening = asyncio.ensure_future(in_own_thread(slow))
    await asyncio.get_running_loop().run_in_executor(None, begun.wait, PATIENCE_S)
    opening.cancel()
    await asyncio.wait({opening})
    assert waited == []
    let_go.set()


async def test_providers_are_loaded_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's provider may import what it likes."""
    loaded_in: list[int] = []

    def load(**_: object) -> Registry:
        loaded_in.append(threading.get_ident())
        return Registry([ScriptedProvider()])

    monkeypatch.setattr(module, "Registry", load)
    service = Service(settings(tmp_path))
    await service.start()
    await service.stop()
    assert loaded_in != [threading.get_ident()]


@pytest.mark.parametrize("again", ["retry", "continue_run"])
async def test_no_run_is_made_in_a_thread_that_was_deleted_meanwhile(
    service: Service, again: str
) -> None:
    """It would be answered, and paid for, where nobody can see it."""
    made, _ = await service.create_thread(OWNER)
    run_id = (await service.send(OWNER, made["id"], SendRequest(content="Why?")))["run"]["id"]
    await service.cancel(OWNER, run_id)
    write = service.store.core.write

    async def write_after_the_deletion(work: object, *places: int) -> object:
        service.store.core.write = write  # type: ignore[method-assign]
        await service.delete_thread(OWNER, made["id"])
        return await write(work, *places)  # type: ignore[arg-type]

    service.store.core.write = write_after_the_deletion  # type: ignore[assignment]
    with pytest.raises(RunNotFound):
        await getattr(service, again)(OWNER, run_id)
    assert sum((await service.status())["runs"].values()) == 1


async def test_a_command_returns_what_a_reader_reads_afterwards(service: Service) -> None:
    """L7: nothing is read back, so what a command returns must be equal to the rows."""
    made, _ = await service.create_thread(OWNER)
    thread = made["id"]
    at_ms = service.store.now_ms() + 3_600_000
    later = SendRequest(content="Why?", deliver_ms=at_ms, context=({"name": "a", "text": "b"},))
    for key, request in (("now", SendRequest(content="Why?")), ("later", later)):
        sent = await service.send(OWNER, thread, request, key=key)
        assert await service.send(OWNER, thread, request, key=key) == sent
        await service.cancel(OWNER, sent["run"]["id"])
        again = await service.retry(OWNER, sent["run"]["id"], key=f"{key} again")
        assert await service.retry(OWNER, sent["run"]["id"], key=f"{key} again") == again
        await service.cancel(OWNER, again["run"]["id"])
    new = NewSchedule(content="Why?", cron="0 9 * * *", params={"max_tokens": 5})
    schedule, _ = await service.create_schedule(OWNER, thread, new)
    assert await service.schedule(OWNER, schedule["id"]) == schedule
    changed = await service.change_schedule(OWNER, schedule["id"], {"params": None, "paused": True})
    assert await service.schedule(OWNER, schedule["id"]) == changed
    renamed = await service.change_thread(OWNER, thread, {"title": "Prices", "archived": True})
    assert (await service.thread(OWNER, thread)).items() <= renamed.items()
    assert (await service.list_threads(OWNER, archived=True))["threads"] == [renamed]
