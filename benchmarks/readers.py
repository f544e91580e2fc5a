"""The process that reads: every thread on each of a few sockets, as many browsers would.

While it is measured it only notes when which bytes came; it folds them when it is told to stop. It
says ``"live"`` when every subscription is, and in the end what each reader has: a digest of the
answer's text, how the run ended, and how old each stamp (stamps.py) was when it came.
"""

from __future__ import annotations

import gc
import hashlib
import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from jupyter_chat_stream.shared.subscription import Applied, Subscription

from .frames import CLOSE, PING, PONG, TEXT, Cutter, handshake, masked
from .stamps import age_s, stamps_in

PATIENCE_S = 60.0
RECEIVE_BYTES = 1024 * 1024


def digest(text: str) -> str:
    """Return what stands for an answer's text."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(kw_only=True)
class Folded:
    """One reader's state, folded from its frames as any client does it (L6)."""

    subscription: Subscription
    texts: dict[str, str] = field(default_factory=dict)
    ages: list[tuple[str, float]] = field(default_factory=list)
    trouble: str | None = None

    def receive(self, at_ns: int, frame: dict[str, Any]) -> None:
        """Take a frame that came at that time."""
        action = self.subscription.receive(frame)
        if action is not None and not isinstance(action, Applied):
            self.trouble = repr(action)
        for event in frame.get("events", ()):
            if event["type"] == "delta":
                known = self.texts.get(event["message_id"], "")
                self._grow(at_ns, event["message_id"], known + event["text"])
        for message in frame.get("messages", ()):
            if message["role"] == "assistant":
                self._grow(at_ns, message["id"], message["content"])

    def _grow(self, at_ns: int, message_id: str, text: str) -> None:
        first = len(self.texts.get(message_id, ""))
        self.ages.extend((mark, age_s(mark, at_ns)) for mark in stamps_in(text, first))
        self.texts[message_id] = text

    def summary(self) -> dict[str, Any]:
        """Return where this reader stands."""
        transcript = self.subscription.transcript
        answers = [m for m in transcript.messages if m["role"] == "assistant"]
        return {
            "thread": self.subscription.thread_id,
            "seq": transcript.seq,
            "digests": [digest(message["content"]) for message in answers],
            "statuses": [message["status"] for message in answers],
            "trouble": self.trouble,
        }


class Socket:
    """One connection, and what came over it."""

    def __init__(self, url: str, token: str, threads: list[str]) -> None:
        parts = urlsplit(url)
        self.threads = threads
        self.frames: list[tuple[int, bytes]] = []
        self.bytes = 0
        self.is_closed = False
        self.live = 0
        self._cutter = Cutter()
        self.socket = socket.create_connection(
            (str(parts.hostname), int(parts.port or 80)), PATIENCE_S
        )
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * RECEIVE_BYTES)
        self.socket.sendall(handshake(url + "ws", token))
        for thread in threads:
            wanted = {"op": "subscribe", "thread": thread, "after": 0}
            self.socket.sendall(masked(TEXT, json.dumps(wanted).encode()))

    def read(self) -> None:
        """Take what has come."""
        data = self.socket.recv(RECEIVE_BYTES)
        now = time.monotonic_ns()
        self.bytes += len(data)
        self.is_closed = self.is_closed or not data
        for opcode, payload in self._cutter.feed(data):
            if opcode == TEXT:
                self.frames.append((now, payload))
                if self.live < len(self.threads) and payload.startswith(b'{"op":"live"'):
                    self.live += 1
            elif opcode == PING:
                self.socket.sendall(masked(PONG, payload))
            elif opcode == CLOSE:
                self.is_closed = True

    def fold(self) -> dict[str, Any]:
        """Fold all that came, reader by reader."""
        readers = {thread: Folded(subscription=Subscription(thread)) for thread in self.threads}
        for folded in readers.values():
            folded.subscription.request()
        for at_ns, payload in self.frames:
            frame = json.loads(payload)
            if "thread" in frame:
                readers[frame["thread"]].receive(at_ns, frame)
        return {
            "frames": len(self.frames),
            "bytes": self.bytes,
            "is_closed": self.is_closed,
            "readers": [folded.summary() for folded in readers.values()],
            "ages": [age for folded in readers.values() for age in folded.ages],
        }


def main() -> None:
    """Do as standard input says."""
    told = json.loads(sys.stdin.readline())
    gc.disable()  # what came is kept, and no part of it is ever garbage
    sockets = [Socket(url, told["token"], told["threads"]) for url in told["urls"]]
    watched = selectors.DefaultSelector()
    watched.register(sys.stdin, selectors.EVENT_READ)
    for one in sockets:
        watched.register(one.socket, selectors.EVENT_READ, one)
    is_live = is_told = False
    while not is_told:
        for key, _ in watched.select():
            if key.data is None:
                is_told = True
            else:
                key.data.read()
                if key.data.is_closed:
                    watched.unregister(key.data.socket)
        if not is_live and all(one.live == len(one.threads) for one in sockets):
            is_live = True
            print('"live"', flush=True)
    cpu_s = time.process_time()
    print(json.dumps({"cpu_s": cpu_s, "sockets": [one.fold() for one in sockets]}), flush=True)


if __name__ == "__main__":
    main()
