"""The offers of the executors behind one socket, renewed while it is open."""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ..shared.errors import ChatStreamError, InvalidInput
from ..shared.events import clean_text
from ..shared.json_objects import JsonObject
from ..shared.logs import Line
from ..shared.tool_definitions import MAX_TOOLS, OFFER_S
from ..shared.tool_records import ToolWhere

if TYPE_CHECKING:
    from ..service import Service

log = logging.getLogger("jupyter_chat_stream.server")

MAX_OFFER_BYTES = 512 * 1024
MAX_EXECUTOR = 128
RENEW_S = OFFER_S / 3


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What an executor offers in one thread: all its tools there, which replace those before."""

    thread_id: str
    executor: str
    label: str
    where: ToolWhere
    tools: list[Any]


def read_offer(frame: JsonObject) -> Offer:
    """Read an offer frame; the service checks its definitions.

    Raises:
        InvalidInput: a field is missing or has another form.
    """
    texts = [frame.get(name) for name in ("thread", "executor", "label")]
    for name, value in zip(("thread", "executor", "label"), texts, strict=True):
        if not isinstance(value, str) or not 0 < len(value) <= MAX_EXECUTOR:
            raise InvalidInput(
                f"'{name}' must be a text of 1 to {MAX_EXECUTOR} characters.", field=name
            )
    where, tools = frame.get("where"), frame.get("tools")
    if where not in ("kernel", "page"):
        raise InvalidInput("'where' must be 'kernel' or 'page'.", field="where")
    if not isinstance(tools, list) or len(tools) > MAX_TOOLS:
        raise InvalidInput(f"'tools' must be a list of at most {MAX_TOOLS} tools.", field="tools")
    return Offer(
        thread_id=frame["thread"],
        executor=clean_text(frame["executor"]),
        label=clean_text(frame["label"]),
        where=cast(ToolWhere, where),
        tools=tools,
    )


class SocketOffers:
    """The offers that came over one socket. ``end`` withdraws them."""

    def __init__(self) -> None:
        self._socket = secrets.token_hex(8)
        self._service: Service | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._has_ended = False

    async def put(self, service: Service, owner: str, offer: Offer) -> None:
        """Write an offer, and renew all offers of this socket from now on."""
        await service.offer(
            owner,
            offer.thread_id,
            executor=offer.executor,
            label=offer.label,
            where=offer.where,
            tools=offer.tools,
            socket=self._socket,
        )
        self._service = service
        if self._has_ended:  # the socket closed while the offer was written
            await self._try(service.end_offers(self._socket))
        elif self._renewing is None:
            self._renewing = asyncio.ensure_future(self._renew(service))

    async def end(self) -> None:
        """Withdraw the offers; if the database is away, they end by themselves."""
        self._has_ended = True
        if self._service is None:
            return
        if self._renewing is not None:
            self._renewing.cancel()
        await self._try(self._service.end_offers(self._socket))

    async def _renew(self, service: Service) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            await self._try(service.renew_offers(self._socket))

    async def _try(self, work: Any) -> None:
        try:
            await work
        except ChatStreamError as error:
            log.info(Line("offers.not_renewed", code=error.code))
