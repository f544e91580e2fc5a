"""The outbox: one write on its way, the rest in order and bounded (L8)."""

from __future__ import annotations

import asyncio

import pytest
from tornado.websocket import WebSocketClosedError

from jupyter_chat_stream.server.outbox import MAX_HELD_BYTES, Outbox


class Network:
    """Takes what was written when told to."""

    def __init__(self) -> None:
        self.writes: list[list[str]] = []
        self.flushes: list[asyncio.Future[None]] = []

    async def write(self, texts: list[str]) -> None:
        self.writes.append(texts)
        self.flushes.append(asyncio.get_running_loop().create_future())
        await self.flushes[-1]

    async def take(self) -> None:
        """Take what is on its way."""
        self.flushes[-1].set_result(None)
        await turns()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_is_sent_in_one_turn_is_one_write_and_the_rest_is_the_next_in_order() -> None:
    network = Network()
    outbox = Outbox(network.write)
    sends = [asyncio.ensure_future(outbox.send(text)) for text in ("a", "b", "c")]
    await turns()
    assert network.writes == [["a", "b", "c"]]
    later = [asyncio.ensure_future(outbox.send(text)) for text in ("d", "e")]
    await turns()
    assert network.writes == [["a", "b", "c"]]
    await network.take()
    await asyncio.gather(*sends)
    assert not any(send.done() for send in later)
    assert network.writes == [["a", "b", "c"], ["d", "e"]]
    await network.take()
    await asyncio.gather(*later)
    assert outbox.held_bytes == 0
    assert outbox.frames_gone == 5


async def test_there_is_no_room_beyond_the_bound_and_one_frame_always_fits() -> None:
    network = Network()
    outbox = Outbox(network.write)
    huge = "x" * (2 * MAX_HELD_BYTES)
    assert outbox.has_room(huge)
    sending = asyncio.ensure_future(outbox.send("x" * MAX_HELD_BYTES))
    await turns()
    assert not outbox.has_room("x")
    await network.take()
    await sending
    assert outbox.has_room(huge)


async def test_a_sender_that_leaves_in_line_takes_its_frame_with_it() -> None:
    network = Network()
    outbox = Outbox(network.write)
    first = asyncio.ensure_future(outbox.send("first"))
    await turns()
    second = asyncio.ensure_future(outbox.send("second"))
    await turns()
    second.cancel()
    await turns()
    assert outbox.held_bytes == len("first")
    await network.take()
    await first
    assert network.writes == [["first"]]


async def test_a_sender_that_leaves_midway_does_not_let_the_next_one_pass() -> None:
    """Else whoever subscribes again and again, and never reads, fills tornado's buffer."""
    network = Network()
    outbox = Outbox(network.write)
    first = asyncio.ensure_future(outbox.send("first"))
    await turns()
    first.cancel()
    second = asyncio.ensure_future(outbox.send("second"))
    await turns()
    assert network.writes == [["first"]]
    assert outbox.held_bytes == len("firstsecond")
    await network.take()
    assert network.writes == [["first"], ["second"]]
    await network.take()
    await second
    assert outbox.held_bytes == 0


async def test_drained_waits_for_all_that_was_sent_before() -> None:
    network = Network()
    outbox = Outbox(network.write)
    sends = [asyncio.ensure_future(outbox.send("a"))]
    await turns()
    sends.append(asyncio.ensure_future(outbox.send("b")))
    await turns()
    drained = asyncio.ensure_future(outbox.drained())
    await turns()
    await network.take()
    assert not drained.done()
    await network.take()
    await drained
    await asyncio.gather(*sends)


async def test_a_closed_socket_is_an_error_and_holds_nothing() -> None:
    async def write(texts: list[str]) -> None:
        raise WebSocketClosedError

    outbox = Outbox(write)
    with pytest.raises(WebSocketClosedError):
        await outbox.send("x")
    assert outbox.held_bytes == 0
