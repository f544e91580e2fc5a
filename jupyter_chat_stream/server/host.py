"""The one service of this server: it starts in the background and stops with the server.

Before the server listens, it imports nothing heavy. A thread then loads the service, its database
library, the providers and the validation; earlier requests wait for it. If a start fails (the
database is unreadable, foreign or newer), each request gets that error until a later start
succeeds. The Jupyter server itself goes on.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.identity import IdentityProvider
from tornado.web import RequestHandler

from ..shared.config import ChatStream
from ..shared.errors import ChatStreamError
from ..shared.logs import Line
from .identity import ConnectionIdentity, has_token, server_owner
from .refusals import StartFailed, unforeseen

if TYPE_CHECKING:
    from ..service import Service

log = logging.getLogger("jupyter_chat_stream.server")

HEARTBEAT_S = 20.0
ACTIVITY_S = 15.0  # culling counts in minutes
STOP_S = 15.0  # ``stop`` waits at most this long for a start that hangs
FREEZE_AFTER_S = 10.0  # by then the background imports have finished
START_AGAIN_S = 5.0  # least time between two starts after a failure


def load_service(config: ChatStream) -> Service:
    """Import the modules that requests need, and build the service; runs in a thread."""
    import_module("jupyter_chat_stream.server.bodies")
    from ..service import Service

    return Service(config)


class ServiceHost:
    """Holds the service, the identities of its kernels, and every open stream.

    Args:
        settings: those of the web application; activity in ``api_last_activity`` keeps a server
            from being culled.
        make: builds the service in the loading thread.
    """

    heartbeat_s = HEARTBEAT_S
    activity_s = ACTIVITY_S
    freeze_after_s = FREEZE_AFTER_S

    def __init__(
        self,
        config: ChatStream,
        *,
        settings: dict[str, Any],
        log: logging.Logger,
        make: Callable[[ChatStream], Service] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.token = secrets.token_urlsafe(32)
        self.config = config
        self._settings = settings
        self._log = log
        self.make = make or load_service
        self.clock = clock
        self.running_service: Service | None = None  # None before its start and after its stop
        self._failure: ChatStreamError | None = None
        self._failed_at = 0.0
        self._is_stopped = False
        self._starting: asyncio.Task[None] | None = None
        self._activity_task: asyncio.Task[None] | None = None
        self._freezing: asyncio.TimerHandle | None = None
        self._identity: ConnectionIdentity | None = None
        self._tokens: dict[str, str] = {}  # by owner, for the kernels of this server
        self.streams: set[asyncio.Task[Any]] = set()

    def begin(self) -> None:
        """Start the service in the background; needs a running loop."""
        self._failure = None
        self._starting = asyncio.ensure_future(self._start())
        if self._activity_task is None:
            self._activity_task = asyncio.ensure_future(self._watch_activity())

    async def service(self) -> Service:
        """Wait for the service; raises ChatStreamError (status 503) if it could not start."""
        if self._is_stopped:
            raise StartFailed("The chat has stopped with its server.")
        is_due = self.clock() - self._failed_at >= START_AGAIN_S
        if self._starting is None or (self._failure is not None and is_due):
            self.begin()
        if self._starting is not None:
            await asyncio.wait({self._starting})
        if self.running_service is None:
            raise self._failure or StartFailed("The chat has stopped with its server.")
        return self.running_service

    async def _start(self) -> None:
        loader = ThreadPoolExecutor(1, thread_name_prefix="chat-stream-start")
        try:
            loop = asyncio.get_running_loop()
            service = await loop.run_in_executor(loader, self.make, self.config)
            await service.start()
            self.running_service = service
            # The loaded modules stay for good. A garbage collection that searches them would stop
            # the server for 0.1 s or more, each time a few hundred thousand objects are new.
            self._freezing = loop.call_later(self.freeze_after_s, gc.freeze)
        except ChatStreamError as error:
            self._fail(error)
            log.error(Line("service.not_started", code=error.code, message=error.message))
        except Exception as error:  # noqa: BLE001 - the server goes on, and each request gets it
            wire_error = unforeseen(error, log=self._log).error
            self._fail(StartFailed(f"The chat could not start. {wire_error['message']}"))
        finally:
            loader.shutdown(wait=False)

    def _fail(self, error: ChatStreamError) -> None:
        self._failed_at = self.clock()
        self._failure = StartFailed(error.message, **error.facts)
        self._failure.code = error.code

    def identity(self, provider: IdentityProvider) -> ConnectionIdentity:
        """Return the identity of requests with the connection file's token."""
        if self._identity is None:
            self._identity = ConnectionIdentity(server_owner(provider), parent=self.config)
        return self._identity

    def token_of(self, owner: str) -> str:
        """Return the token of this owner's kernels."""
        if owner not in self._tokens:
            self._tokens[owner] = secrets.token_urlsafe(32)
        return self._tokens[owner]

    def kernel_identity(
        self, handler: RequestHandler, provider: IdentityProvider
    ) -> ConnectionIdentity | None:
        """Return the identity of a kernel's request; None if it has no kernel's token."""
        if has_token(handler, self.token):
            return self.identity(provider)
        for owner, token in self._tokens.items():
            if has_token(handler, token):
                return ConnectionIdentity(owner, parent=self.config)
        return None

    def hold(self, task: asyncio.Task[Any]) -> None:
        """Keep the task of a stream, which is cancelled when the server stops."""
        self.streams.add(task)
        task.add_done_callback(self.streams.discard)

    def current_activity(self) -> dict[str, int] | None:
        """Describe the current work; None if there is none."""
        active = 0 if self.running_service is None else self.running_service.active_runs
        return {"runs": active} if active else None

    def note_activity(self) -> None:
        """Count an executing run as activity of the server, so that it is not culled."""
        if self.current_activity() is not None:
            self._settings["api_last_activity"] = datetime.now(UTC)

    async def _watch_activity(self) -> None:
        while True:
            await asyncio.sleep(self.activity_s)
            self.note_activity()

    async def stop(self) -> None:
        """Cancel all streams, then stop the service; wait for a service that is starting."""
        self._is_stopped = True
        if self._freezing is not None:
            self._freezing.cancel()
        tasks = [*self.streams, *((self._activity_task,) if self._activity_task else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._starting is not None:
            await asyncio.wait({self._starting}, timeout=STOP_S)
            self._starting.cancel()
        service, self.running_service = self.running_service, None
        self._activity_task = None
        if service is not None:
            await service.stop()
