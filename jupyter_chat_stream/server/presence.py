"""Keeps the connection file in place while the server runs, and removes it at the end.

A logout, a cleaner of temporary files or a person may empty the runtime folder. A kernel that
starts after that would find no server. So the server looks for its file every ``LOOK_S`` seconds,
and writes it again.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from ..shared import connection_file
from ..shared.connection_file import Connection
from ..shared.folders import reason_of
from ..shared.logs import Line

log = logging.getLogger("jupyter_chat_stream.server")

LOOK_S = 2.0


class Presence:
    """Keeps this server's connection file; call ``begin`` and ``end`` on the event loop."""

    look_s = LOOK_S

    def __init__(self, path: Path, content: Connection) -> None:
        self.path = path
        self._content = content
        self._last_reason: str | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Write the file, and check it from now on."""
        self._keep()
        self._task = asyncio.ensure_future(self._work())

    async def end(self) -> None:
        """Stop checking the file, and remove it if this server wrote it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        connection_file.remove(self.path, self._content.token)

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(self.look_s)
            if not connection_file.is_kept(self.path, self._content):
                self._keep()

    def _keep(self) -> None:
        try:
            connection_file.write(self.path, self._content)
        except OSError as error:
            reason = reason_of(error)
            if reason != self._last_reason:  # the same failure is logged once
                log.error(Line("connection_file.refused", path=str(self.path), reason=reason))
            self._last_reason = reason
            return
        if self._last_reason is not None or self._task is not None:
            log.warning(Line("connection_file.written_again", path=str(self.path)))
        self._last_reason = None
