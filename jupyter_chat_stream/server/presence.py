"""The connection file while the server runs: written, written again where it is gone, removed.

Runtime folders are cleaned: by a logout, by a cleaner of temporary files, by hand. A kernel that
starts afterwards would find no server, so the file is looked at every ``LOOK_S``.
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
    """This server's connection file; ``begin`` and ``end`` are called on the loop."""

    look_s = LOOK_S

    def __init__(self, path: Path, content: Connection) -> None:
        self._path = path
        self._content = content
        self._trouble: str | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Write the file, and keep it from now on."""
        self._keep()
        self._task = asyncio.ensure_future(self._work())

    async def end(self) -> None:
        """Keep it no longer, and remove it if it is still ours."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        connection_file.remove(self._path, self._content.token)

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(self.look_s)
            if not connection_file.is_kept(self._path, self._content):
                self._keep()

    def _keep(self) -> None:
        try:
            connection_file.write(self._path, self._content)
        except OSError as error:
            reason = reason_of(error)
            if reason != self._trouble:  # not every two seconds
                log.error(Line("connection_file.refused", path=str(self._path), reason=reason))
            self._trouble = reason
            return
        if self._trouble is not None or self._task is not None:
            log.warning(Line("connection_file.written_again", path=str(self._path)))
        self._trouble = None
