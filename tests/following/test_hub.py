"""The hub: what other processes commit is found, and how its readers do (L8, L9)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from jupyter_chat_stream.following import delivery
from jupyter_chat_stream.following.hub import HubStats
from jupyter_chat_stream.shared.errors import DatabaseUnreachable, StoreError
from jupyter_chat_stream.shared.events import (
    canonical,
)
from jupyter_chat_stream.shared.fold import Transcript
from tests.fixtures import MakeHarness
from tests.following.harness import Following, a_silent_store, until_live, until_seq
from tests.run_harness import PATIENCE_S


async def test_what_another_process_commits_is_found(make_harness: MakeHarness) -> None:
    """L6, L9: another store on the same file tells this hub nothing; the poll finds it."""
    harness = await make_harness()
    following = await Following.begun(harness, poll_interval_s=0.005)
    other = a_silent_store(harness)
    reader, transcript = following.follow(), Transcript()
    try:
        await until_live(reader, transcript)
        await following.say("elsewhere", store=other)
        await until_seq(reader, transcript, 5)
        await following.say("here")
        await following.say("elsewhere", store=other)
        await until_seq(reader, transcript, 7)
        assert canonical(transcript.state()) == await following.whole()
    finally:
        reader.close()
        await following.hub.stop()
        await asyncio.get_running_loop().run_in_executor(None, other.close)


async def test_a_look_that_fails_is_made_again(make_harness: MakeHarness) -> None:
    """L9: the database says once that something changed, and must not be asked in vain."""
    harness = await make_harness()
    following = await Following.begun(harness, poll_interval_s=0.005)
    other = a_silent_store(harness)
    reader, transcript = following.follow(), Transcript()
    try:
        await until_live(reader, transcript)
        events = following.harness.chat_store.events
        original = events.heads
        failures: list[int] = []
        passing = [StoreError("Not now."), DatabaseUnreachable("Away."), LookupError("a bug")]

        async def heads(threads: Any) -> Any:
            if len(failures) < len(passing):
                failures.append(1)
                raise passing[len(failures) - 1]
            return await original(threads)

        events.heads = heads  # type: ignore[method-assign]
        await following.say("elsewhere", store=other)
        await until_seq(reader, transcript, 5)
        assert len(failures) == 3
    finally:
        reader.close()
        await following.hub.stop()
        await asyncio.get_running_loop().run_in_executor(None, other.close)


async def test_each_reader_is_told_of_others_commits_by_itself(make_harness: MakeHarness) -> None:
    """L9: that a neighbour has read on already tells this reader nothing."""
    harness = await make_harness()
    following = await Following.begun(harness, poll_interval_s=0.005)
    other = a_silent_store(harness)
    first, second = following.follow(), following.follow()
    states = Transcript(), Transcript()
    try:
        await until_live(first, states[0])
        await until_live(second, states[1])
        await following.say("elsewhere", store=other)
        first.fall_behind()
        await until_seq(first, states[0], 5)
        await until_seq(second, states[1], 5)
    finally:
        await following.hub.stop()
        await asyncio.get_running_loop().run_in_executor(None, other.close)


async def test_the_hub_says_how_its_readers_do(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L8: how many, how far behind, and how often one was too slow for its buffer."""
    assert following.hub.stats() == HubStats(readers=0, lag_events=0, lag_bytes=0, falls_behind=0)
    quick, slow = following.follow(), following.follow()
    for reader in (quick, slow):
        await until_live(reader, Transcript())
    await following.say("a", "b")
    await asyncio.wait_for(quick.next(), PATIENCE_S)
    stats = following.hub.stats()
    assert (stats.readers, stats.lag_events, stats.falls_behind) == (2, 2, 0)
    assert stats.lag_bytes == slow.delivery.buffered_bytes > 100
    monkeypatch.setattr(delivery, "BUFFER_BYTES", stats.lag_bytes)
    await following.say("c")
    assert following.hub.stats().falls_behind == 1
    await asyncio.wait_for(slow.next(), PATIENCE_S)
    await asyncio.wait_for(quick.next(), PATIENCE_S)
    assert (following.hub.stats().lag_events, following.hub.stats().lag_bytes) == (0, 0)
