"""The command ``jupyter chat-stream``; each of its commands is a module of ``cli``."""

from __future__ import annotations

import sys

from traitlets import Unicode

from .cli.command import CliCommand, words_first
from .shared.config import ChatStream
from .shared.errors import InvalidInput

_HELP = {
    "serve": "A server with the chat alone, on loopback; prints how others find it.",
    "status": "What is going on: runs, who holds them, what waits, how large it all is.",
    "check": "Derives all that is stored from its events again and prints each difference.",
    "worker": "Executes runs where no server does, on this host or on another.",
    "gc": "Takes away what is too old to be kept, at once.",
    "export": "Writes threads as Markdown, JSON, notebook or HTML.",
}


class ChatStreamCommand(CliCommand):
    """The command line: picks the command."""

    name = "jupyter-chat-stream"
    description = (
        "Chats whose answers are made in the background: serve them, look after them, and take "
        "them elsewhere. Every command takes the settings of the server, such as "
        "--ChatStream.database_url=…; `jupyter chat-stream COMMAND --help` says more."
    )
    subcommands = {  # noqa: RUF012 - traitlets reads it off the class
        name: (f"jupyter_chat_stream.cli.{name}.{name.capitalize()}", text)
        for name, text in _HELP.items()
    }
    subcommand = Unicode()  # JupyterApp would look for programs of these names on the PATH

    def _find_subcommand(self, name: str) -> str:
        return ""

    def start(self) -> None:
        """Hand over to the command that was named."""
        if self.subapp is not None:
            self.subapp.start()
        super().start()

    def run(self, settings: ChatStream, words: list[str]) -> int:
        fault = f"not {words[0]!r}" if words else "there is none here"
        raise InvalidInput(f"Say one of {', '.join(_HELP)}; {fault}. More with --help.")


def arguments(words: list[str]) -> list[str]:
    """Return the arguments with the command first: options may stand before it."""
    return words_first(words, _HELP)


def main() -> None:
    """Run the command line."""
    ChatStreamCommand.launch_instance(arguments(sys.argv[1:]))


if __name__ == "__main__":
    main()
