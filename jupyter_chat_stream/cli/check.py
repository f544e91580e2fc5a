"""``check``: derives every stored row from its events again."""

from __future__ import annotations

import sys
import time
from typing import IO, TYPE_CHECKING

from ..shared.config import ChatStream
from .command import Command, begin_anew, kept, no_words

if TYPE_CHECKING:
    from ..store.log.transaction import Connection

PROGRESS_S = 1.0


class Check(Command):
    """Prints what differs."""

    name = "jupyter-chat-stream-check"
    description = (
        "Derive every stored message, run and thread from its events again, and print each "
        "difference: thread, subject, and the law that is broken. Ends with 1 if there is any. "
        "Reads only; a server may go on meanwhile."
    )
    examples = "jupyter chat-stream check --ChatStream.database_url=sqlite:////srv/chat.db"

    def run(self, settings: ChatStream, words: list[str]) -> int:
        from .database import opened

        no_words(words)
        with opened(settings) as store, kept() as file:
            count = store.read_now(lambda conn: _write_differences(conn, file))
        print(f"{count} {'difference' if count == 1 else 'differences'}")
        return 1 if count else 0


def _write_differences(conn: Connection, file: IO[str]) -> int:
    from ..store.audit import verify

    told_at = time.monotonic()

    def progress(done: int, threads: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= PROGRESS_S and sys.stderr.isatty():
            told_at = time.monotonic()
            print(f"… {done} of {threads} threads", file=sys.stderr, flush=True)

    begin_anew(file)
    count = 0
    for difference in verify(conn, progress):
        count += 1
        print(difference, file=file)
    return count
