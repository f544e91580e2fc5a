"""OpenAI's Responses API of a fake server: responses that continue without readers.

A response in the background runs at its own pace even if nobody reads it. Each reader gets the
events after its cursor, even after the response's end. A response in the foreground ends with its
connection. A fault of the connection (`drop`, `cut`, …) does not stop the response, but the fault
`error` does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

from . import responses_events
from .answers import Answer, JsonObject, to_sse
from .fake_server import KEEP_ALIVE, FakeServer, Piece, Request
from .http_server import HttpConnection, HttpRequest
from .responses_events import ResponsesEvent


class FakeResponse:
    """One response of the fake API.

    Attributes:
        value: the object that ``GET responses/{id}`` returns.
        events: the events so far; the number of an event is its index.
        chunks: the number of deltas among the events.
        kept_from: the number of the first event that a reader still gets.
        replays_all: whether readers get all events and their cursors are ignored.
    """

    def __init__(self, answer: Answer, request: Request) -> None:
        self.id = f"resp_fake_{request.number}"
        self.answer, self.request = answer, request
        self.value = responses_events.new_response(self.id, request.body)
        self.events: list[ResponsesEvent] = []
        self.chunks = 0
        self.kept_from = 0
        self.replays_all = False
        self.is_over = False
        self.task: asyncio.Task[None] | None = None
        self._change = asyncio.Event()

    @property
    def text(self) -> str:
        """The whole text of the events so far."""
        kind = "response.output_text.delta"
        return "".join(event["delta"] for _, event in self.events if event["type"] == kind)

    def add(self, event: ResponsesEvent) -> None:
        """Append an event, with its number."""
        kind, value = event
        self.events.append((kind, {**value, "sequence_number": len(self.events)}))
        self.chunks += kind == "chunk"
        self._wake()

    def end(self, status: str | None = None) -> None:
        """End the response; ``status`` replaces the status of the last event."""
        self.is_over = True
        self.value["status"] = status or self.value["status"]
        self._wake()

    async def pieces_after(self, number: int) -> AsyncIterator[Piece]:
        """Yield the events after a number as they come, until the response's end."""
        yield Piece(data=KEEP_ALIVE)
        while number + 1 < len(self.events) or not self.is_over:
            if number + 1 >= len(self.events):
                await self._change.wait()
                continue
            number += 1
            kind, event = self.events[number]
            yield Piece(data=to_sse(event), kind=kind)

    def _wake(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()


@dataclass(frozen=True, kw_only=True)
class Join:
    """One request to join a response."""

    response_id: str
    after: int
    request: Request


class FakeResponses:
    """The Responses API of a fake server.

    Args:
        server: the server that takes the requests.

    Attributes:
        all: the stored responses, by id.
        joins: the requests to join a response.
        join_answers: the answers to the next requests to join; their text is ignored.
        tells_cancel: whether the stream of a cancelled response ends with an event about that.
    """

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self.all: dict[str, FakeResponse] = {}
        self.joins: list[Join] = []
        self.join_answers: deque[Answer] = deque()
        self.tells_cancel = False

    def expire(self) -> None:
        """Forget all responses."""
        self.all.clear()

    async def create(
        self,
        answer: Answer,
        request: Request,
        connection: HttpConnection,
        headers: Mapping[str, str],
    ) -> None:
        """Begin a response, and stream it."""
        response = FakeResponse(answer, request)
        if response.value["store"]:
            self.all[response.id] = response
        response.task = asyncio.ensure_future(self._run(response))
        # `_write` keeps the pace and makes the fault `error`: the connection has the other faults.
        fault = None if answer.fault == "error" else answer.fault
        wire_answer = replace(answer, fault=fault, delay_s=0.0, hold_after_chunks=None)
        pieces = response.pieces_after(-1)
        try:
            await self._server.send_pieces(pieces, wire_answer, request, connection, headers)
        finally:
            if not response.value["background"]:
                response.task.cancel()

    async def answer(self, http: HttpRequest, connection: HttpConnection) -> None:
        """Answer a request for an existing response."""
        parts = urlsplit(http.path)
        id_, _, verb = parts.path.partition("/responses/")[2].partition("/")
        query = parse_qs(parts.query)
        response = self.all.get(id_)
        if response is None:
            message = f"Response with id '{id_}' not found."
            await connection.send_json(404, _error(message, "id"))
        elif verb == "cancel" and http.method == "POST":
            self._cancel(response)
            await connection.send_json(200, response.value)
        elif http.method == "DELETE":
            del self.all[id_]
            await connection.send_json(200, {"id": id_, "object": "response", "deleted": True})
        elif query.get("stream") == ["true"]:
            after = int(query.get("starting_after", ["-1"])[0])
            await self._join(response, after, http, connection)
        else:
            await connection.send_json(200, response.value)

    async def _run(self, response: FakeResponse) -> None:
        try:
            await self._write(response)
        finally:
            response.end()
            self._server.note(response.request)

    async def _write(self, response: FakeResponse) -> None:
        """Add the events of a response, at its pace."""
        answer, server = response.answer, self._server
        for event in responses_events.events_of(answer, response.request.body, response.value):
            kind = event[0]
            has_fault = answer.fault == "error" and kind != "other"
            if has_fault and (kind == "last" or response.chunks >= answer.after_chunks):
                error = server.error_of(answer.error_type, answer.error_message)
                response.add(("other", {"type": "error", **error}))
                code, message = answer.error_type, answer.error_message
                response.add(("last", responses_events.failed_event(response.value, code, message)))
                break
            if kind == "chunk":
                await server.pause(answer)
                if answer.hold_after_chunks == response.chunks:
                    await response.request.release_event.wait()
            response.add(event)
            server.note(response.request)

    async def _join(
        self, response: FakeResponse, after: int, http: HttpRequest, connection: HttpConnection
    ) -> None:
        request = Request(0, http, None)
        self.joins.append(Join(response_id=response.id, after=after, request=request))
        self._server.note(request)
        answer = self.join_answers.popleft() if self.join_answers else Answer()
        if not response.value["background"]:
            answer = Answer(
                status=400, body=_error("This response was not created in the background.")
            )
        elif after + 1 < response.kept_from:
            answer = Answer(
                status=400, body=_error("'starting_after' is too old.", "starting_after")
            )
        if answer.status != 200 or answer.body is not None:
            await connection.send_json(
                answer.status, answer.body or _error("scripted"), answer.headers
            )
        else:
            pieces = response.pieces_after(-1 if response.replays_all else after)
            await self._server.send_pieces(pieces, answer, request, connection, {})

    def _cancel(self, response: FakeResponse) -> None:
        if response.is_over or response.task is None:
            return
        response.task.cancel()
        if self.tells_cancel:
            response.value["status"] = "cancelled"
            value = {"type": "response.cancelled", "response": dict(response.value)}
            response.add(("last", value))
        response.end("cancelled")
        self._server.note(response.request)


def _error(message: str, param: str | None = None) -> JsonObject:
    kind = "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": None}}
