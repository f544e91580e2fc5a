"""``serve``: a server with the chat alone, on loopback."""

from __future__ import annotations

from traitlets import Bool
from traitlets.config.loader import Config

from ..shared.config import ChatStream
from .command import CliCommand, no_words


class Serve(CliCommand):
    """Serves until stopped."""

    name = "jupyter-chat-stream-serve"
    description = (
        "Serve a chat without JupyterLab, on loopback. Prints how programs on this machine find "
        "it. Ends with Ctrl+C; runs that have not ended go on with the next server."
    )
    examples = "jupyter chat-stream serve --ChatStream.database_url=sqlite:////srv/chat.db"
    flags = {  # noqa: RUF012 - traitlets reads it off the class
        **CliCommand.flags,
        "headless": (
            {"Serve": {"headless": True}},
            "End with the last script or kernel that uses the server (which starts it itself).",
        ),
    }
    headless = Bool(False, help="End with the last parent. Default: False.").tag(config=True)

    def run(self, settings: ChatStream, words: list[str]) -> int:
        from .private_server import serve

        no_words(words)
        type(self).clear_instance()  # from here on the server is the one application
        serve(self.config.get("ChatStream", Config()), on_leash=self.headless)
        return 0
