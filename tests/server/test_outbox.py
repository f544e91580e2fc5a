"""The outbox: one write on its way, the rest in order and bounded (L8)."""

from __future__ import annotations

import asyncio

import pytest
from tornado.websocket import WebSocketClosedError

from jupyter_chat_stream.server.outbox import MAX_HELD_BYTES, Outbox


class Network:
    """Takes what was written when told to, or at once."""

    def __init__(self, *, is_quick: bool = False) -> None:
        self.writes: list[list[str]] = []
        self.flushes: list[asyncio.Future[None]] = []
        self._is_quick = is_quick

    def write(self, texts: list[str]) -> asyncio.Future[None]:
        self.writes.append(texts)
        self.flushes.append(asyncio.get_running_loop().create_future())
        if self._is_quick:
            self.flushes[-1].set_result(None)
        return self.flushes[-1]

    async def take(self) -> None:
        """Take what is on its way."""
        self.flushes[-1].set_result(None)
        await turns()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_is_posted_in_one_turn_is_one_write_and_the_rest_is_the_next_in_order() -> None:
    network = Network()
    outbox = Outbox(network.write, gather_s=0.0)
    assert all(outbox.post(text) for text in ("a", "b", "c"))
    assert network.writes == []
    await turns()
    assert network.writes == [["a", "b", "c"]]
    assert outbox.post("d")
    await turns()
    assert outbox.post("e")
    assert network.writes == [["a", "b", "c"]]
    await network.take()
    assert network.writes == [["a", "b", "c"], ["d", "e"]]
    assert outbox.held_bytes == len("de")
    await network.take()
    assert outbox.held_bytes == 0


async def test_after_a_write_of_many_frames_the_next_write_gathers() -> None:
    network = Network(is_quick=True)
    outbox = Outbox(network.write, gather_s=3600.0)
    for posted in (["a", "b"], ["c", "d", "e"], ["waits"]):
        for text in posted:
            outbox.post(text)
        await turns()
    assert network.writes == [["a", "b"], ["c", "d", "e"]]


async def test_a_network_that_takes_at_once_gets_a_write_for_each_turn() -> None:
    network = Network(is_quick=True)
    outbox = Outbox(network.write)
    for text in ("a", "b"):
        outbox.post(text)
        await turns()
    await outbox.send("c")
    assert network.writes == [["a"], ["b"], ["c"]]
    assert outbox.held_bytes == 0


async def test_there_is_no_room_beyond_the_bound_and_one_frame_always_fits() -> None:
    network = Network()
    told: list[int] = []
    outbox = Outbox(network.write, told.append)
    assert outbox.post("x" * (2 * MAX_HELD_BYTES))
    await turns()
    assert [outbox.post("x") for _ in range(3)] == [False] * 3
    assert told == [2 * MAX_HELD_BYTES]
    await network.take()
    assert outbox.post("x" * (MAX_HELD_BYTES - 1))
    assert outbox.post("x")
    assert not outbox.post("x")
    assert len(told) == 2


async def test_a_large_frame_has_its_turn_on_a_busy_socket() -> None:
    """Else it is refused for ever where something is always on its way."""
    outbox = Outbox(Network().write)
    assert outbox.post("x" * (MAX_HELD_BYTES // 2))
    assert outbox.post("y" * (3 * MAX_HELD_BYTES))
    assert not outbox.post("z")


async def test_an_answer_is_taken_where_a_frame_that_can_come_later_is_not() -> None:
    network = Network()
    outbox = Outbox(network.write)
    outbox.post("x" * MAX_HELD_BYTES)
    sending = asyncio.ensure_future(outbox.send("pong"))
    await turns()
    assert not sending.done()
    await network.take()
    assert network.writes[-1] == ["pong"]
    await network.take()
    await sending


async def test_a_sender_that_leaves_takes_the_frames_that_wait_with_it() -> None:
    network = Network()
    outbox = Outbox(network.write)
    one, other = object(), object()
    outbox.post("sent", one)
    await turns()
    outbox.post("waits", one)
    outbox.post("stays", other)
    outbox.withdraw(one)
    assert outbox.held_bytes == len("sent") + len("stays")
    await network.take()
    assert network.writes == [["sent"], ["stays"]]
    await network.take()
    assert outbox.held_bytes == 0


async def test_where_all_that_waited_was_withdrawn_nobody_waits_for_ever() -> None:
    network = Network()
    outbox = Outbox(network.write)
    outbox.post("leaves", outbox)
    drained = asyncio.ensure_future(outbox.drained())
    outbox.withdraw(outbox)
    await turns()
    assert drained.done()
    assert network.writes == []


async def test_drained_waits_for_all_that_was_taken_before() -> None:
    network = Network()
    outbox = Outbox(network.write)
    await outbox.drained()
    outbox.post("a")
    await turns()
    outbox.post("b")
    drained = asyncio.ensure_future(outbox.drained())
    await turns()
    await network.take()
    assert not drained.done()
    await network.take()
    await drained


@pytest.mark.parametrize("when", ["at once", "later"])
async def test_a_closed_socket_holds_nothing_and_says_so_to_whoever_waits_or_comes(
    when: str,
) -> None:
    network = Network()

    def closed(texts: list[str]) -> asyncio.Future[None]:
        raise WebSocketClosedError

    outbox = Outbox(closed if when == "at once" else network.write)
    outbox.post("a")
    await turns()
    waiting = [asyncio.ensure_future(outbox.drained()), asyncio.ensure_future(outbox.send("b"))]
    await turns()
    if when == "later":
        network.flushes[-1].set_exception(WebSocketClosedError())
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [WebSocketClosedError] * 2
    assert outbox.held_bytes == 0
    assert not outbox.post("c")
    with pytest.raises(WebSocketClosedError):
        await outbox.send("d")
