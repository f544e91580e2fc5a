"""A fake API on loopback: real HTTP and real server-sent events, scripted by a test.

It runs in a separate thread, so that a test's event loop may be blocked, killed or closed. It
refuses invalid requests like the real API, records each request (never a key), and notices when the
client disconnects. It keeps the last `MAX_RECORDS` requests, and waits for a client that does not
read. Each subclass knows one API.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, TypeVar

from . import answers
from .answers import Answer, JsonObject
from .http_server import ClientLeft, HttpConnection, HttpRequest

MAX_RECORDS = 10_000
KEY_HEADERS = ("authorization", "x-api-key")
START_TIMEOUT_S = 10.0
KEEP_ALIVE = b": keep-alive\n\n"
# asyncio needs three iterations of its loop from an accepted socket to `connection_made`.
TURNS_TO_ACCEPT = 4

JsonPage = Any | Callable[[Any], Any]
Self = TypeVar("Self", bound="FakeServer")


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of a stream.

    Attributes:
        kind: ``chunk`` pieces are counted, and may be held or followed by a fault. No fault comes
            after ``ending``. A client may leave after ``last``.
    """

    data: bytes
    kind: Literal["chunk", "ending", "last", "other"] = "other"


class Request:
    """One request for an answer, as the fake server saw it.

    Attributes:
        number: counted from 1.
        path: the path without its query.
        headers: the headers by name in lower case, without headers that contain a key.
        key_headers: the names of the headers that contain a key.
        size_bytes: the length of the body.
        state: ``open``, then ``done`` (everything was sent), ``failed`` (as scripted) or ``left``
            (the client disconnected).
        chunks_sent: the number of chunks written.
    """

    def __init__(self, number: int, http: HttpRequest, body: Any) -> None:
        self.number = number
        self.path = http.path.split("?")[0]
        self.key_headers = tuple(name for name in KEY_HEADERS if name in http.headers)
        self.has_key = bool(self.key_headers)
        self.headers = {
            name: value for name, value in http.headers.items() if name not in KEY_HEADERS
        }
        self.size_bytes = len(http.body)
        self.body: JsonObject = body if isinstance(body, dict) else {}
        self.state = "open"
        self.chunks_sent = 0
        self.release_event = asyncio.Event()

    @property
    def user_text(self) -> str:
        """The last user turn that does not ask to continue."""
        return answers.user_text(self.body)

    @property
    def is_continuation(self) -> bool:
        """Whether the request asks to continue an incomplete reply."""
        return answers.is_continuation(self.body)

    @property
    def cache_marks(self) -> int:
        """The number of cache marks."""
        return answers.cache_marks(self.body)


Rule = Callable[[Request], Answer]


class FakeServer:
    """The fake server: a context manager, on a free port.

    Args:
        queue: answers for the next requests, in order; `add` appends more.
        default: the answer when the queue is empty, or a function that makes it.
        port: 0 for a free one.

    Attributes:
        url: the server's address, without a path.
        path: the end of the path of requests for an answer.
        pages: by path, JSON or a function that makes it from a request's JSON.
        connection_count: the number of connections so far.
    """

    path = ""

    def __init__(self, *queue: Answer, default: Answer | Rule | None = None, port: int = 0) -> None:
        self._queue = deque(queue)
        self._default: Answer | Rule = default if default is not None else Answer()
        self._port = port
        self._change = threading.Condition()
        self._requests: deque[Request] = deque(maxlen=MAX_RECORDS)
        self._count = 0
        self._connections: set[HttpConnection] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._start_error: BaseException | None = None
        self.url = ""
        self.connection_count = 0
        self.pages: Mapping[str, JsonPage] = {}
        self._is_hurried = False

    # ---------------------------------------------------------------------- the test's side

    def __enter__(self: Self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server; afterwards `url` is known."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        if not ready.wait(START_TIMEOUT_S) or self._start_error is not None:
            raise RuntimeError("the fake API did not start") from self._start_error

    def stop(self) -> None:
        """Close all connections and end the thread."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stop_event.set)
            self._thread.join(START_TIMEOUT_S)
            self._loop = self._thread = None

    @property
    def requests(self) -> list[Request]:
        """The requests so far, the oldest first."""
        with self._change:
            return list(self._requests)

    def add(self, *more: Answer) -> None:
        """Append answers for the next requests."""
        with self._change:
            self._queue.extend(more)

    def set_default(self, default: Answer | Rule) -> None:
        """Set the answer for an empty queue."""
        with self._change:
            self._default = default

    def release(self) -> None:
        """Continue every held answer."""
        for request in self.requests:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(request.release_event.set)

    def hurry(self) -> None:
        """Send the rest of all answers without delays."""
        self._is_hurried = True

    async def pause(self, answer: Answer) -> None:
        """Wait for an answer's delay before a chunk."""
        if answer.delay_s and not self._is_hurried:
            await asyncio.sleep(answer.delay_s)

    def wait_until(
        self, is_true: Callable[[list[Request]], bool], timeout_s: float = 10.0
    ) -> list[Request]:
        """Wait until the requests fulfil a condition. Call this outside of the client's loop.

        Raises:
            TimeoutError: the condition was not true within ``timeout_s``.
        """
        with self._change:
            if not self._change.wait_for(lambda: is_true(list(self._requests)), timeout_s):
                states = [(each.number, each.state, each.chunks_sent) for each in self._requests]
                raise TimeoutError(f"the condition was not true within {timeout_s} s: {states}")
            return list(self._requests)

    # --------------------------------------------------------------------- of one API

    def pieces(self, answer: Answer, request: Request) -> Iterator[Piece]:
        """Yield the whole stream of a reply without a fault."""
        raise NotImplementedError

    def refusal_of(self, request: Request) -> Answer | None:
        """Refuse invalid requests like the real API."""
        raise NotImplementedError

    def error_of(self, type_: str, message: str) -> Any:
        """Return the API's error object."""
        raise NotImplementedError

    def is_prompt(self, path: str) -> bool:
        """Whether a POST to this path asks for a model's answer."""
        return path.endswith(self.path)

    async def answer_other(self, http: HttpRequest, connection: HttpConnection) -> None:
        """Answer a request that does not ask for a model's answer: with a page, if there is one."""
        path = http.path.split("?")[0]
        if path in self.pages:
            page = self.pages[path]
            await connection.send_json(200, page(http.json()) if callable(page) else page)
        else:
            await connection.send_json(404, self.error_of("not_found_error", "Not found"))

    # --------------------------------------------------------------------- the server's thread

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except BaseException as error:  # noqa: BLE001  handed to the thread that waits for it
            self._start_error = error
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop_event = asyncio.Event()
        server = await self._loop.create_server(self._connect, "127.0.0.1", self._port)
        host, port = server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"
        ready.set()
        await self._stop_event.wait()
        # A connection that asyncio accepts while its server closes would stay open for ever.
        with suppress(NotImplementedError):  # Windows
            self._loop.remove_reader(server.sockets[0].fileno())
        for _ in range(TURNS_TO_ACCEPT):
            await asyncio.sleep(0)
        server.close()
        for connection in list(self._connections):
            connection.abort()

    def _connect(self) -> HttpConnection:
        self.connection_count += 1
        return HttpConnection(self._answer, self._connections)

    async def _answer(self, http: HttpRequest, connection: HttpConnection) -> None:
        if http.method == "POST" and self.is_prompt(http.path.split("?")[0]):
            await self._answer_prompt(http, connection)
        else:
            await self.answer_other(http, connection)

    async def _answer_prompt(self, http: HttpRequest, connection: HttpConnection) -> None:
        with self._change:
            self._count += 1
            request = Request(self._count, http, http.json())
            self._requests.append(request)
            self._change.notify_all()
        try:
            await self._send(self._choose(request), request, connection)
        except (ClientLeft, asyncio.CancelledError):
            if request.state == "open":
                self.note(request, state="left")
            raise

    def _choose(self, request: Request) -> Answer:
        refusal = self.refusal_of(request)
        if refusal is not None:
            return refusal
        with self._change:
            if self._queue:
                return self._queue.popleft()
            default = self._default
        return default if isinstance(default, Answer) else default(request)

    async def _send(self, answer: Answer, request: Request, connection: HttpConnection) -> None:
        """Send an answer. The state changes before the last bytes, to which a client reacts."""
        if answer.before_headers and answer.fault is not None:
            await self.fail(answer, request, connection)
            return
        if answer.before_headers:
            await request.release_event.wait()
        headers = {"request-id": f"req_fake_{request.number}", **answer.headers}
        if answer.status == 200 and answer.body is None:
            await self.send_stream(answer, request, connection, headers)
            return
        body = answer.body
        if body is None:
            body = self.error_of(answer.error_type, answer.error_message)
        self.note(request, state="failed")
        await connection.send_json(answer.status, body, headers)

    async def send_stream(
        self,
        answer: Answer,
        request: Request,
        connection: HttpConnection,
        headers: Mapping[str, str],
    ) -> None:
        """Send an answer as a stream."""
        pieces = _as_they_come(self.pieces(answer, request))
        await self.send_pieces(pieces, answer, request, connection, headers)

    async def send_pieces(
        self,
        pieces: AsyncIterator[Piece],
        answer: Answer,
        request: Request,
        connection: HttpConnection,
        headers: Mapping[str, str],
    ) -> None:
        """Send pieces at the answer's pace, until the end or the answer's fault."""
        await connection.begin_stream({"content-type": "text/event-stream", **headers})
        async for piece in pieces:
            is_chunk = piece.kind == "chunk"
            # An answer fails even if it has fewer chunks than `after_chunks`.
            is_last = piece.kind in ("ending", "last")
            if answer.fault and (
                is_last or (is_chunk and request.chunks_sent >= answer.after_chunks)
            ):
                break
            if piece.kind == "last":
                self.note(request, state="done")
            elif is_chunk:
                await self.pause(answer)
                if answer.hold_after_chunks == request.chunks_sent:
                    await request.release_event.wait()
                self.note(request, chunks_sent=request.chunks_sent + 1)
            for data in cut(piece.data, answer.cut_bytes):
                await connection.send_chunk(data)
        if answer.fault is not None:
            await self.fail(answer, request, connection)
        else:
            self.note(request, state="done")
            await asyncio.sleep(answer.end_delay_s)
            await connection.end_stream()

    async def fail(self, answer: Answer, request: Request, connection: HttpConnection) -> None:
        """End a stream with the answer's fault."""
        if answer.fault == "silence":
            await asyncio.get_running_loop().create_future()
        self.note(request, state="failed")
        if answer.fault == "reset":
            connection.reset()
        elif answer.fault == "drop":
            connection.drop()
        else:
            if answer.fault == "garbage":
                await connection.send_chunk(answers.GARBAGE)
            elif answer.fault == "error":
                error = self.error_of(answer.error_type, answer.error_message)
                await connection.send_chunk(answers.to_sse(error))
            await connection.end_stream()

    def note(self, request: Request, **changes: Any) -> None:
        """Change the record of a request, and wake `wait_until`."""
        with self._change:
            for name, value in changes.items():
                setattr(request, name, value)
            self._change.notify_all()


async def _as_they_come(pieces: Iterator[Piece]) -> AsyncIterator[Piece]:
    for piece in pieces:
        yield piece


def cut(data: bytes, size: int | None) -> Iterator[bytes]:
    """Yield the bytes in pieces of a size; None for one piece."""
    for at in range(0, len(data), size or len(data)):
        yield data[at : at + (size or len(data))]
