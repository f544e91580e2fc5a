"""Delivery, state by state, without an event loop (L6, L8)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_chat_stream.following import delivery as delivery_module
from jupyter_chat_stream.following.delivery import (
    BUFFER_BYTES,
    Delivery,
    DeliveryState,
    Need,
)
from jupyter_chat_stream.following.frames import Batch, Frame
from jupyter_chat_stream.shared.events import Event, ThreadChanged
from jupyter_chat_stream.store.log.reading import Page, Snapshot


def event(seq: int, **change: Any) -> Event:
    body = ThreadChanged(thread=change or {"title": str(seq)})
    return Event(
        seq=seq, thread_id="t", run_id=None, message_id=None, attempt=None, at=0, body=body
    )


def batch(*seqs: int, size: int = 0) -> Batch:
    return Batch([event(seq, title="x" * size) for seq in seqs])


def deletion(seq: int) -> Batch:
    return Batch([event(seq, deleted=True)])


def page(*seqs: int, head: int, deleted: bool = False) -> Page:
    return Page(events=tuple(event(seq) for seq in seqs), head=head, deleted=deleted)


class Sink:
    """Takes frames while it has room."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.is_full = False

    def take(self, text: str) -> bool:
        if not self.is_full:
            self.texts.append(text)
        return not self.is_full

    async def drained(self) -> None:
        raise NotImplementedError

    @property
    def seqs(self) -> list[int]:
        frames = [json.loads(text) for text in self.texts]
        return [event["seq"] for frame in frames for event in frame.get("events", ())]


class Reading:
    """A delivery, and how often it woke its owner and was too slow."""

    def __init__(self, after: int = 0) -> None:
        self.woken = self.slow = 0
        self.delivery = Delivery("t", after, wake=self._wake, count_slow=self._count)

    def _wake(self) -> None:
        self.woken += 1

    def _count(self) -> None:
        self.slow += 1


def behind() -> Reading:
    return Reading()


def reading() -> Reading:
    made = Reading()
    assert made.delivery.next() is Need.READ
    made.delivery.begin_read()
    return made


def level() -> Reading:
    made = reading()
    frame = made.delivery.receive(page(1, 2, head=2))
    assert isinstance(frame, Frame)
    assert frame.seq == 2
    return made


def idle(sink: Sink | None = None) -> Reading:
    made = level()
    made.delivery.sink = sink
    live = made.delivery.next()
    assert isinstance(live, Frame)
    assert (live.op, live.seq) == ("live", 2)
    assert made.delivery.next() is Need.EVENTS
    return made


def ended() -> Reading:
    made = idle(Sink())
    made.delivery.offer(deletion(3))
    return made


MADE = {
    DeliveryState.BEHIND: behind,
    DeliveryState.READING: reading,
    DeliveryState.LEVEL: level,
    DeliveryState.IDLE: idle,
    DeliveryState.ENDED: ended,
}


@pytest.mark.parametrize("state", DeliveryState)
def test_each_state_can_be_reached(state: DeliveryState) -> None:
    assert MADE[state]().delivery.state is state


@pytest.mark.parametrize("state", [one for one in DeliveryState if one is not DeliveryState.ENDED])
def test_every_state_but_the_last_falls_behind_and_holds_nothing(state: DeliveryState) -> None:
    """L8"""
    made = MADE[state]()
    made.delivery.offer(batch(3))
    made.delivery.fall_behind()
    assert made.delivery.state is DeliveryState.BEHIND
    assert made.delivery.buffered_bytes == 0
    assert made.woken > 0
    assert made.delivery.next() is Need.READ


@pytest.mark.parametrize(
    ("state", "buffers"),
    [
        (DeliveryState.BEHIND, False),
        (DeliveryState.READING, True),
        (DeliveryState.LEVEL, True),
        (DeliveryState.IDLE, True),
        (DeliveryState.ENDED, False),
    ],
)
def test_what_is_published_is_buffered_only_if_the_store_will_not_be_asked_for_it(
    state: DeliveryState, buffers: bool
) -> None:
    """L6, L8"""
    delivery = MADE[state]().delivery
    offered = batch(delivery.cursor + 1)
    delivery.offer(offered)
    assert delivery.buffered_bytes == (offered.size if buffers else 0)
    assert delivery.last_seq == delivery.cursor + int(buffers)
    assert delivery.state is (DeliveryState.LEVEL if state is DeliveryState.IDLE else state)


@pytest.mark.parametrize("state", [DeliveryState.READING, DeliveryState.LEVEL, DeliveryState.IDLE])
def test_a_full_buffer_is_let_go_and_counted(state: DeliveryState) -> None:
    """L8"""
    made = MADE[state]()
    for seq in range(3, 200):
        made.delivery.offer(batch(seq, size=1000))
        assert made.delivery.buffered_bytes <= BUFFER_BYTES
    assert made.delivery.state is DeliveryState.BEHIND
    assert made.slow == 1


def test_an_idle_delivery_hands_events_to_its_sink_at_once() -> None:
    """L6: in the call of ``offer``, without a wake-up."""
    sink = Sink()
    made = idle(sink)
    woken = made.woken
    for seq in (3, 4, 5):
        made.delivery.offer(batch(seq))
    assert sink.seqs == [3, 4, 5]
    assert made.delivery.state is DeliveryState.IDLE
    assert (made.woken, made.delivery.cursor) == (woken, 5)


def test_a_sink_gets_nothing_directly_unless_its_reader_is_idle() -> None:
    """L6: frames that were made before come first."""
    sink = Sink()
    made = level()
    made.delivery.sink = sink
    made.delivery.offer(batch(3))
    assert sink.texts == []
    frame = made.delivery.next()
    assert isinstance(frame, Frame)
    assert [seq for seq, _ in frame.event_texts] == [3]


def test_whoever_stops_waiting_is_handed_nothing_more() -> None:
    """L6: a cancelled pour does not write to its socket."""
    sink = Sink()
    made = idle(sink)
    made.delivery.stop_waiting()
    made.delivery.offer(batch(3))
    assert sink.texts == []


def test_a_gap_is_never_handed_on() -> None:
    """L6: neither to a sink nor in a frame."""
    sink = Sink()
    made = idle(sink)
    made.delivery.offer(batch(4))
    assert sink.texts == []
    assert made.delivery.next() is Need.READ
    assert made.slow == 0


def test_events_before_a_gap_are_delivered_before_the_store_is_read() -> None:
    """L6"""
    made = level()
    made.delivery.offer(batch(3))
    made.delivery.offer(batch(5))
    frame = made.delivery.next()
    assert isinstance(frame, Frame)
    assert [seq for seq, _ in frame.event_texts] == [3]
    assert made.delivery.next() is Need.READ


def test_an_event_that_the_page_holds_and_the_buffer_too_is_delivered_once() -> None:
    """L6"""
    made = reading()
    made.delivery.offer(batch(2, 3))
    made.delivery.receive(page(1, 2, head=2))
    frame = made.delivery.next()
    assert isinstance(frame, Frame)
    assert [seq for seq, _ in frame.event_texts] == [3]


def test_a_delivery_that_fell_behind_during_the_read_reads_again() -> None:
    """L6: the page is delivered, and more was committed since."""
    made = reading()
    made.delivery.fall_behind()
    assert made.delivery.receive(page(1, 2, head=2)) is not None
    assert made.delivery.next() is Need.READ


def test_a_page_that_ends_before_the_head_is_followed_by_another() -> None:
    """L6"""
    made = reading()
    assert made.delivery.receive(page(1, 2, head=9)) is not None
    assert made.delivery.next() is Need.READ


@pytest.mark.parametrize("offered", [3, 4], ids=["handed on", "buffered"])
def test_a_refused_frame_is_read_again_from_where_it_began(offered: int) -> None:
    """L6, L8"""
    sink = Sink()
    made = idle(sink)
    sink.is_full = True
    made.delivery.offer(batch(offered))
    assert made.delivery.cursor == 2
    assert made.delivery.next() is Need.READ
    made.delivery.begin_read()
    frame = made.delivery.receive(page(3, 4, head=4))
    assert isinstance(frame, Frame)
    made.delivery.refuse(frame)
    assert (made.delivery.cursor, made.delivery.state) == (2, DeliveryState.BEHIND)
    assert made.slow == (2 if offered == 3 else 1)


def test_live_is_delivered_once_and_again_only_if_it_was_refused() -> None:
    made = level()
    live = made.delivery.next()
    assert isinstance(live, Frame)
    made.delivery.refuse(live)
    assert made.delivery.next() is Need.READ
    made.delivery.begin_read()
    assert made.delivery.receive(page(head=2)) is None
    again = made.delivery.next()
    assert isinstance(again, Frame)
    assert again.op == "live"
    made.delivery.fall_behind()
    made.delivery.begin_read()
    made.delivery.receive(page(head=2))
    assert made.delivery.next() is Need.EVENTS


def _by_snapshot(made: Reading) -> None:
    snapshot = Snapshot(thread_id="t", seq=3, info={}, messages=(), runs=(), deleted=True)
    made.delivery.receive(snapshot)


DELETED: dict[str, Callable[[Reading], Any]] = {
    "a page": lambda made: made.delivery.receive(page(1, 2, 3, head=3, deleted=True)),
    "a page without events": lambda made: made.delivery.receive(page(head=3, deleted=True)),
    "a snapshot": _by_snapshot,
}


@pytest.mark.parametrize("how", DELETED)
def test_after_the_deletion_only_closed_is_left(how: str) -> None:
    made = reading()
    DELETED[how](made)
    made.delivery.offer(batch(made.delivery.cursor + 1))
    made.delivery.fall_behind()
    for _ in range(2):
        closed = made.delivery.next()
        assert isinstance(closed, Frame)
        assert closed.op == "closed"


def test_a_refused_closed_is_made_again_from_the_store() -> None:
    made = ended()
    closed = made.delivery.next()
    assert isinstance(closed, Frame)
    made.delivery.refuse(closed)
    assert made.delivery.next() is Need.READ
    made.delivery.begin_read()
    made.delivery.receive(page(head=3, deleted=True))
    again = made.delivery.next()
    assert isinstance(again, Frame)
    assert again.op == "closed"


# ---------------------------------------------------------------------- any order of everything

STEPS = st.lists(
    st.sampled_from(
        ["publish", "lose", "next", "commit during next", "fill", "drain", "fail", "foreign"]
    ),
    max_size=60,
)


class Machine:
    """A log, a sink that may be full, and a delivery between them."""

    def __init__(self) -> None:
        self.head = 0
        self.sink = Sink()
        self.made = Reading()
        self.made.delivery.sink = self.sink
        self.lose_read = False

    def commit(self, *, is_published: bool) -> None:
        self.head += 1
        if is_published:
            self.made.delivery.offer(batch(self.head, size=20))

    def move(self, *, commits_meanwhile: bool = False) -> None:
        """Deliver one frame, or do what has to be done first."""
        delivery = self.made.delivery
        found = delivery.next()
        if found is Need.READ:
            delivery.begin_read()
            seqs = range(delivery.cursor + 1, min(self.head, delivery.cursor + 3) + 1)
            replay = page(*seqs, head=self.head)
            if commits_meanwhile:
                self.commit(is_published=True)
            if self.lose_read:
                self.lose_read = False
                delivery.fall_behind()
                return
            found = delivery.receive(replay) or Need.EVENTS
        if isinstance(found, Frame) and not self.sink.take(found.text):
            delivery.refuse(found)


@given(steps=STEPS)
def test_a_sink_gets_every_event_once_and_in_order_whatever_happens(steps: list[str]) -> None:
    """L6, L8"""
    machine = Machine()
    bound = delivery_module.BUFFER_BYTES
    delivery_module.BUFFER_BYTES = 200
    try:
        for step in steps:
            if step in ("publish", "lose"):
                machine.commit(is_published=step == "publish")
            elif step in ("fill", "drain"):
                machine.sink.is_full = step == "fill"
            elif step == "fail":
                machine.lose_read = True
            elif step == "foreign":
                machine.made.delivery.fall_behind()
            else:
                machine.move(commits_meanwhile=step == "commit during next")
            assert machine.made.delivery.buffered_bytes <= 200
            assert machine.sink.seqs == list(range(1, len(machine.sink.seqs) + 1))
        machine.sink.is_full = machine.lose_read = False
        machine.made.delivery.fall_behind()
        for _ in range(2 * machine.head + 4):
            machine.move()
        assert machine.sink.seqs == list(range(1, machine.head + 1))
    finally:
        delivery_module.BUFFER_BYTES = bound
