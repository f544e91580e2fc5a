"""``export``: writes threads as files, directly from the database."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from traitlets import Bool, Enum, Unicode

from ..shared.config import ChatStream
from ..shared.errors import InvalidInput
from ..shared.events import iso
from .command import CliCommand, begin_anew, buffer_output

if TYPE_CHECKING:
    from ..export.formats import Format
    from ..store.front import ChatStore, WholeThread

FORMATS = ("md", "json", "ipynb", "html")


class Export(CliCommand):
    """Writes one thread or all threads."""

    name = "jupyter-chat-stream-export"
    description = (
        "Write a thread, given by its id or as owner/name, to the file --output or to the standard "
        "output. With --all, write every thread to a file of its own in the folder --output. "
        "The command only reads, so a server may run meanwhile. Only you can read the files."
    )
    examples = (
        "jupyter chat-stream export local/churn --output=churn.md\n"
        "jupyter chat-stream export --all --format=json --events --output=backup/"
    )
    aliases = {  # noqa: RUF012 - traitlets reads it off the class
        **CliCommand.aliases,
        "format": "Export.format",
        "output": "Export.output",
    }
    flags = {  # noqa: RUF012
        **CliCommand.flags,
        "all": ({"Export": {"is_all": True}}, "Every thread that is not deleted."),
        "events": ({"Export": {"events": True}}, "With --format=json: every event too."),
    }
    format = Enum(
        FORMATS,
        None,
        allow_none=True,
        help="md, json, ipynb or html. Default and None: by the ending of --output, else md.",
    ).tag(config=True)
    output = Unicode(
        None,
        allow_none=True,
        help="The file, or the folder of --all. Default and None: the standard output.",
    ).tag(config=True)
    is_all = Bool(False, help="Whether to write every thread. Default: False.").tag(config=True)
    events = Bool(False, help="Whether to write events too. Default: False.").tag(config=True)

    def run(self, settings: ChatStream, words: list[str]) -> int:
        from ..export.formats import find_format
        from .database import open_database

        if self.is_all == bool(words) or len(words) > 1:
            raise InvalidInput("Name one thread, by its id or as owner/name, or use --all.")
        document_format = find_format(self.format or _by_ending(self.output), events=self.events)
        with open_database(settings) as store:
            if self.is_all:
                count = export_all(store, document_format, self.output)
                print(f"{count} {'thread' if count == 1 else 'threads'}", file=sys.stderr)
            else:
                export_one(store, words[0], document_format, self.output)
        return 0


def export_one(store: ChatStore, word: str, document_format: Format, output: str | None) -> None:
    from ..export.source import Source

    with buffer_output() if output is None else _write_file(Path(output)) as file:

        def work(thread: WholeThread) -> None:
            begin_anew(file)
            for piece in document_format.pieces(Source(thread, at=iso(store.now_ms()))):
                file.write(piece)

        store.upkeep.export(word, work)


def export_all(store: ChatStore, document_format: Format, output: str | None) -> int:
    """Write every thread into a folder, one after the other. Returns the number of threads."""
    from ..export.formats import file_name
    from ..export.source import Source

    if output is None:
        raise InvalidInput("With --all there are many files: name a folder with --output.")
    folder = Path(output)
    threads = store.upkeep.threads()

    def work(thread: WholeThread) -> None:
        source = Source(thread, at=iso(store.now_ms()))
        name = file_name(source.info, document_format.suffix, is_one_of_many=True)
        with _write_file(folder / name) as file:
            for piece in document_format.pieces(source):
                file.write(piece)

    _make_folder(folder)
    for thread in threads:
        store.upkeep.export(thread, work)
    return len(threads)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        problem = f"The folder {str(folder)!r} cannot be created: {error.strerror}."
        raise InvalidInput(problem) from error


@contextmanager
def _write_file(path: Path) -> Iterator[IO[str]]:
    """Open a temporary file, which is renamed when it is complete, and removed after an error."""
    draft = path.with_name(f".{path.name[:100]}.{os.getpid()}.new")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            yield file
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        problem = f"{str(path)!r} cannot be written: {error.strerror}."
        raise InvalidInput(problem) from error
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _by_ending(output: str | None) -> str | None:
    suffix = Path(output or "").suffix.lstrip(".").lower()
    return suffix if suffix in FORMATS else None
