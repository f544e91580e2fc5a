"""``check``: derives every stored row from its events again."""

from __future__ import annotations

from ..config import ChatStream
from .command import Command, no_words


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
        no_words(words)
        return check(settings)


def check(settings: ChatStream) -> int:
    """Print each difference between the stored rows and their events; 1 if there is any."""
    from ..store.audit import verify
    from .database import opened

    with opened(settings) as store:

        def work(conn: object) -> int:
            found = 0
            for difference in verify(conn):  # type: ignore[arg-type]
                found += 1
                print(difference, flush=True)
            return found

        count = store.read_now(work)
    print(f"{count} {'difference' if count == 1 else 'differences'}")
    return 1 if count else 0
