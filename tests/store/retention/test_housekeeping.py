"""Housekeeping: in the background, one step at a time, and nobody who chats can tell (L2, L6)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from jupyter_chat_stream.following import delivery
from jupyter_chat_stream.shared.errors import StoreError
from jupyter_chat_stream.shared.events import canonical
from jupyter_chat_stream.shared.fold import Transcript
from jupyter_chat_stream.store.retention import cleanup, compaction
from jupyter_chat_stream.store.retention import housekeeping as housekeeping_module
from jupyter_chat_stream.store.retention.cleanup import LEASE_MS, PURGE_AFTER_MS, CleanupLease
from jupyter_chat_stream.store.retention.housekeeping import Housekeeping
from jupyter_chat_stream.store.retention.indexing import Indexer
from jupyter_chat_stream.store.retention.steps import Budget
from jupyter_chat_stream.store.store import Store
from tests.fixtures import MakeHarness
from tests.following.harness import Following, take, until_seq
from tests.run_harness import PATIENCE_S, RunHarness

LEAST = Budget(step_s=0.0)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping_module, "PAUSE_S", 0.0)
    monkeypatch.setattr(housekeeping_module, "PAUSE_TIMES", 0.0)
    monkeypatch.setattr(housekeeping_module, "QUIET_S", 0.0)


def keeping(harness: RunHarness) -> Housekeeping:
    return Housekeeping(harness.store, harness.config, budget=LEAST, rand=lambda: 0.5)


class Watched(Housekeeping):
    """Signals each look."""

    def __init__(self, harness: RunHarness) -> None:
        super().__init__(harness.store, harness.config, budget=LEAST, rand=lambda: 0.5)
        self._looked = asyncio.Event()

    async def look(self) -> bool:
        try:
            return await super().look()
        finally:
            self._looked.set()

    async def until(self, ready: Callable[[], bool]) -> None:
        async def wait() -> None:
            while not ready():
                self._looked.clear()
                await self._looked.wait()

        await asyncio.wait_for(wait(), PATIENCE_S)


async def begun(harness: RunHarness) -> Following:
    """A run that the test writes, and nobody who reads."""
    following = Following(harness, None)  # type: ignore[arg-type]
    following.thread = await harness.thread()
    await following.next_run()
    return following


async def answered(harness: RunHarness, text: str = "abc") -> None:
    """An answer, a delta for each letter, that ended before now."""
    following = await begun(harness)
    await following.say(*text)
    await following.end()
    harness.clock.advance(1)


async def deltas(harness: RunHarness) -> int:
    sql = "SELECT COUNT(*) FROM event WHERE type = 'delta'"
    return int(await harness.store.read(lambda conn: conn.exec_driver_sql(sql).scalar()))


async def test_a_thread_is_compacted_while_its_next_answer_streams_to_a_slow_reader(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L2, L6, L8: before every step some more is said; every reader ends with the whole state."""
    monkeypatch.setattr(compaction, "SLICE", 8)
    monkeypatch.setattr(compaction, "SLICES", 1)
    monkeypatch.setattr(delivery, "BUFFER_BYTES", 500)
    harness = await make_harness(keep_events_days=0.0)
    following = await Following.begun(harness)
    await following.say(*["old "] * 60)
    await following.end()
    harness.clock.advance(1)
    await following.next_run()
    middle, late = Transcript(), Transcript()
    for event in (await harness.events(following.thread))[:30]:
        middle.apply(event)  # in the midst of what is taken out
    readers = [(following.follow(30), middle), (following.follow(), late)]
    house = keeping(harness)
    write = harness.store.write
    said: list[str] = []

    async def write_beside(work, *threads):  # type: ignore[no-untyped-def]
        await following.say("new ", "newer ")
        said.extend(("new ", "newer "))
        reader, transcript = readers[len(said) // 2 % 2]  # now and then one of them reads
        take(await asyncio.wait_for(reader.next(), PATIENCE_S), transcript)
        return await write(work, *threads)

    monkeypatch.setattr(harness.store, "write", write_beside)
    assert await house.look()
    assert house.counts.compacted_deltas == 60
    assert house.counts.steps >= 8
    await following.end()
    head = (await harness.events(following.thread))[-1].seq
    readers.append((following.follow(), Transcript()))
    for reader, transcript in readers:
        await until_seq(reader, transcript, head)
        reader.close()
        assert transcript.messages[1]["content"] == "old " * 60
        assert transcript.messages[3]["content"] == "new newer " * (len(said) // 2)
    assert len({canonical(transcript.state()) for _, transcript in readers}) == 1
    await following.hub.stop()


async def test_a_reader_of_an_expired_thread_is_told_and_closed(make_harness: MakeHarness) -> None:
    """L3: retention deletes as a person would."""
    harness = await make_harness(retention_days=1.0)
    following = await Following.begun(harness)
    await following.end()
    reader, transcript = following.follow(), Transcript()
    harness.clock.advance(2 * PURGE_AFTER_MS)
    house = keeping(harness)
    assert await house.look()
    assert house.counts.expired_threads == 1
    while True:
        frame = await asyncio.wait_for(reader.next(), PATIENCE_S)
        if frame.op == "closed":
            break
        take(frame, transcript)
    assert transcript.thread["deleted"] is True
    harness.clock.advance(PURGE_AFTER_MS + 1)
    assert await house.look()
    assert house.counts.purged_threads == 1
    await following.hub.stop()


async def test_it_leaves_the_turn_to_who_has_it(make_harness: MakeHarness) -> None:
    harness = await make_harness(keep_events_days=0.0)
    await answered(harness)
    other, house = CleanupLease("other"), keeping(harness)
    await harness.store.write(other.take)
    assert not await house.look()
    assert await deltas(harness) == 3
    harness.clock.advance(LEASE_MS + 1)  # it died
    assert await house.look()
    assert await deltas(harness) == 0
    assert (house.rounds, house.counts.compacted_runs) == (1, 1)
    assert await harness.store.write(other.take)  # given back


async def test_who_was_overtaken_stops_without_a_word(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = await make_harness(keep_events_days=0.0)
    await answered(harness)
    other, house = CleanupLease("other"), keeping(harness)
    original = cleanup.CleanupLease.holding

    def holding(self, step, counts):  # type: ignore[no-untyped-def]
        def work(tx):  # type: ignore[no-untyped-def]
            tx.now_ms += LEASE_MS + 1
            other.take(tx)
            return original(self, step, counts)(tx)

        return work

    monkeypatch.setattr(cleanup.CleanupLease, "holding", holding)
    assert await house.look()
    assert await deltas(harness) == 3
    assert house.counts.damaged == 0


async def test_it_looks_again_and_again_and_ends_at_once(make_harness: MakeHarness) -> None:
    harness = await make_harness(keep_events_days=0.0, housekeeping_interval_s=0.01)
    house = Watched(harness)
    house.start()
    await answered(harness)
    await house.until(lambda: house.counts.compacted_deltas == 3)
    await answered(harness, "defg")
    await house.until(lambda: house.counts.compacted_deltas == 7)
    await asyncio.wait_for(house.stop(), PATIENCE_S)
    assert await harness.store.write(CleanupLease("other").take)


@pytest.mark.parametrize("turns", range(4))
async def test_it_ends_though_it_was_just_done(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    """Before Python 3.12 a wait that ends while it is cancelled swallows the cancellation."""
    harness = await make_harness(housekeeping_interval_s=3600.0)
    monkeypatch.setattr(housekeeping_module, "FIRST_S", 0.0)
    given_back, write = asyncio.Event(), harness.store.write

    async def write_and_tell(work, *threads):  # type: ignore[no-untyped-def]
        found = await write(work, *threads)
        if getattr(work, "__name__", "") == "give_back":
            given_back.set()
        return found

    monkeypatch.setattr(harness.store, "write", write_and_tell)
    house = keeping(harness)
    house.start()
    await given_back.wait()
    for _ in range(turns):
        await asyncio.sleep(0)
    await harness.bounded(house.stop())
    assert house.task is not None
    assert house.task.done()


async def test_it_can_be_ended_between_any_two_steps(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L2: the server stops; what is half done is done by the next."""
    monkeypatch.setattr(compaction, "SLICE", 2)
    monkeypatch.setattr(compaction, "SLICES", 1)
    harness = await make_harness(keep_events_days=0.0)
    await answered(harness, "abcdefghijkl")
    reached, original = asyncio.Event(), Housekeeping.until_quiet

    async def held(self: Housekeeping) -> None:
        if self.counts.steps == 2:
            reached.set()
            await asyncio.Event().wait()
        await original(self)

    monkeypatch.setattr(Housekeeping, "until_quiet", held)
    monkeypatch.setattr(housekeeping_module, "FIRST_S", 0.0)
    house = keeping(harness)
    house.start()
    await harness.bounded(reached.wait())
    await asyncio.wait_for(house.stop(), PATIENCE_S)
    assert await deltas(harness) == 8
    monkeypatch.setattr(Housekeeping, "until_quiet", original)
    assert await keeping(harness).look()
    assert await deltas(harness) == 0


async def test_a_store_that_fails_puts_it_off(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so, with a code and no text, and comes again."""
    harness = await make_harness(keep_events_days=0.0, housekeeping_interval_s=0.01)
    await answered(harness)
    read, failures = harness.store.read, []

    async def fail_once(work):  # type: ignore[no-untyped-def]
        if not failures:
            failures.append(1)
            raise StoreError("Not now.")
        return await read(work)

    monkeypatch.setattr(harness.store, "read", fail_once)
    house = Watched(harness)
    with caplog.at_level(logging.INFO, "jupyter_chat_stream"):
        house.start()
        await house.until(lambda: house.counts.compacted_deltas == 3)
        await house.stop()
    said = [record.getMessage() for record in caplog.records]
    assert "housekeeping.put_off code=store_error" in said
    assert any("housekeeping.done" in line and "compacted_deltas=3" in line for line in said)


async def test_a_mistake_inside_does_not_end_it_and_quotes_no_text(
    make_harness: MakeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """What an error says itself may be what somebody wrote."""
    harness = await make_harness(housekeeping_interval_s=0.01)
    looks = []
    has_looked_again = asyncio.Event()

    class Mistaken(Housekeeping):
        async def look(self) -> bool:
            looks.append(1)
            if len(looks) > 1:
                has_looked_again.set()
            raise KeyError("my secret plan")

    house = Mistaken(harness.store, harness.config, budget=LEAST, rand=lambda: 0.0)
    house.start()
    try:
        await harness.bounded(has_looked_again.wait())
    finally:
        await house.stop()
    assert "housekeeping.failed" in caplog.text
    assert "KeyError" in caplog.text
    assert "secret" not in caplog.text


async def test_what_is_damaged_is_named_once(
    make_harness: MakeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness = await make_harness(keep_events_days=0.0)
    await answered(harness)
    await harness.store.write(lambda tx: tx.execute("UPDATE message SET parts = '[]'"))
    harness.expected_damage = await _damage(harness)
    house = keeping(harness)
    with caplog.at_level(logging.WARNING, "jupyter_chat_stream"):
        for _ in range(3):
            assert await house.look()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert "retention.left run=" in said[0]
    assert "code=fold_error" in said[0]
    assert house.counts.damaged == 3


async def test_a_step_waits_until_the_writer_has_nothing_else_to_do(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live commit is not kept waiting behind it; but for ever it does not wait either."""
    monkeypatch.setattr(compaction, "SLICE", 2)
    harness = await make_harness(keep_events_days=0.0)
    await answered(harness)
    await Indexer(harness.store).catch_up()
    house, waited = keeping(harness), []
    queued = iter([3, 1, 0, *[9] * 1000])
    monkeypatch.setattr(Store, "queued", property(lambda self: waited.append(1) or next(queued)))
    assert await house.look()
    assert house.counts.compacted_deltas == 3
    assert house.counts.steps == 2
    assert len(waited) == 3 + housekeeping_module.QUIET_TRIES


async def _damage(harness: RunHarness) -> list[str]:
    from jupyter_chat_stream.store.audit import verify

    return await harness.store.read(lambda conn: [str(found) for found in verify(conn)])
