"""A fake API as a process of its own, so that a measurement does not share its CPU.

``python -m benchmarks.paced_api API CHUNK_CHARS PACE_S`` prints the address, and ends on SIGTERM.
"""

from __future__ import annotations

import signal
import sys
import threading

from jupyter_chat_stream.testing import Answer, FakeAnthropic, FakeOpenAI

CHARS = 20_000


def main(api: str, chunk_chars: str, pace_s: str) -> None:
    """Serve until the process gets SIGTERM."""
    stop_event = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop_event.set())
    answer = Answer(chars=CHARS, chunk_chars=int(chunk_chars), delay_s=float(pace_s))
    with {"anthropic": FakeAnthropic, "openai": FakeOpenAI}[api](default=answer) as fake:
        sys.stdout.write(fake.url + "\n")
        sys.stdout.flush()
        stop_event.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
