"""``check``: folds every stored row from its events again, and compares."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from ..shared.config import ChatStream
from .command import CliCommand, begin_anew, buffer_output, no_words, progress_writer

if TYPE_CHECKING:
    from ..store.front import ChatStore


class Check(CliCommand):
    """Prints each difference between a row and its events."""

    name = "jupyter-chat-stream-check"
    description = (
        "Derive every stored message, run and thread from its events again, and print each "
        "difference: thread, subject, and the law that is broken. Compares each attachment with "
        "its hash. Ends with 1 if there is any difference. Reads only; a server may go on "
        "meanwhile."
    )
    examples = "jupyter chat-stream check --ChatStream.database_url=sqlite:////srv/chat.db"

    def run(self, settings: ChatStream, words: list[str]) -> int:
        from .database import open_database

        no_words(words)
        with open_database(settings) as store, buffer_output() as file:
            count = _write_differences(store, file)
        print(f"{count} {'difference' if count == 1 else 'differences'}")
        return 1 if count else 0


def _write_differences(store: ChatStore, file: IO[str]) -> int:
    write_progress = progress_writer()
    return store.upkeep.verify(
        begin=lambda: begin_anew(file),
        tell=lambda difference: print(difference, file=file),
        progress=lambda done, threads: write_progress(f"{done} of {threads} threads"),
    )
