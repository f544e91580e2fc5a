"""What stands at ANTHROPIC_BASE_URL in the cases: a server that plays bytes, as they are.

An answer is a whole HTTP answer (``.http``), or the body of a stream (``.sse``), which is sent
event by event. The last one is played again for every request to come; a request that asks to go
on with a cut reply gets `` [rest]``, so that a needless one is seen.
"""

from __future__ import annotations

import http.server
import json
import re
import socket
import struct
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tests import sockets

FOLDER = Path(__file__).parent
MODEL = "claude-sonnet-5-5"
GO_ON = b"The connection broke"
RESET = b"<reset>"  # at the end of a body: the connection is reset there


def case(name: str) -> bytes:
    """Return a case's bytes."""
    return (FOLDER / name).read_bytes()


def sse(*events: Mapping[str, Any]) -> bytes:
    """Return events as the body of a stream."""
    lines = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return "".join(lines).encode()


def begin() -> dict[str, Any]:
    """Return the event that an answer begins with."""
    usage = {"input_tokens": 12, "output_tokens": 1}
    fixed = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    rest = {"stop_reason": None, "stop_sequence": None, "usage": usage}
    return {"type": "message_start", "message": {**fixed, "model": MODEL, **rest}}


def block(index: int, start: Mapping[str, Any], *deltas: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the events of one content block."""
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(index: int, *pieces: str) -> list[dict[str, Any]]:
    """Return the events of a text."""
    deltas = ({"type": "text_delta", "text": piece} for piece in pieces)
    return block(index, {"type": "text", "text": ""}, *deltas)


def end(reason: str, **details: Any) -> list[dict[str, Any]]:
    """Return the events that an answer ends with."""
    delta = {"stop_reason": reason, "stop_sequence": None, **details}
    usage = {"output_tokens": 40}
    return [
        {"type": "message_delta", "delta": delta, "usage": usage},
        {"type": "message_stop"},
    ]


REST = sse(begin(), *text(0, " [rest]"), *end("end_turn"))


def page(head: str, body: str | bytes = "") -> bytes:
    """Return a whole HTTP answer: its status and headers by line, and its body."""
    raw = body.encode() if isinstance(body, str) else body
    lines = [*head.strip().splitlines(), f"content-length: {len(raw)}", "connection: close"]
    return "\r\n".join(["HTTP/1.1 " + lines[0], *lines[1:], "", ""]).encode() + raw


class _Server(http.server.ThreadingHTTPServer):
    """A server that knows how many connections it has open."""

    daemon_threads = True

    def __init__(self, *args: Any) -> None:
        self._open = 0
        self._changed = threading.Condition()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        sockets.keep(request)
        with self._changed:
            self._open += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def wait_until_idle(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._open == 0, 10)


class PlayedApi:
    """Serves answers on loopback, in their order.

    ``requests`` are the bodies it got, ``visits`` counts the requests of any method.
    """

    def __init__(self) -> None:
        self._answers: list[bytes] = []
        self.visits = 0
        self.requests: list[dict[str, Any]] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> PlayedApi:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_until_idle(self) -> None:
        """Wait until the clients' connections are closed on this side, too."""
        self._server.wait_until_idle()

    def play(self, *answers: bytes) -> None:
        """Forget what was asked, and answer from now on with these."""
        self._answers = list(answers)
        self.requests = []

    def next(self, raw: bytes) -> bytes:
        """Note a request and choose its answer."""
        self.requests.append(json.loads(raw))
        if GO_ON in raw:
            return REST
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                api.visits += 1
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                self._send(api.next(raw))

            def do_GET(self) -> None:  # where a redirect leads to
                api.visits += 1
                self._send(page("200 OK\ncontent-type: text/html", "<title>Log in</title>"))

            def _send(self, answer: bytes) -> None:
                if answer.startswith(b"HTTP/"):
                    self.wfile.write(answer)
                    self.close_connection = True
                    return
                body, reset, _ = answer.partition(RESET)
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for piece in events_of(body):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.flush()
                if reset:
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.close_connection = True
                else:
                    self.wfile.write(b"0\r\n\r\n")

        return Handler


def events_of(body: bytes) -> Iterable[bytes]:
    """Part a stream's body into its events."""
    return [piece for piece in re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)", body) if piece]
