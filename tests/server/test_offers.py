"""The offers of one socket: they never outlive it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from jupyter_chat_stream.server.offers import Offer, SocketOffers
from jupyter_chat_stream.service import Service

OFFER = Offer(thread_id="t", executor="e", label="a kernel", where="kernel", tools=[])


class SlowService:
    """A service whose database takes an offer when it is told to."""

    def __init__(self) -> None:
        self.takes = asyncio.Event()
        self.done: list[str] = []

    async def offer(self, *_: Any, **__: Any) -> None:
        await self.takes.wait()
        self.done.append("offer")

    async def end_offers(self, socket: str) -> None:
        self.done.append("end")


async def test_an_offer_that_is_written_after_its_socket_has_closed_is_withdrawn() -> None:
    slow, offers = SlowService(), SocketOffers()
    putting = asyncio.ensure_future(offers.put(cast(Service, slow), "ada", OFFER))
    await asyncio.sleep(0)
    await offers.end()
    before = asyncio.all_tasks()
    slow.takes.set()
    await putting
    assert slow.done == ["offer", "end"]
    assert asyncio.all_tasks() <= before  # nothing renews it
