"""The command ``jupyter chat-stream``: ``serve``, ``status``, ``check``.

It takes the same settings as the server: ``--ChatStream.database_url=…``, and what is configured
for it in Jupyter's configuration files.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_core.application import JupyterApp
from traitlets import Bool
from traitlets.config.loader import Config

from . import connection
from ._version import __version__
from .config import ChatStream
from .errors import ChatStreamError, DatabaseUnreadable


class ChatStreamCommand(JupyterApp):
    """Serve a chat without JupyterLab, look at the one that runs, or check what is stored.

    Commands:
      serve   a server with the chat alone, on loopback; prints how others find it
      status  what the server that this terminal belongs to is doing
      check   derives every stored message from its events again and prints each difference
    """

    name = "jupyter-chat-stream"
    version = __version__
    description = __doc__
    classes = [ChatStream]  # noqa: RUF012 - traitlets reads it off the class
    flags = {  # noqa: RUF012
        "headless": (
            {"ChatStreamCommand": {"headless": True}},
            "End with the last script or kernel that uses the server (it starts it itself).",
        )
    }
    headless = Bool(False, help="serve: end with the last parent. Default: False.").tag(config=True)

    def load_config_file(  # type: ignore[override]  # as JupyterApp does
        self, suppress_errors: bool = True
    ) -> None:
        """Read what is set for the chat, in its own file or in the Jupyter server's."""
        given = Config(self.config)
        self.config_file_name = "jupyter_server_config"
        super().load_config_file(suppress_errors=suppress_errors)
        self.config_file_name = ""
        super().load_config_file(suppress_errors=suppress_errors)
        self.update_config(given)

    def start(self) -> None:
        """Do what the first word says."""
        commands: dict[str, Callable[[], int]] = {
            "serve": self.serve,
            "status": self.status,
            "check": self.check,
        }
        words = self.extra_args
        if len(words) != 1 or words[0] not in commands:
            print(f"Say one of: {', '.join(commands)}. More with --help.", file=sys.stderr)
            self.exit(2)
        try:
            code = commands[words[0]]()
        except ChatStreamError as error:
            print(error.message, file=sys.stderr)
            code = 1
        self.exit(code)

    def serve(self) -> int:
        """Serve until stopped."""
        from .headless import serve

        type(self).clear_instance()  # the server is the one application from here on
        serve(self.config.get("ChatStream", Config()), on_leash=self.headless)
        return 0

    def status(self) -> int:
        """Print what the server is and does."""
        from .client import rest

        found = connection.find()
        answer = asyncio.run(rest.fetch(found, "GET", "status"))
        print(f"{found.url} (process {found.pid})")
        for name, value in answer.items():
            print(f"{name}: {_plain(value)}")
        return 0

    def check(self) -> int:
        """Print each difference between the stored rows and their events; 1 if there is any."""
        from .store.audit import verify
        from .store.database import parse_url
        from .store.store import Store

        settings = ChatStream(config=self.config)
        url = settings.resolved_database_url()
        file = parse_url(url).database
        if url.startswith("sqlite") and not (file and Path(file).exists()):
            raise DatabaseUnreadable(f"There is no database at {file!r}.", path=file)
        store = Store.open(url, synchronous=settings.synchronous)
        try:
            differences = store.read_now(lambda conn: [_told(found) for found in verify(conn)])
        finally:
            store.close()
        count = len(differences)
        print(f"{count} {'difference' if count == 1 else 'differences'}")
        return 1 if count else 0


def _told(difference: object) -> str:
    print(difference, flush=True)
    return str(difference)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items()) or "none"
    return str(value)


main = ChatStreamCommand.launch_instance

if __name__ == "__main__":
    main()
