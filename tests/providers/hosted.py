"""A scripted provider that names the API that it calls, so that its answers have a price."""

from __future__ import annotations

from typing import Any

from jupyter_chat_stream.testing import ScriptedProvider
from jupyter_chat_stream.testing.scripted import Script

CLAUDE = "https://api.anthropic.com"


class Hosted(ScriptedProvider):
    """Streams scripts, and calls nothing."""

    def __init__(self, *scripts: Script, api_url: str = CLAUDE, **options: Any) -> None:
        super().__init__(*scripts, **options)
        self.api_url = api_url
