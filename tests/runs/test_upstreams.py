"""Answers that can be joined again: after a crash the upstream's answer, with no seam (L15)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jupyter_chat_stream.providers.base import (
    Chunk,
    EndChunk,
    Prompt,
    ProviderDataChunk,
    ReasoningBlock,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    ToolInputChunk,
    UpstreamChunk,
)
from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.runs.execute import Execution
from jupyter_chat_stream.runs.retries import UPSTREAM_LOST_NOTE
from jupyter_chat_stream.service import Service
from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.errors import ProviderDown, StreamCut, UpstreamLost
from jupyter_chat_stream.shared.events import Event
from jupyter_chat_stream.store.chat.commands import SendRequest
from jupyter_chat_stream.store.chat.runs import make_successor
from jupyter_chat_stream.store.log.transaction import RunRef, Transaction
from jupyter_chat_stream.testing import ScriptedProvider
from tests.fixtures import MakeHarness
from tests.run_harness import RunHarness

END = EndChunk(stop_reason="end_turn", model="model", usage={"output_tokens": 7})
SIGNED = {"type": "thinking", "thinking": "hm", "signature": "signature-of-mine"}


def text(piece: str) -> TextChunk:
    return TextChunk(text=piece)


# Each entry is what the upstream sends between two cursors.
ANSWER: Sequence[Sequence[Chunk]] = (
    (ReasoningChunk(text="h"),),
    (ReasoningChunk(text="m"), ProviderDataChunk(data=SIGNED)),
    (text("One "),),
    (text("two "), text("\ud83e")),  # the cursor lies within a pair
    (text("\uddee three "),),
    (
        ToolInputChunk(tool_call_id="c1", name="look", text='{"a"'),
        ToolInputChunk(tool_call_id="c1", name="look", text=": 1}"),
        ToolCallChunk(tool_call_id="c1", name="look", input={"a": 1}),
    ),
    (text("four "),),
    (text("five."),),
)
WHOLE = "One two \U0001f9ee three \n\nfour five."


class Upstreams(ScriptedProvider):
    """A provider whose answers run by themselves, in memory.

    Attributes:
        begun: how many upstreams were begun.
        joined: the cursors at which one was joined again.
        stopped: the handles of upstreams that were stopped.
        failures: raised, in turn, by the next streams after some entries.
    """

    def __init__(self, answer: Sequence[Sequence[Chunk]] = ANSWER) -> None:
        super().__init__()
        self.answer = answer
        self.begun = 0
        self.joined: list[int] = []
        self.stopped: list[Mapping[str, Any]] = []
        self.failures: list[tuple[int, Exception]] = []
        self.held_after: int | None = None
        self.stops: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self.stop_fails: Exception | None = None
        self.stop_hangs = False

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        self.prompts.append(prompt)
        if prompt.upstream is None:
            self.begun += 1
            handle: Mapping[str, Any] = {"number": self.begun}
            cursor = 0
            yield UpstreamChunk(handle=handle, cursor=0)
        else:
            handle, cursor = prompt.upstream.handle, prompt.upstream.cursor
            self.joined.append(cursor)
        failing = self.failures.pop(0) if self.failures else None
        for number, chunks in enumerate(self.answer[cursor:], cursor + 1):
            if failing is not None and number > failing[0]:
                raise failing[1]
            if number == self.held_after:
                await asyncio.get_running_loop().create_future()
            for chunk in chunks:
                yield chunk
            yield UpstreamChunk(handle=handle, cursor=number)
            await asyncio.sleep(0)
        yield END

    async def stop_upstream(self, handle: Mapping[str, Any]) -> None:
        self.stopped.append(handle)
        self.stops.put_nowait(handle)
        if self.stop_fails is not None:
            raise self.stop_fails
        if self.stop_hangs:
            await asyncio.get_running_loop().create_future()


async def crash(harness: RunHarness, commits: int) -> None:
    """Execute the due run in a process that dies after some commits."""
    claimed = await harness.claim("a process that dies")
    task = asyncio.ensure_future(Execution(harness.services, claimed).run())
    seen = 0

    def count(events: Sequence[Event]) -> None:
        nonlocal seen
        seen += any(event.run_id == claimed.run.id for event in events)
        if seen >= commits:
            task.cancel()

    harness.store.listen(count)
    await harness.bounded(asyncio.wait([task]))


@pytest.mark.parametrize("commits", range(1, 8))
async def test_a_crash_after_any_commit_leaves_no_seam_l15(
    make_harness: MakeHarness, commits: int
) -> None:
    """L15: one upstream, its whole text once, whatever was committed when the process died."""
    provider = Upstreams()
    harness = await make_harness(provider=provider, max_crashes=100)
    run = await harness.send(await harness.thread())
    while (await harness.run(run))["ended_at"] is None:
        await crash(harness, commits)
        assert len(provider.prompts) < 40, "every attempt comes further"
    reply = await harness.reply(run)
    assert (reply["status"], reply["content"]) == ("completed", WHOLE)
    assert provider.begun == 1
    kinds = [part["kind"] for part in reply["parts"]]
    assert kinds.count("tool_call") == 1
    assert "".join(part["text"] for part in reply["parts"] if part["kind"] == "reasoning") == "hm"
    assert reply["usage"] == {"output_tokens": 7}


async def test_a_cut_stream_is_joined_and_not_asked_again_l15(
    make_harness: MakeHarness, no_backoff: None
) -> None:
    provider = Upstreams()
    provider.failures = [(3, StreamCut("cut")), (4, ProviderDown("away")), (5, StreamCut("cut"))]
    harness = await make_harness(provider=provider)
    run = await harness.send(await harness.thread())
    await harness.execute()
    assert (await harness.reply(run))["content"] == WHOLE
    assert provider.begun == 1
    # The cursor within the pair was never committed.
    assert provider.joined == [3, 3, 5]


async def test_each_join_that_comes_further_has_all_retries_again_l15(
    make_harness: MakeHarness, no_backoff: None
) -> None:
    """A long answer over a bad network is cut often; each attempt brings more of it."""
    provider = Upstreams()
    provider.failures = [(number, StreamCut("cut")) for number in (2, 3, 5, 6, 7)]
    harness = await make_harness(provider=provider, max_retries=1)
    run = await harness.send(await harness.thread())
    await harness.execute()
    reply = await harness.reply(run)
    assert (reply["status"], reply["content"], provider.begun) == ("completed", WHOLE, 1)


async def test_joins_that_bring_nothing_use_up_the_retries(
    make_harness: MakeHarness, no_backoff: None
) -> None:
    provider = Upstreams()
    provider.failures = [(3, StreamCut("cut"))] * 9
    harness = await make_harness(provider=provider, max_retries=2)
    run = await harness.send(await harness.thread())
    await harness.execute()
    assert (await harness.run(run))["status"] == "failed"
    assert provider.joined == [3, 3]


@pytest.mark.parametrize("on_crash", ["restart", "interrupt"])
async def test_an_upstream_that_goes_on_is_no_broken_answer_l15(
    make_harness: MakeHarness, no_backoff: None, on_crash: str
) -> None:
    """``on_crash`` is for answers that break off."""
    provider = Upstreams()
    provider.failures = [(4, StreamCut("cut"))]
    harness = await make_harness(provider=provider, on_crash=on_crash, max_crashes=100)
    run = await harness.send(await harness.thread())
    await crash(harness, 3)
    await harness.execute()
    reply = await harness.reply(run)
    assert (reply["status"], reply["content"], provider.begun) == ("completed", WHOLE, 1)


@pytest.mark.parametrize(("idle_s", "cursor"), [(3600.0, 1), (0.0, 4)])
async def test_places_without_text_are_signs_of_life_and_seldom_committed(
    make_harness: MakeHarness, monkeypatch: pytest.MonkeyPatch, idle_s: float, cursor: int
) -> None:
    monkeypatch.setattr("jupyter_chat_stream.runs.reading.IDLE_PLACE_S", idle_s)
    harness = await make_harness(provider=Upstreams(answer=((text("x"),), (), (), ())))
    run = await harness.send(await harness.thread())
    await harness.execute()
    assert (await harness.reply(run))["content"] == "x"
    assert json.loads(await harness.column(run, "upstream"))["cursor"] == cursor


async def test_an_upstream_that_is_lost_is_told_and_continued_from_the_text(
    make_harness: MakeHarness, no_backoff: None
) -> None:
    provider = Upstreams()
    provider.failures = [(3, StreamCut("cut")), (3, UpstreamLost("gone"))]
    harness = await make_harness(provider=provider)
    run = await harness.send(await harness.thread())
    await harness.execute()
    reply = await harness.reply(run)
    assert {"kind": "note", "text": UPSTREAM_LOST_NOTE} in reply["parts"]
    assert reply["status"] == "completed"
    second = provider.prompts[-1]
    assert (second.upstream, second.partial, provider.begun) == (None, "One ", 2)
    assert reply["content"] == "One " + WHOLE


async def test_a_lost_upstream_of_an_answer_without_text_needs_no_note(
    make_harness: MakeHarness, no_backoff: None
) -> None:
    provider = Upstreams(answer=((text("x"),),))
    provider.failures = [(0, StreamCut("cut")), (0, UpstreamLost("gone"))]
    harness = await make_harness(provider=provider)
    run = await harness.send(await harness.thread())
    await harness.execute()
    assert [part["kind"] for part in (await harness.reply(run))["parts"]] == ["text"]
    assert provider.begun == 2


async def test_blocks_go_back_unchanged_to_the_model_that_sent_them(
    make_harness: MakeHarness,
) -> None:
    """They are no part of any event, and no other model gets them."""
    provider = Upstreams()
    harness = await make_harness(provider=provider)
    thread = await harness.thread()
    await harness.send(thread)
    await harness.execute()
    await harness.send(thread, "And then?")
    await harness.execute()
    turn = provider.prompts[-1].turns[1]
    assert turn.blocks[0] == ReasoningBlock(data=SIGNED)
    assert turn.text == WHOLE
    await harness.send(thread, "And you?", model="scripted/other")
    await harness.execute()
    turns = provider.prompts[-1].turns
    assert not [b for turn in turns for b in turn.blocks if isinstance(b, ReasoningBlock)]
    assert "signature-of-mine" not in str(await harness.events(thread))


async def succeed(harness: RunHarness, run: RunRef, *, keep_parts: bool) -> RunRef:
    """Continue or retry an ended run, and execute that."""

    def make(tx: Transaction) -> RunRef:
        return make_successor(tx, run, keep_parts=keep_parts).ref

    made: RunRef = await harness.store.write(make, run.thread.pk)
    await harness.execute()
    return made


async def test_continue_joins_the_upstream_of_an_answer_that_failed_l15(
    make_harness: MakeHarness,
) -> None:
    """It is not paid twice, and a later prompt holds its blocks."""
    provider = Upstreams()
    provider.failures = [(4, StreamCut("cut"))]
    harness = await make_harness(provider=provider, max_retries=0)
    run = await harness.send(await harness.thread())
    await harness.execute()
    assert (await harness.run(run))["status"] == "failed"
    made = await succeed(harness, run, keep_parts=True)
    reply = await harness.reply(made)
    assert (reply["status"], reply["content"], provider.begun) == ("completed", WHOLE, 1)
    await harness.send(run.thread, "And then?", parent_id=reply["id"])
    await harness.execute()
    assert provider.prompts[-1].turns[1].blocks[0] == ReasoningBlock(data=SIGNED)


@pytest.mark.parametrize("end", ["failed", "cancelled", "completed"])
async def test_no_other_successor_joins_the_upstream(make_harness: MakeHarness, end: str) -> None:
    """A retry begins anew; what was stopped or is whole does not go on."""
    provider = Upstreams()
    harness = await make_harness(provider=provider, max_retries=0)
    run = await harness.send(await harness.thread())
    if end == "failed":
        provider.failures = [(4, StreamCut("cut"))]
    if end == "cancelled":
        provider.held_after = 4
        task = asyncio.ensure_future(Execution(harness.services, await harness.claim()).run())
        await harness.until(partial(has_content, harness, run))
        await harness.cancel(run)
        task.cancel()
        await asyncio.wait([task])
        provider.held_after = None
    else:
        await harness.execute()
    assert (await harness.run(run))["status"] == end
    await succeed(harness, run, keep_parts=end != "failed")
    assert (provider.joined, provider.begun) == ([], 2)


async def test_stop_stops_the_upstream_too(tmp_path: Path) -> None:
    provider = Upstreams()
    provider.held_after = 4
    service = await started(tmp_path, provider)
    try:
        run_id = await begin(service, provider)
        await service.cancel("local", run_id)
    finally:
        await service.stop()
    assert provider.stopped == [{"number": 1}]


async def test_a_server_whose_runs_are_the_workers_leaves_the_stop_to_them(tmp_path: Path) -> None:
    """It may have no key for that, and would log a failure of each Stop."""
    workers, servers = Upstreams(), Upstreams()
    workers.held_after = 4
    worker = await started(tmp_path, workers)
    server = await started(tmp_path, servers, run_in_server=False)
    try:
        run_id = await begin(worker, workers)
        await server.cancel("local", run_id)
    finally:
        await server.stop()  # it waits for a stop that it began
        await worker.stop()
    assert servers.stopped == []


async def test_a_server_that_stops_leaves_the_upstream_alone_l15(tmp_path: Path) -> None:
    """The next server joins it."""
    provider = Upstreams()
    provider.held_after = 4
    service = await started(tmp_path, provider)
    run_id = await begin(service, provider)
    await service.stop()
    assert provider.stopped == []
    provider.held_after = None
    service = await started(tmp_path, provider)
    try:
        reply = await service.wait_ended("local", run_id, 20)
    finally:
        await service.stop()
    assert (reply["status"], reply["content"], provider.begun) == ("completed", WHOLE, 1)


async def test_a_stop_that_hangs_keeps_no_server_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_chat_stream.engine.running.STOP_WITHIN_S", 0.1)
    provider = Upstreams()
    provider.held_after, provider.stop_hangs = 4, True
    service = await started(tmp_path, provider)
    await service.cancel("local", await begin(service, provider))
    await asyncio.wait_for(service.stop(), 5.0)
    assert provider.stopped


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_stop_that_hangs_or_breaks_delays_no_other_l9(
    make_harness: MakeHarness,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    hangs: bool,
) -> None:
    """The runs of a process are watched on: a provider's Stop may be slow, or have a bug."""
    monkeypatch.setattr("jupyter_chat_stream.engine.running.STOP_WITHIN_S", 0.1)
    provider = Upstreams()
    provider.held_after = 4
    provider.stop_hangs, provider.stop_fails = hangs, None if hangs else KeyError("job")
    harness = await make_harness(provider=provider)
    await harness.engine.start()
    for number in (1, 2):
        run = await harness.send(await harness.thread())
        await harness.until(partial(has_content, harness, run))
        await harness.cancel(run)
        harness.engine.running.hear(None)
        assert await harness.bounded(provider.stops.get()) == {"number": number}
        await harness.until(lambda: harness.engine.active == 0)
    await harness.engine.stop()
    why = "code=timeout" if hangs else "error=KeyError"
    told = [r.getMessage() for r in caplog.records if "upstream.not_stopped" in r.getMessage()]
    assert [why in line for line in told] == [True, True]


async def has_content(harness: RunHarness, run: RunRef) -> bool:
    return bool((await harness.reply(run))["content"])


async def started(folder: Path, provider: Upstreams, **settings: Any) -> Service:
    config = ChatStream(database_url=f"sqlite:///{folder / 'chat.db'}", **settings)
    service = Service(config, registry=Registry([provider]))
    await service.start()
    return service


async def begin(service: Service, provider: Upstreams) -> str:
    """Send a message, and wait until its answer has some text."""
    thread, _ = await service.create_thread("local", model="scripted/model")
    sent = await service.send("local", thread["id"], SendRequest(content="Go"))
    state = partial(service.state_text, "local", thread["id"])
    while not json.loads(await state())["messages"][-1]["content"]:  # noqa: ASYNC110
        await asyncio.sleep(0.005)  # the state is in the database
    return str(sent["run"]["id"])
