"""The events of a run and of a chat: in order, each one once."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_chat_stream import Chat
from jupyter_chat_stream.kernel import link
from jupyter_chat_stream.shared.events import Delta
from tests.kernel.harness import ECHO, PATIENCE_S, SLOW, until

pytestmark = pytest.mark.usefixtures("here")


def test_events_replay_then_go_on_to_the_end_without_gap_or_repetition_l6(name: str) -> None:
    chat = Chat(name, model=ECHO)
    chat.ask("Before")
    run = chat.send("Go", model="demo/long", params={"chars": 3000, "chars_per_second": 6000})
    events = list(run.events())
    seqs = [event.seq for event in events]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert [events[0].type, events[-1].type] == ["message", "finalized"]
    assert (
        "".join(event.body.text for event in events if isinstance(event.body, Delta)) == run.content
    )
    (again,) = [known for known in Chat(name).runs if known.id == run.id]
    assert list(again.events()) == events
    assert list(run.events(after=seqs[-3])) == events[-2:]
    assert list(run.events(after=seqs[-1])) == []


def test_pages_that_overlap_or_leave_a_gap_give_each_event_once_l6(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a server answers to a cursor, an iteration is dense."""
    chat = Chat(name, model=ECHO)
    chat.ask("Hello")
    run = chat.runs[0]
    whole = [event.seq for event in run.events()]
    request = link.Link.request
    asked = 0

    async def answer(self: Any, method: str, path: str, *args: Any, **options: Any) -> Any:
        nonlocal asked
        page = await request(self, method, path, *args, **options)
        if "/events?" in path:
            asked += 1
            first, *rest = page["events"]
            page["events"] = [first, first, *rest[:1], *rest[2:]]  # one twice, one left out
        return page

    monkeypatch.setattr(link.Link, "request", answer)
    assert [event.seq for event in run.events()] == whole
    assert asked > 2


def test_the_events_of_a_run_that_has_ended_are_not_waited_for(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = Chat(name, model=ECHO)
    run = chat.send("First").wait(PATIENCE_S)
    end = list(run.events())[-1].seq
    chat.ask("Second")  # its events come after the cursor, and are not this run's
    waits = []
    request = link.Link.request

    async def watched(self: Any, method: str, path: str, *args: Any, **options: Any) -> Any:
        waits.append("&wait=" in path)
        return await request(self, method, path, *args, **options)

    monkeypatch.setattr(link.Link, "request", watched)
    assert list(run.events(after=end)) == []
    assert waits
    assert not any(waits)


def test_leaving_events_only_leaves_l8(name: str) -> None:
    chat = Chat(name)
    run = chat.send("Tell me", **SLOW)
    for event in run.events():
        if event.type == "delta":
            break
    assert not run.is_ended
    until(lambda: len(run.content) > 100, "more text")
    run.cancel()


def test_a_chats_events_are_those_of_all_its_runs(name: str) -> None:
    chat = Chat(name, model=ECHO)
    for text in ("one", "two"):
        chat.ask(text)
    ends = 0
    seqs = []
    for event in chat.events():
        seqs.append(event.seq)
        ends += event.type == "finalized"
        if ends == 2:
            break
    assert seqs == list(range(1, len(seqs) + 1))
