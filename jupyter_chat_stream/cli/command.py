"""The base of every command: its words and options, the settings, and its failures.

A command's module has ``run(settings, words)`` and a class with the options. The settings are those
of the server: ``--ChatStream.database_url=…`` and Jupyter's configuration files. A command exits
with code 2 for bad words, and with code 1 and a sentence for every other failure.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from typing import IO, Any, cast

from jupyter_core.application import JupyterApp
from traitlets import TraitError
from traitlets.config.loader import Config

from .._version import __version__
from ..shared import logs
from ..shared.config import ChatStream
from ..shared.errors import ChatStreamError, InvalidInput

# A later file takes precedence. The second is the file of the server's extension.
CONFIG_FILES = ("jupyter_server_config", "jupyter_chat_stream_config")
PROGRESS_S = 1.0


class CliCommand(JupyterApp):
    """One command; the ``description`` of a subclass states its purpose."""

    version = __version__
    classes = [ChatStream]  # noqa: RUF012 - traitlets reads it off the class
    aliases = {"log-level": "Application.log_level"}  # noqa: RUF012
    flags = {  # noqa: RUF012
        "debug": ({"Application": {"log_level": logging.DEBUG}}, "Log more.")
    }

    def _log_level_default(self) -> int:
        return logging.WARNING

    def load_config_file(  # type: ignore[override]  # as JupyterApp does
        self, suppress_errors: bool = True
    ) -> None:
        """Read the chat's settings from its own file and from the Jupyter server's."""
        command_line = Config(self.config)
        for name in CONFIG_FILES:
            self.config_file_name = name
            super().load_config_file(suppress_errors=suppress_errors)
        self.update_config(command_line)

    def start(self) -> None:
        """Run the command, and exit with its code."""
        try:
            settings = ChatStream(parent=self)
        except TraitError as error:
            setting_error = InvalidInput(f"A setting is wrong: {error} --help-all lists them.")
            self.exit(_print_error(setting_error, 2))
        logs.configure(settings.log_format, cast(int, self.log_level))
        try:
            code = self.run(settings, list(self.extra_args))
            sys.stdout.flush()
        except InvalidInput as error:
            code = _print_error(error, 2)
        except ChatStreamError as error:
            code = _print_error(error, 1)
        except BrokenPipeError:  # the reader of the output has gone
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 1
        self.exit(code)

    def run(self, settings: ChatStream, words: list[str]) -> int:
        """Run the command; returns the exit code."""
        raise NotImplementedError


def words_first(arguments: list[str], names: Collection[str]) -> list[str]:
    """Move the name of the command before the options."""
    for index, argument in enumerate(arguments):
        if argument in names:
            return [argument, *arguments[:index], *arguments[index + 1 :]]
        if not argument.startswith("-"):
            break
    return arguments


def no_words(words: list[str]) -> None:
    """Raise InvalidInput if words follow a command that takes none."""
    if words:
        raise InvalidInput(f"This command takes no word such as {words[0]!r}. See --help.")


@contextmanager
def buffer_output() -> Iterator[IO[str]]:
    """Buffer the output in a file and print it when it is complete; ``begin_anew`` empties it.

    Raises:
        InvalidInput: the file cannot be written.
    """
    with TemporaryFile("w+", encoding="utf-8", newline="") as file:
        try:
            yield file
            file.flush()
        except OSError as error:
            problem = f"The output cannot be buffered: {error.strerror}."
            raise InvalidInput(f"{problem} Name another folder with TMPDIR.") from error
        file.seek(0)
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
        shutil.copyfileobj(file, sys.stdout)


def progress_writer() -> Callable[[str], None]:
    """Return a function that shows progress at a terminal, at most once in ``PROGRESS_S``."""
    told_at = time.monotonic()

    def write(text: str) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= PROGRESS_S and sys.stderr.isatty():
            told_at = time.monotonic()
            print(f"… {text}", file=sys.stderr, flush=True)

    return write


def begin_anew(file: IO[str]) -> None:
    """Empty the file, because after a lost connection the thread is read again."""
    file.seek(0)
    file.truncate()


def _print_error(error: ChatStreamError, code: int) -> int:
    print(error.message, file=sys.stderr)
    return code


def plain(value: Any) -> str:
    """Format a value for people."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {plain(item)}" for name, item in value.items()) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
